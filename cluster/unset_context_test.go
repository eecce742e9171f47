package cluster

import (
	"testing"

	"hakube/cluster/kube"
)

// TestContextAsItIs: an entry with a name of its own, that is not the current one,
// is used, kept and removed by somebody who does not say that name again.
func TestContextAsItIs(t *testing.T) {
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o.shell(t, map[string]string{"OVERRIDE_CONTEXT": "mine", "SECONDARY_KUBECONFIG": "true", "NUM_NODES": "1"}))
	bare := o.shell(t, nil)
	nothingToDo(t, w, bare)
	holds := func(want bool) {
		t.Helper()
		config, err := kube.LoadFile(o.kubeconfig)
		if err != nil || kube.HasEntry(config, "mine") != want || kube.HasEntry(config, "local_kubernetes") || config.CurrentContext != "" {
			t.Errorf("contexts %v, current %q, %v", config.Contexts, config.CurrentContext, err)
		}
	}
	holds(true)
	if s, err := bare.Status(t.Context()); err != nil || len(s.Warnings) > 0 {
		t.Errorf("status: %+v, %v", s.Warnings, err)
	}
	w.mustDown(bare)
	holds(false)
}
