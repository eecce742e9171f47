//go:build linux

package main

import "testing"

// TestWeekOfSlips is a week of a person whose hands slip: each slip as it is typed,
// what is read then, word for word, and that nothing was lost by it. `~` is the
// home directory, WHO a user.
func TestWeekOfSlips(t *testing.T) {
	if testing.Short() {
		t.Skip("operations as long as Google's take a minute: skipped by -short")
	}
	d := newDiary(t)
	d.done("hakube local start --machines=model")
	for _, day := range []struct {
		name string
		live func(*diary)
	}{
		{"Monday", monday}, {"Tuesday", tuesday}, {"Wednesday", wednesday}, {"Thursday", thursday},
		{"Friday", friday}, {"Saturday", saturday}, {"Sunday", sunday},
	} {
		if !t.Run(day.name, func(t *testing.T) { d.t = t; day.live(d) }) {
			return // the days after have another cluster
		}
	}
}

// Monday: the first cluster, begun with its nodes.
func monday(d *diary) {
	d.slip("KUBE_USE_EXISTING_MASTER=true KUBE_GCE_ZONE=europe-west1-b hakube up", 1, `
hakube: bringing up the pool of zone europe-west1-b: cluster kubernetes of project local (provider local)
hakube: error: cluster kubernetes has no master in project local, so no node can join it
hakube: hint: make the cluster first:
    env -u KUBE_USE_EXISTING_MASTER KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig KUBE_GCE_ZONE=europe-west1-b hakube up
hakube: hint: nothing was changed
`)
	d.slip("KUBE_REPLICATE_EXISTING_MASTER=true KUBE_GCE_ZONE=europe-west1-b hakube up", 1, `
hakube: adding a master in zone europe-west1-b: cluster kubernetes of project local (provider local)
hakube: error: cluster kubernetes has no master in project local, so there is none to replicate
hakube: hint: make the cluster first:
    env -u KUBE_REPLICATE_EXISTING_MASTER KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig KUBE_GCE_ZONE=europe-west1-b hakube up
hakube: hint: nothing was changed
`)
	d.slip("NUM_NODE=8 KUBE_GCE_ZONE=europe-west1-b hakube up", 2, `
hakube: error: NUM_NODE="8": no such setting; did you mean NUM_NODES
hakube: hint: see all settings:
    hakube help env
hakube: hint: nothing was changed
`)
	d.slip("hakube up --num-node=8 --zone=europe-west1-b", 2, `
hakube: error: hakube up has no flag --num-node; did you mean --num-nodes
`)
	d.slip("hakube stauts --json", 2, `
{"schema":1,"type":"error","time":"NOW","code":2,"commands":[],"error":"no command \"stauts\"; did you mean hakube status","why":"no command \"stauts\"; did you mean hakube status"}
{"schema":1,"type":"hint","time":"NOW","code":null,"commands":["hakube --help"],"hint":"see all:","why":"see all:"}
`)
	d.slip("hakube up", 2, `
hakube: error: KUBE_GCE_ZONE is not set: name the zone to bring up, such as europe-west1-b
hakube: hint: see all settings:
    hakube help env
hakube: hint: nothing was changed
`)
	d.done("NUM_NODES=2 KUBE_GCE_ZONE=europe-west1-b hakube up")
}

