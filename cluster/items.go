package cluster

import (
	"slices"

	"hakube/cluster/inventory"
)

// The lists of the modes: every fact a mode sees to, in the order it is made. What is
// unwanted is taken away in the reverse order, so a removal is written as what there
// was and read backwards. When making, the nouns are what the settings describe; when
// removing, what was found with our mark. Waits and what lives inside the cluster are
// listed only when making: a removal of the cluster needs no living one. All of them
// beside each other, step by step, are in testdata/modes.txt.

func createList(r *run, l *lines) {
	l.then(r.addresses()...) // the API's, so that it is the same whatever the masters are; with the lease and the settings on it
	r.inNetwork(l)
	r.instances(l)
	r.balancer(l) // from the start, or as it is
	r.credentials(l)
	r.nodesOf(l)
	r.settled(l)
}

func addPoolList(r *run, l *lines) {
	r.credentials(l)
	r.nodesOf(l)
	r.settled(l)
}

func addReplicaList(r *run, l *lines) {
	of, zone := r.replica, r.replica.Zone
	r.instances(l)
	l.then(r.prepared(of)) // neither quorum nor the address is touched yet
	r.credentials(l)
	l.then(r.learners(of)...) // no vote: a failure until here costs nothing
	l.each(r.started(of))     // never a voter that has not started
	l.then(r.inSync(of)...)   // nor one that is behind
	r.balancer(l)             // when the replica has shown that it works: the address moves once
	l.then(r.apiMoved())
	l.each(r.votes(of))        // from here on quorum counts on it
	l.then(r.controlPlane(of)) // its own API server, with its own etcd
	l.then(r.masterGroups(zone)...)
	l.then(backendZones(r.Env, zone)...)
	l.then(trafficTo(r.Env, of)...) // last, since the balancer sends a master that is asked by itself to itself
	l.then(backendsHealthy(r.Env))
	l.then(r.written()...)
	r.valid(l)
}

// removeReplicaList is how a master joined, read backwards.
func removeReplicaList(r *run, l *lines) {
	of, zone := r.replica, r.replica.Zone
	r.instances(l)
	if r.balanced && !slices.Contains(zonesOf(r.masters()), zone) { // after its master: Google drains no connections of a group that leaves the service
		l.then(r.masterGroups(zone)...)
		l.then(backendZones(r.Env, zone)...)
	}
	l.then(nodeOfMaster(r.Env, of)) // nobody else takes it away
	l.then(r.learners(of)...)
	r.addressBack(l)
	l.each(r.votes(of))
	l.then(r.controlPlane(of))
	l.then(r.busy()) // pods go elsewhere while its kubelet can end them
	l.then(trafficTo(r.Env, of)...)
	l.want = true
	l.then(r.written()...)
	l.then(r.api()) // at whoever has the address now
	l.then(r.leftovers())
}

func removePoolList(r *run, l *lines) {
	r.instances(l) // disks and machines that have no group any more
	l.then(r.groups()...)
	l.then(r.busy()) // pods go elsewhere before their nodes go, if there is a master to ask
	l.want = true
	l.then(r.written()...)
	l.then(r.ghosts())
	l.then(r.leftovers()) // nothing of the pool may carry our mark now
}

func removeClusterList(r *run, l *lines) {
	l.then(r.kubeconfig())   // the last to go: while anything is left, it is how to look at it
	l.then(r.addresses()...) // its labels are the lease: until all else is gone nobody else may begin
	r.inNetwork(l)
	l.then(r.healthChecks()...) // what is between the address and the masters, which gives it free
	l.beside(r.masterGroups()...)
	l.then(r.services()...)
	l.then(r.forwarding()...)
	r.instances(l)
	l.then(r.templates()...)
	l.then(r.groups()...)
	l.then(r.labels()...) // while its machine still tells whose a volume's disk is
	l.want = true
	l.then(r.written()...)
	l.then(r.leftovers()) // nothing may carry our mark now
}

// Groups of steps that several lists have.

// inNetwork is what everything else stands in.
func (r *run) inNetwork(l *lines) {
	l.then(r.networks()...)    // everything is in it
	l.then(r.subnetworks()...) // addresses of machines, pods and Services
	l.beside(r.firewalls()...) // need the network only
	r.sweep(l)                 // what Services and volumes left: their machines are gone, their network is not
}

// instances are masters around their data.
func (r *run) instances(l *lines) {
	l.then(r.disks()...)    // all that a master must not lose; outlives the machine
	l.then(r.machines()...) // its script makes the control plane, a replica's waits before that
}

// credentials are this operator's way to the cluster.
func (r *run) credentials(l *lines) {
	l.then(r.access()...)  // this operator's ssh key, when another one made the master
	l.then(r.api())        // nothing below can be asked for without it
	l.then(r.kubeconfig()) // credentials, over ssh from the master
}

// nodesOf is the zone's pool.
func (r *run) nodesOf(l *lines) {
	l.then(joinToken(r.Env)) // what nodes ask for their certificates with; in the template
	l.then(r.templates()...) // what nodes are made from; groups of other zones use it too
	l.then(r.drained()...)   // nodes that are too many, before their group drops them
	l.then(r.groups()...)    // makes the nodes, and makes them again
	l.then(r.written()...)   // with the first change; this sees to it when there is no other
	l.then(r.nodes())        // each machine of the pool is a Ready Node
}

// settled is that the cluster is as its parts are.
func (r *run) settled(l *lines) {
	l.then(r.ghosts()) // no Node is without a machine
	r.valid(l)
}

func (r *run) valid(l *lines) {
	l.then(r.spread())                                       // or Service names fail with the one machine CoreDNS is on
	l.then(r.validate(func(e *Evidence) { r.evidence = e })) // evidence that it all works together
}

// balancer is what is between the API's address and its masters, when it is to be
// there: all of it before the address moves. Without it the master has the address,
// or will be made with it.
func (r *run) balancer(l *lines) {
	if !r.balanced {
		return
	}
	behind := r.others()
	zones := zonesOf(behind)
	l.then(r.healthChecks()...)
	l.beside(r.masterGroups(zones...)...)
	l.then(r.services(zones...)...)
	l.then(backendZones(r.Env, zones...)...)
	l.then(trafficTo(r.Env, behind...)...)
	r.addressOf(l, behind)
}

// addressBack is the balancer read backwards, when the last but one master leaves:
// the address is moved back before its parts are taken away. With masters left to
// balance it stays as it is.
func (r *run) addressBack(l *lines) {
	if r.balanced {
		return
	}
	behind := r.others()
	l.then(r.healthChecks()...)
	l.beside(r.masterGroups(withZone(zonesOf(behind), r.replica.Zone)...)...)
	l.then(r.services()...)
	r.addressOf(l, behind)
}

// addressOf is the move of the address from a master to the balancer.
func (r *run) addressOf(l *lines, behind []inventory.Object) {
	l.then(addressReleased(r.Env, behind[0])) // the API is dark from here
	l.then(r.forwarding()...)                 // to here: nothing stands between these two
	l.then(ownAddresses(r.Env, behind...)...) // for ssh
}
