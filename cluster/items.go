package cluster

import (
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
)

// items is THE list: every fact of a cluster, in the order it is made. What is
// unwanted is taken away in the reverse order. When making, the nouns are what
// the settings describe; when removing, what was found with our mark. Waits
// and what lives inside the cluster are listed only when making: a removal of
// the cluster needs no living one. Each mode lists a part of it.
func (r *run) items() []plan.Item {
	l := lines{want: !r.removing}
	whole := r.mode == settings.Create || r.mode == settings.RemoveCluster
	replica := r.mode == settings.AddReplica || r.mode == settings.RemoveReplica
	if r.mode == settings.RemoveCluster {
		l.then(r.kubeconfig()) // the last to go: while anything is left, it is how to look at it
	}
	if r.mode == settings.RemoveCluster {
		l.then(r.addresses()...) // its labels are the lease: until all else is gone nobody else may begin
	}
	if r.mode == settings.Create {
		l.then(r.addresses()...) // the API's, so that it is the same whatever the masters are; with the lease and the settings on it
	}
	if whole {
		l.then(r.networks()...)    // everything is in it
		l.then(r.subnetworks()...) // addresses of machines, pods and Services
		l.beside(r.firewalls()...) // need the network only
		r.sweep(&l)                // what Services and volumes left: their machines are gone, their network is not
	}
	if r.mode == settings.RemoveCluster {
		r.balancer(&l) // gives the address free
	}
	if r.mode != settings.AddPool {
		l.then(r.disks()...)    // all that a master must not lose; outlives the machine
		l.then(r.machines()...) // the master; its script makes the control plane, a replica's waits before that
	}
	if r.mode == settings.Create {
		r.balancer(&l) // from the start, or as it is
	}
	if r.mode == settings.AddReplica {
		l.then(r.prepared(r.replica)) // neither quorum nor the address is touched yet
	}
	if !r.removing {
		l.then(r.access()...)  // this operator's ssh key, when another one made the master
		l.then(r.api())        // nothing below can be asked for without it
		l.then(r.kubeconfig()) // credentials, over ssh from the master
	}
	if replica {
		r.growth(&l) // memberships, the address, the control plane
	}
	if r.mode == settings.Create || r.mode == settings.AddPool {
		l.then(r.token()) // what nodes ask for their certificates with; in the template
	}
	if whole || r.mode == settings.AddPool {
		l.then(r.templates()...) // what nodes are made from; groups of other zones use it too
	}
	if r.mode == settings.Create || r.mode == settings.AddPool {
		l.then(r.drained()...) // nodes that are too many, before their group drops them
	}
	if !replica {
		l.then(r.groups()...) // makes the nodes, and makes them again
	}
	if r.mode == settings.RemovePool {
		l.then(r.busy()) // pods go elsewhere before their nodes go, if there is a master to ask
	}
	l.then(r.labels()...) // while its machine still tells whose a volume's disk is
	l.want = true
	l.then(r.written()...) // with the first change; this sees to it when there is no other
	if r.mode == settings.Create || r.mode == settings.AddPool {
		l.then(r.nodes()) // each machine of the pool is a Ready Node
	}
	if !replica && r.mode != settings.RemoveCluster {
		l.then(r.ghosts()) // and no Node is without a machine
	}
	if !r.removing {
		l.then(r.spread())   // or Service names fail with the one machine CoreDNS is on
		l.then(r.validate()) // evidence that it all works together
		return l.items
	}
	if r.mode == settings.RemoveReplica {
		l.then(r.api()) // at whoever has the address now
	}
	l.then(r.leftovers()) // nothing may carry our mark now
	return l.items
}

// growth is how one master becomes two and two three. Read backwards it is how
// one leaves.
func (r *run) growth(l *lines) {
	of, zone := r.replica, r.replica.Zone
	alone := r.mode == settings.RemoveReplica && r.balanced && !slices.Contains(zonesOf(r.masters()), zone)
	if alone { // after its master: Google drains no connections of a group that leaves the service
		l.then(r.masterGroups(zone)...)
		l.then(r.backendZones(zone)...)
	}
	if r.mode == settings.RemoveReplica {
		l.then(r.masterNode(of)) // nobody else takes it away
	}
	l.then(r.learners(of)...) // no vote: a failure until here costs nothing
	if r.mode == settings.AddReplica {
		for _, s := range r.started(of) {
			l.then(s) // never a voter that has not started
		}
		l.then(r.inSync(of)...) // nor one that is behind
	}
	r.balancer(l) // when the replica has shown that it works: the address moves once
	if r.mode == settings.AddReplica {
		l.then(r.apiMoved())
	}
	for _, s := range r.votes(of) {
		l.then(s) // from here on quorum counts on it
	}
	l.then(r.controlPlane(of)) // its own API server, with its own etcd
	if r.mode == settings.RemoveReplica {
		l.then(r.busy()) // pods go elsewhere while its kubelet can end them
	}
	if r.mode == settings.RemoveReplica {
		l.then(r.traffic(of)...)
		return
	}
	l.then(r.masterGroups(zone)...)
	l.then(r.backendZones(zone)...)
	l.then(r.traffic(of)...) // last, since the balancer sends a master that is asked by itself to itself
	if r.mode == settings.AddReplica {
		l.then(r.healthyBackends())
	}
}

// balancer is what is between the API's address and its masters. All of it is
// there before the address moves, and is taken away after it has moved back.
func (r *run) balancer(l *lines) {
	if r.mode == settings.RemoveCluster {
		l.then(r.healthChecks()...)
		l.beside(r.masterGroups()...)
		l.then(r.services()...)
		l.then(r.forwarding()...)
		return
	}
	if r.mode == settings.RemoveReplica && r.balanced {
		return // it stays as it is
	}
	behind := slices.DeleteFunc(r.masters(), func(m inventory.Object) bool { return m.Name == r.replica.Name })
	zones := zonesOf(behind)
	before := l.want
	defer func() { l.want = before }()
	switch l.want = r.balanced; {
	case r.balanced:
		l.then(r.healthChecks()...)
		l.beside(r.masterGroups(zones...)...)
		l.then(r.services(zones...)...)
		l.then(r.backendZones(zones...)...)
		l.then(r.traffic(behind...)...)
	case r.mode == settings.RemoveReplica:
		l.then(r.healthChecks()...)
		l.beside(r.masterGroups(withZone(zones, r.replica.Zone)...)...)
		l.then(r.services()...)
	default:
		return // the master has the address, or will be made with it
	}
	l.then(r.released(behind[0]))        // the API is dark from here
	l.then(r.forwarding()...)            // to here: nothing stands between these two
	l.then(r.ownAddresses(behind...)...) // for ssh
}

func withZone(zones []string, zone string) []string {
	if slices.Contains(zones, zone) {
		return zones
	}
	return append(slices.Clone(zones), zone)
}

// zonesOf are the zones of objects, sorted.
func zonesOf(list []inventory.Object) (zones []string) {
	for _, o := range list {
		if !slices.Contains(zones, o.Zone) {
			zones = append(zones, o.Zone)
		}
	}
	slices.Sort(zones)
	return zones
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