// Tuesday: eight nodes, then a new shell, and one whose profile is last year's.
func tuesday(d *diary) {
	d.done("NUM_NODES=8 KUBE_GCE_ZONE=europe-west1-b hakube up")
	d.slip("KUBE_GCE_ZONE=europe-west1-b hakube up", 0, `
hakube: bringing up cluster kubernetes in zone europe-west1-b of project local (provider local)
`)
	d.slip("export KUBE_GCE_ZONE=us-central1-b; hakube up", 1, `
hakube: bringing up cluster kubernetes in zone us-central1-b of project local (provider local)
hakube: error: cluster kubernetes lives in zone europe-west1-b; all its zones are of region europe-west1, and us-central1-b is not
hakube: hint: another cluster needs another KUBE_GCE_INSTANCE_PREFIX
hakube: hint: nothing was changed
`)
	d.slip("export KUBE_GCE_ZONE=us-central1-b; hakube down", 1, `
hakube: taking down cluster kubernetes of project local (provider local)
hakube: error: cluster kubernetes is in europe-west1-b, not in us-central1-b
hakube: hint: run, in this order:
    KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig KUBE_GCE_ZONE=europe-west1-b hakube down
hakube: hint: or remove all of it at once:
    env -u KUBE_GCE_ZONE KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig hakube down
hakube: hint: nothing was changed
`)
	d.slip("export KUBE_GCE_ZONE=europe-west1-c; hakube up", 1, `
hakube: bringing up cluster kubernetes in zone europe-west1-c of project local (provider local)
hakube: error: cluster kubernetes lives in zone europe-west1-b, not in europe-west1-c
hakube: hint: bring that one up to date:
    KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig KUBE_GCE_ZONE=europe-west1-b hakube up
hakube: hint: or add nodes in europe-west1-c:
    KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig KUBE_GCE_ZONE=europe-west1-c KUBE_USE_EXISTING_MASTER=true hakube up
hakube: hint: or a master:
    KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig KUBE_GCE_ZONE=europe-west1-c KUBE_REPLICATE_EXISTING_MASTER=true hakube up
hakube: hint: nothing was changed
`)
	d.slip("export KUBE_GCE_ZONE=europe-west1-b KUBE_REPLICA_NAME=kubernetes-master-old; hakube up", 2, `
hakube: error: KUBE_REPLICA_NAME="kubernetes-master-old" is for down with KUBE_DELETE_NODES=false only
hakube: hint: see all settings:
    hakube help env
hakube: hint: nothing was changed
`)
	d.slip("export KUBE_GCE_ZONE=europe-west1-b KUBE_REPLICA_NAME=kubernetes-master-old; hakube down", 2, `
hakube: error: KUBE_REPLICA_NAME="kubernetes-master-old" is for down with KUBE_DELETE_NODES=false only
hakube: hint: see all settings:
    hakube help env
hakube: hint: nothing was changed
`)
	d.slip("export KUBE_GCE_ZONE=europe-west1-b KUBE_REPLICA_NAME=kubernetes-master-old; KUBE_DELETE_NODES=false hakube down", 0, `
hakube: removing a master of zone europe-west1-b: cluster kubernetes of project local (provider local)
hakube: nothing to remove: cluster kubernetes has no master kubernetes-master-old in zone europe-west1-b
`)
	d.slip("export KUBE_GCE_ZONE=europe-west1-b NUM_NODES=3; hakube plan up", 0, `
would remove 5 of 8 nodes of zone europe-west1-b: kubernetes-minion-group-xxxx kubernetes-minion-group-xxxx kubernetes-minion-group-xxxx kubernetes-minion-group-xxxx kubernetes-minion-group-xxxx
`)
	before := d.everything()
	d.asked("KUBE_GCE_ZONE=europe-west1-b NUM_NODES=3 hakube up", 1, `
hakube: bringing up cluster kubernetes in zone europe-west1-b of project local (provider local)
hakube: this removes 5 of 8 nodes of zone europe-west1-b: kubernetes-minion-group-xxxx kubernetes-minion-group-xxxx kubernetes-minion-group-xxxx kubernetes-minion-group-xxxx kubernetes-minion-group-xxxx; type the cluster's name, kubernetes, to go on: yes
hakube: error: not removed, nothing was changed: the name was not kubernetes
hakube: hint: remove it without being asked:
    HAKUBE_LOCAL_DIR=~/gce KUBERNETES_PROVIDER=local KUBE_GCE_ZONE=europe-west1-b NUM_NODES=3 KUBECONFIG=~/kubeconfig KUBERNETES_SKIP_CONFIRM=true hakube up
hakube: hint: nothing was changed
`, `to go on: `, "yes\n")
	d.asked("KUBE_GCE_ZONE=europe-west1-b NUM_NODES=3 hakube up", 130, `
hakube: bringing up cluster kubernetes in zone europe-west1-b of project local (provider local)
hakube: this removes 5 of 8 nodes of zone europe-west1-b: kubernetes-minion-group-xxxx kubernetes-minion-group-xxxx kubernetes-minion-group-xxxx kubernetes-minion-group-xxxx kubernetes-minion-group-xxxx; type the cluster's name, kubernetes, to go on: ^C
hakube: interrupted, nothing was changed
hakube: hint: go on from here:
    HAKUBE_LOCAL_DIR=~/gce KUBERNETES_PROVIDER=local KUBE_GCE_ZONE=europe-west1-b NUM_NODES=3 KUBECONFIG=~/kubeconfig hakube up
`, `to go on: `, ctrlC)
	d.asBefore("NUM_NODES=3 hakube up", before)
}

