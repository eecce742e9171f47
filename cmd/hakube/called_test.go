package main

import (
	"testing"

	"hakube/cluster"
	"hakube/scripts/cure"
)

// TestCalled: a named command has what was set by flag or variable, and nothing of
// what an exported one would make of it.
func TestCalled(t *testing.T) {
	path := programPath()
	for name, x := range map[string]struct {
		env   []string
		given map[string]string
		named cure.Command
		want  string
	}{
		"flags": {nil, map[string]string{"KUBERNETES_PROVIDER": "local", "KUBE_GCE_INSTANCE_PREFIX": "two words", "NODE_SIZE": "e2-small"}, cure.Up("z"),
			"KUBERNETES_PROVIDER=local KUBE_GCE_INSTANCE_PREFIX='two words' NODE_SIZE=e2-small KUBE_GCE_ZONE=z " + path + " up"},
		"what only up needs": {nil, map[string]string{"NODE_SIZE": "e2-small", "KUBERNETES_PROVIDER": "local"}, cure.Repair("m"), "KUBERNETES_PROVIDER=local " + path + " repair m"},
		"left-over exports": {[]string{"KUBERNETES_PROVIDER=local", "KUBE_USE_EXISTING_MASTER=true", "KUBE_GCE_ZONE=z", "KUBE_DELETE_NODES=false", "KUBE_REPLICA_NAME=m"}, nil, cure.Down(),
			"env -u KUBE_USE_EXISTING_MASTER -u KUBE_DELETE_NODES -u KUBE_REPLICA_NAME -u KUBE_GCE_ZONE KUBERNETES_PROVIDER=local " + path + " down"},
		"the same, another way": {[]string{"KUBERNETES_PROVIDER=local", "NUM_NODES=3"}, map[string]string{"KUBE_GCE_ZONE": "z", "NUM_NODES": "5"}, cure.Same().With("HAKUBE_SWEEP", "true"),
			"KUBERNETES_PROVIDER=local KUBE_GCE_ZONE=z NUM_NODES=5 HAKUBE_SWEEP=true " + path + " down"},
		"gcloud at the embedded GCE": {[]string{"KUBERNETES_PROVIDER=local", "HAKUBE_LOCAL_DIR=/s", "PROJECT=p"}, nil, cure.Resume("m", "z"),
			`(eval "$(HAKUBE_LOCAL_DIR=/s ` + path + ` local env)" && gcloud compute instances resume m --zone=z --project=p)`},
	} {
		c := newCalled(x.env)
		c.words = []string{"hakube", "down"}
		if x.given != nil {
			c.given = x.given
		}
		if got := c.whole(x.named); got != x.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, x.want)
		}
	}
	c := newCalled(nil)
	c.set = cluster.Settings{Project: "prod"}
	if got, want := c.whole(cure.Status()), "PROJECT=prod "+path+" status"; got != want {
		t.Errorf("gcloud may be set to another project by then: %s, want %s", got, want)
	}
}
