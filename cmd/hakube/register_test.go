package main

import (
	"testing"

	"github.com/anishathalye/porcupine"
	"k8s.io/client-go/tools/clientcmd"

	"hakube/cluster/drill"
)

// A register is one that is in use until a test is over, which must outlive all that is to
// be judged, so it is no step's own.
type register struct{ *drill.Register }

func newRegister(t *testing.T, kubeconfig string) *register {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	r, err := drill.BeginRegister(t.Context(), config, "register")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.End)
	return &register{r}
}

// end stops it and judges what it saw.
func (r *register) end(t *testing.T) {
	t.Helper()
	if r.Ended() {
		t.Fatal("register: it was stopped before: what came after was not judged")
	}
	r.End()
	for _, line := range r.Lines() {
		report(t, "register: %s", line)
	}
	if writes, _ := r.Count(); writes == 0 {
		t.Error("register: no write was acknowledged")
	}
	if verdict, n := r.Linear(); verdict != porcupine.Ok {
		t.Errorf("register: the history of %d operations is no register's: %v", n, verdict)
	}
}
