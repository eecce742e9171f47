package etcdtest

import (
	"bytes"
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/scripts"
)

// TestDeletedNode: a kubelet makes its Node when it starts and not again, as a real one
// does (kubernetes#71398): a Node that is deleted stays away until its machine boots or,
// of a master, its kubelet is restarted.
func TestDeletedNode(t *testing.T) {
	ctx := context.Background()
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	c := s.client(m)
	if _, err := c.Secrets("kube-system").Create(ctx, joinSecret(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	n := s.node(m, "n1")
	s.reaches(n, scripts.PhaseRunning)
	for name, restart := range map[string]func(){
		"n1": func() {
			n.Stop()
			n = s.node(m, "n1")
		},
		"kubernetes-master": func() {
			for range 2 {
				var out, said bytes.Buffer
				if code := registerNode(ctx, Call{Guest: m, Stdout: &out, Stderr: &said}); code != 0 || out.String() != "{\"registered\":true}\n" {
					t.Fatalf("register-node: %d, %s%s", code, &out, &said)
				}
			}
		},
	} {
		if err := c.Nodes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		if _, err := c.Nodes().Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("%s came back by itself: %v", name, err)
		}
		restart()
		is, err := c.Nodes().Get(ctx, name, metav1.GetOptions{})
		for begin := time.Now(); (err != nil || !isReady(*is)) && time.Since(begin) < time.Minute; time.Sleep(time.Millisecond) {
			is, err = c.Nodes().Get(ctx, name, metav1.GetOptions{})
		}
		if err != nil || !isReady(*is) {
			t.Errorf("%s after a restart: %v", name, err)
		}
	}
	var out, said bytes.Buffer
	if code := registerNode(ctx, Call{Guest: n, Stdout: &out, Stderr: &said}); code == 0 || said.String() != "this machine is no master yet\n" {
		t.Errorf("on a node: %d, %s%s", code, &out, &said)
	}
}
