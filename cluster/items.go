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
	l.then(Addresses(r.task)...) // the API's, so that it is the same whatever the masters are; with the lease and the settings on it
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
	l.then(Prepared(r.task, of)) // neither quorum nor the address is touched yet
	r.credentials(l)
	l.then(learners(r.task, of)...) // no vote: a failure until here costs nothing
	l.each(Started(r.task, of))     // never a voter that has not started
	l.then(InSync(r.task, of)...)   // nor one that is behind
	r.balancer(l)                   // when the replica has shown that it works: the address moves once
	l.then(APIMoved(r.task))
	l.each(votes(r.task, of))        // from here on quorum counts on it
	l.then(ControlPlane(r.task, of)) // its own API server, with its own etcd
	l.then(masterGroups(r.task, zone)...)
	l.then(backendZones(r.Env, zone)...)
	l.then(trafficTo(r.Env, of)...) // last, since the balancer sends a master that is asked by itself to itself
	l.then(backendsHealthy(r.Env))
	l.then(Written(r.task)...)
	r.valid(l)
}

// removeReplicaList is how a master joined, read backwards.
func removeReplicaList(r *run, l *lines) {
	of, zone := r.replica, r.replica.Zone
	r.instances(l)
	if r.balanced && !slices.Contains(zonesOf(r.masters()), zone) { // after its master: Google drains no connections of a group that leaves the service
		l.then(masterGroups(r.task, zone)...)
		l.then(backendZones(r.Env, zone)...)
	}
	l.then(nodeOfMaster(r.Env, of)) // nobody else takes it away
	l.then(learners(r.task, of)...)
	r.addressBack(l)
	l.each(votes(r.task, of))
	l.then(ControlPlane(r.task, of))
	l.then(Busy(r.task)) // pods go elsewhere while its kubelet can end them
	l.then(trafficTo(r.Env, of)...)
	l.want = true
	l.then(Written(r.task)...)
	l.then(API(r.task)) // at whoever has the address now
	l.then(NothingLeftOver(r.task))
}

func removePoolList(r *run, l *lines) {
	r.instances(l) // disks and machines that have no group any more
	l.then(groups(r.task)...)
	l.then(Busy(r.task)) // pods go elsewhere before their nodes go, if there is a master to ask
	l.want = true
	l.then(Written(r.task)...)
	l.then(Ghosts(r.task))
	l.then(NothingLeftOver(r.task)) // nothing of the pool may carry our mark now
}

func removeClusterList(r *run, l *lines) {
	l.then(Kubeconfig(r.task))   // the last to go: while anything is left, it is how to look at it
	l.then(Addresses(r.task)...) // its labels are the lease: until all else is gone nobody else may begin
	r.inNetwork(l)
	l.then(healthChecks(r.task)...) // what is between the address and the masters, which gives it free
	l.beside(masterGroups(r.task)...)
	l.then(services(r.task)...)
	l.then(forwarding(r.task)...)
	r.instances(l)
	l.then(templates(r.task)...)
	l.then(groups(r.task)...)
	l.then(labels(r.task)...) // while its machine still tells whose a volume's disk is
	l.want = true
	l.then(Written(r.task)...)
	l.then(NothingLeftOver(r.task)) // nothing may carry our mark now
}

// Groups of steps that several lists have.

// inNetwork is what everything else stands in.
func (r *run) inNetwork(l *lines) {
	l.then(networks(r.task)...)    // everything is in it
	l.then(subnetworks(r.task)...) // addresses of machines, pods and Services
	l.beside(firewalls(r.task)...) // need the network only
	sweepOrphans(r.task, l)        // what Services and volumes left: their machines are gone, their network is not
}

// instances are masters around their data.
func (r *run) instances(l *lines) {
	l.then(disks(r.task)...)    // all that a master must not lose; outlives the machine
	l.then(machines(r.task)...) // its script makes the control plane, a replica's waits before that
}

// credentials are this operator's way to the cluster.
func (r *run) credentials(l *lines) {
	l.then(Access(r.task)...)  // this operator's ssh key, when another one made the master
	l.then(API(r.task))        // nothing below can be asked for without it
	l.then(Kubeconfig(r.task)) // credentials, over ssh from the master
}

// nodesOf is the zone's pool.
func (r *run) nodesOf(l *lines) {
	l.then(joinToken(r.Env))     // what nodes ask for their certificates with; in the template
	l.then(templates(r.task)...) // what nodes are made from; groups of other zones use it too
	l.then(Drained(r.task)...)   // nodes that are too many, before their group drops them
	l.then(groups(r.task)...)    // makes the nodes, and makes them again
	l.then(Written(r.task)...)   // with the first change; this sees to it when there is no other
	l.then(Nodes(r.task))        // each machine of the pool is a Ready Node
}

// settled is that the cluster is as its parts are.
func (r *run) settled(l *lines) {
	l.then(Ghosts(r.task)) // no Node is without a machine
	r.valid(l)
}

func (r *run) valid(l *lines) {
	l.then(Spread(r.task))                                         // or Service names fail with the one machine CoreDNS is on
	l.then(Validate(r.task, func(e *Evidence) { r.evidence = e })) // evidence that it all works together
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
	l.then(healthChecks(r.task)...)
	l.beside(masterGroups(r.task, zones...)...)
	l.then(services(r.task, zones...)...)
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
	l.then(healthChecks(r.task)...)
	l.beside(masterGroups(r.task, withZone(zonesOf(behind), r.replica.Zone)...)...)
	l.then(services(r.task)...)
	r.addressOf(l, behind)
}

// addressOf is the move of the address from a master to the balancer.
func (r *run) addressOf(l *lines, behind []inventory.Object) {
	l.then(addressReleased(r.Env, behind[0])) // the API is dark from here
	l.then(forwarding(r.task)...)             // to here: nothing stands between these two
	l.then(ownAddresses(r.Env, behind...)...) // for ssh
}