// Wednesday: scripts that lost a value, and things removed in the wrong order.
func wednesday(d *diary) {
	d.done("KUBE_USE_EXISTING_MASTER=true KUBE_GCE_ZONE=europe-west1-c NUM_NODES=1 hakube up")
	d.slip(`KUBE_GCE_ZONE="" hakube down --yes`, 2, `
hakube: error: KUBE_GCE_ZONE is set and empty, and says which zone: give it a value, or unset it to remove the cluster in every zone
hakube: hint: see all settings:
    hakube help env
hakube: hint: nothing was changed
`)
	d.slip(`KUBE_USE_EXISTING_MASTER="" KUBE_GCE_ZONE=europe-west1-c hakube down`, 2, `
hakube: error: KUBE_USE_EXISTING_MASTER is set and empty, and says what to add or to remove: give it a value, or unset it to remove the whole cluster
hakube: hint: see all settings:
    hakube help env
hakube: hint: nothing was changed
`)
	d.slip("hakube down", 2, `
hakube: error: not removed: without KUBE_GCE_ZONE this is cluster kubernetes of project local in every zone, and there is no terminal to ask
hakube: hint: remove it without being asked:
    HAKUBE_LOCAL_DIR=~/gce KUBERNETES_PROVIDER=local KUBECONFIG=~/kubeconfig KUBERNETES_SKIP_CONFIRM=true hakube down
hakube: hint: or name the zone with KUBE_GCE_ZONE, if that has all that is left of it
hakube: hint: nothing was changed
`)
	d.slip("KUBE_DELETE_MASTER=false KUBE_GCE_ZONE=europe-west1-b hakube down", 2, `
hakube: error: KUBE_DELETE_MASTER="false": no such setting, and what it is to keep would be removed; unset KUBE_DELETE_MASTER to go on without
hakube: hint: see all settings:
    hakube help env
hakube: hint: nothing was changed
`)
	d.slip("KUBE_GCE_ZONE=europe-west1-b hakube down", 1, `
hakube: taking down cluster kubernetes of project local (provider local)
hakube: error: cluster kubernetes is also in europe-west1-c: europe-west1-b is not all that is left of it
hakube: hint: run, in this order:
    KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig KUBE_GCE_ZONE=europe-west1-c KUBE_USE_EXISTING_MASTER=true hakube down
    KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig KUBE_GCE_ZONE=europe-west1-b hakube down
hakube: hint: or remove all of it at once:
    env -u KUBE_GCE_ZONE KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig hakube down
hakube: hint: nothing was changed
`)
	d.slip("KUBE_GCE_ZONE=europe-west1-d hakube down", 1, `
hakube: taking down cluster kubernetes of project local (provider local)
hakube: error: cluster kubernetes is in europe-west1-b and europe-west1-c, not in europe-west1-d
hakube: hint: run, in this order:
    KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig KUBE_GCE_ZONE=europe-west1-c KUBE_USE_EXISTING_MASTER=true hakube down
    KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig KUBE_GCE_ZONE=europe-west1-b hakube down
hakube: hint: or remove all of it at once:
    env -u KUBE_GCE_ZONE KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig hakube down
hakube: hint: nothing was changed
`)
	d.slip("KUBE_DELETE_NODES=false KUBE_GCE_ZONE=europe-west1-b hakube down", 1, `
hakube: removing a master of zone europe-west1-b: cluster kubernetes of project local (provider local)
hakube: error: kubernetes-master is the last master of cluster kubernetes: without it the cluster is gone and its nodes are left
hakube: hint: remove the whole cluster:
    env -u KUBE_DELETE_NODES -u KUBE_GCE_ZONE KUBERNETES_PROVIDER=local HAKUBE_LOCAL_DIR=~/gce KUBECONFIG=~/kubeconfig hakube down
hakube: hint: nothing was changed
`)
	before := d.everything()
	d.asked("hakube down", 1, `
hakube: this removes cluster kubernetes of project local in every zone; type the cluster's name, kubernetes, to go on:
hakube: error: not removed, nothing was changed: the name was not kubernetes
hakube: hint: remove it without being asked:
    HAKUBE_LOCAL_DIR=~/gce KUBERNETES_PROVIDER=local KUBECONFIG=~/kubeconfig KUBERNETES_SKIP_CONFIRM=true hakube down
`, `to go on: `, "\n")
	d.asBefore("hakube down", before)
}
