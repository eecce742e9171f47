package cluster

import "hakube/cluster/plan"

// items is THE list: every fact of a cluster, in the order it is made. What is
// unwanted is taken away in the reverse order. When making, the nouns are what
// the settings describe; when removing, what was found with our mark. Waits
// and what lives inside the cluster are listed only when making: a removal
// needs no living cluster. The modes for a zone's pool list a part of it.
func (r *run) items() []plan.Item {
	l := lines{want: !r.removing}
	if r.mode == RemoveCluster {
		l.then(r.kubeconfig()) // the last to go: while anything is left, it is how to look at it
	}
	if r.mode == Create || r.mode == RemoveCluster {
		l.then(r.networks()...)    // everything is in it
		l.then(r.subnetworks()...) // addresses of machines, pods and Services
		l.beside(r.firewalls()...) // need the network only
		l.beside(r.addresses()...) // the API's, so that it is the same whatever the master is
	}
	if r.mode != AddPool {
		l.beside(r.disks()...)  // all that a master must not lose; outlives the machine
		l.then(r.machines()...) // the master; its script makes the control plane
	}
	if !r.removing {
		l.then(r.access())     // this operator's ssh key, when another one made the master
		l.then(r.api())        // nothing below can be asked for without it
		l.then(r.kubeconfig()) // credentials, over ssh from the master
		l.then(r.token())      // what nodes ask for their certificates with; in the template
	}
	if r.mode != RemovePool {
		l.then(r.templates()...) // what nodes are made from; groups of other zones use it too
	}
	if !r.removing {
		l.then(r.drained()...) // nodes that are too many, before their group drops them
	}
	l.then(r.groups()...) // makes the nodes, and makes them again
	if r.mode == RemovePool {
		l.then(r.busy()) // pods go elsewhere before their nodes go, if there is a master to ask
	}
	l.want = true
	if !r.removing {
		l.then(r.nodes()) // each machine of the pool is a Ready Node
	}
	if r.mode != RemoveCluster {
		l.then(r.ghosts()) // and no Node is without a machine
	}
	if !r.removing {
		l.then(r.validate()) // evidence that it all works together
		return l.items
	}
	l.then(r.leftovers()) // nothing may carry our mark now
	return l.items
}

// lines collects items.
type lines struct {
	want  bool
	items []plan.Item
	open  bool // the next may go beside the last
}

// then adds steps that need those before them, but not each other.
func (l *lines) then(steps ...plan.Step) {
	l.open = false
	l.beside(steps...)
}

// beside adds steps that need none of those since the last then.
func (l *lines) beside(steps ...plan.Step) {
	for _, s := range steps {
		l.items = append(l.items, plan.Item{Step: s, Want: l.want, Beside: l.open})
		l.open = true
	}
}
