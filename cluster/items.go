package cluster

import (
	"slices"

	"hakube/cluster/backup"
	"hakube/cluster/elsewhere"
	"hakube/cluster/grouped"
	"hakube/cluster/inventory"
	"hakube/cluster/live"
	"hakube/cluster/member"
	"hakube/cluster/removal"
	"hakube/cluster/snapshots"
	"hakube/cluster/step"
	"hakube/cluster/task"
)

// The lists of the modes: every fact a mode sees to, in the order it is made. What is
// unwanted is taken away in the reverse order, so a removal is written as what there
// was and read backwards. When making, the nouns are what the settings describe; when
// removing, what was found with our mark. Waits and what lives inside the cluster are
// listed only when making: a removal of the cluster needs no living one. All of them
// beside each other, step by step, are in testdata/modes.txt.

func createList(r *run, l *task.Lines) {
	if r.Mode.Several {
		r.foundList(l)
		return
	}
	l.Then(step.Addresses(r.Task)...) // the API's, so that it is the same whatever the masters are; with the lease and the settings on it
	r.inNetwork(l)
	r.instances(l)
	r.balancer(l) // from the start, or as it is
	l.Then(grouped.Watched(r.Task, r.ToBe()...)...)
	r.credentials(l)
	r.nodesOf(l)
	r.settled(l)
}

// foundList is a create of a cluster that is to have several masters. The balancer is there
// before the first of them: what is made of it needs no machine, and the address is on
// nothing else from then on. stages are where what needs no network begins, where the first
// machine does, and where nodes are waited for.
func (r *run) foundList(l *task.Lines) {
	zones := task.ZonesOf(r.Others())
	for _, z := range r.Mode.Zones {
		zones = task.WithZone(zones, z)
	}
	l.Then(step.Addresses(r.Task)...)
	r.stages.network = len(l.Items)
	l.Then(step.Networks(r.Task)...)
	l.Then(step.Subnetworks(r.Task)...)
	l.Beside(step.Firewalls(r.Task)...)
	r.stages.balancer = len(l.Items)
	snapshots.Scheduled(r.Task, l)
	l.Then(step.Disks(r.Task)...)
	l.Beside(step.HealthChecks(r.Task)...)
	l.Beside(step.MasterGroups(r.Task, zones...)...)
	l.Then(step.Services(r.Task, zones...)...)
	if r.Have.SubnetRegion != "" { // a run that was cut may have named other zones
		l.Then(step.BackendZones(r.Env, zones...)...)
	}
	r.stages.machine = len(l.Items)
	grouped.Machines(r.Task, l)
	l.Beside(step.Forwarding(r.Task)...)
	first := r.Master() // others that a run which was cut has begun come into the balancer once they serve
	if r.Grouped(first) {
		l.Beside(grouped.TrafficTo(r.Task, first)...) // of its group, which is there before its machine
	} else {
		l.Then(grouped.TrafficTo(r.Task, first)...)
	}
	l.Then(grouped.Watched(r.Task, first)...)
	r.credentials(l)
	r.poolMade(l)
	l.Then(member.Rings{Env: r.Env, Of: r.Master()})
	r.stages.nodes = len(l.Items)
	r.poolReady(l)
	r.settled(l)
}

// elsewhereList is a cluster that is made of a backup of another one: what a create makes, and
// the data on its master before the first API server starts with them.
func elsewhereList(r *run, l *task.Lines) {
	of, b := r.Master(), r.source
	same := b != nil && b.Record.Cluster == r.Want.ID()
	l.Then(step.Addresses(r.Task)...) // with the lease, the settings, and of which backup
	r.inNetwork(l)
	r.instances(l) // which waits, as one does that is to join
	r.balancer(l)
	l.Then(step.Access(r.Task)...)
	l.Then(member.Prepared(r.Task, of))
	l.Then(backup.Authorities(r.Env, of, b))
	l.Then(backup.Spread(r.Env, of, b))
	l.Then(backup.Swapped(r.Env, of, b, elsewhere.Left(same)...)) // without what is of machines, an address and disks elsewhere
	l.Then(member.ControlPlane(r.Task, of))
	l.Then(grouped.Watched(r.Task, of)...)
	l.Then(member.API(r.Task))
	l.Then(live.Kubeconfig(r.Task))
	l.Then(elsewhere.Addressed(r.Task, of)) // before the first node, which asks for it
	if !same {
		l.Then(elsewhere.Services(r.Task, elsewhere.Label(b))) // before anything runs that has balancers
	}
	l.Then(live.NodeReady{Env: r.Env, Of: of, Rejoins: r.Rejoins})
	l.Then(backup.Forgotten(r.Env, of))
}

func addPoolList(r *run, l *task.Lines) {
	r.credentials(l)
	r.nodesOf(l)
	r.settled(l)
}

// rollPoolList is how a pool is changed, whose size stays.
func rollPoolList(r *run, l *task.Lines) {
	r.credentials(l)
	r.poolMade(l)                   // another template, from which its groups make machines from here on
	l.Each(live.Replaced(r.Task))   // some at a time: new ones Ready, old ones drained, their machines gone
	l.Then(live.NodesReady(r.Task)) // each machine of the pool is a Ready Node
	l.Then(live.Marked(r.Task)...)
	l.Then(step.TemplatesUsed(r.Task)...) // the one of before goes
	r.settled(l)
}

func addReplicaList(r *run, l *task.Lines) {
	of, zone := r.Replica, r.Replica.Zone
	r.instances(l)
	l.Then(member.Prepared(r.Task, of)) // neither quorum nor the address is touched yet
	r.credentials(l)
	l.Then(member.Learners(r.Task, of)...) // no vote: a failure until here costs nothing
	l.Each(member.Started(r.Task, of))     // never a voter that has not started
	l.Then(member.InSync(r.Task, of)...)   // nor one that is behind
	r.balancer(l)                          // when the replica has shown that it works: the address moves once
	l.Then(member.APIMoved(r.Task))
	l.Each(member.Votes(r.Task, of))        // from here on quorum counts on it
	l.Then(member.ControlPlane(r.Task, of)) // its own API server, with its own etcd
	l.Then(step.MasterGroups(r.Task, zone)...)
	l.Then(step.BackendZones(r.Env, zone)...)
	l.Then(grouped.TrafficTo(r.Task, of)...) // last, since the balancer sends a master that is asked by itself to itself
	l.Then(step.BackendsHealthy(r.Env))
	l.Then(grouped.Watched(r.Task, of)...)
	l.Then(step.Written(r.Task)...)
	r.valid(l)
}

// removeReplicaList is how a master joined, read backwards.
func removeReplicaList(r *run, l *task.Lines) {
	of, zone := r.Replica, r.Replica.Zone
	r.instances(l)
	if r.Balanced && !slices.Contains(task.ZonesOf(r.Masters()), zone) { // after its master: Google drains no connections of a group that leaves the service
		l.Then(step.MasterGroups(r.Task, zone)...)
		l.Then(step.BackendZones(r.Env, zone)...)
	}
	l.Then(member.NodeOf(r.Env, of)) // nobody else takes it away
	l.Then(member.Learners(r.Task, of)...)
	r.addressBack(l)
	l.Each(member.Votes(r.Task, of))
	own := r.Grouped(of)
	if own && r.Balanced { // once it serves no more: Google drains no connections of a group that leaves the service
		l.Then(grouped.TrafficTo(r.Task, of)...)
	}
	l.Then(member.ControlPlane(r.Task, of))
	l.Then(live.Busy(r.Task)) // pods go elsewhere while its kubelet can end them
	if !own {
		l.Then(step.TrafficTo(r.Env, of)...)
	}
	l.Then(grouped.Watched(r.Task, of)...) // first of all: from here on it is not made again
	l.Want = true
	l.Then(step.Written(r.Task)...)
	l.Then(member.API(r.Task)) // at whoever has the address now
	l.Then(removal.NothingLeftOver(r.Task))
}

func removePoolList(r *run, l *task.Lines) {
	r.instances(l) // disks and machines that have no group any more
	l.Then(step.Groups(r.Task)...)
	l.Then(live.Busy(r.Task)) // pods go elsewhere before their nodes go, if there is a master to ask
	l.Then(live.Scaled(r.Task)...)
	l.Want = true
	l.Then(step.Written(r.Task)...)
	l.Then(live.OrphanedNodes(r.Task))
	l.Then(live.Rescaled(r.Task)...)
	l.Then(step.TemplatesUsed(r.Task)...)   // its own, if no other pool has that
	l.Then(removal.NothingLeftOver(r.Task)) // nothing of the pool may carry our mark now
}

func removeClusterList(r *run, l *task.Lines) {
	l.Then(live.Kubeconfig(r.Task))   // the last to go: while anything is left, it is how to look at it
	l.Then(step.Addresses(r.Task)...) // its labels are the lease: until all else is gone nobody else may begin
	r.inNetwork(l)
	l.Then(step.HealthChecks(r.Task)...) // what is between the address and the masters, which gives it free
	l.Beside(step.MasterGroups(r.Task)...)
	l.Then(step.Services(r.Task)...)
	l.Then(step.Forwarding(r.Task)...)
	r.instances(l)
	l.Then(step.Templates(r.Task)...)
	l.Then(step.Groups(r.Task)...)
	l.Then(removal.Labels(r.Task)...) // while its machine still tells whose a volume's disk is
	if w := live.WritersOf(r.Task); w != nil {
		l.Then(w) // first of all: Down runs it before what is to go is listed
	}
	l.Want = true
	l.Then(step.Written(r.Task)...)
	l.Then(removal.NothingLeftOver(r.Task)) // nothing may carry our mark now
}

// Groups of steps that several lists have.

// inNetwork is what everything else stands in.
func (r *run) inNetwork(l *task.Lines) {
	l.Then(step.Networks(r.Task)...)      // everything is in it
	l.Then(step.Subnetworks(r.Task)...)   // addresses of machines, pods and Services
	l.Beside(step.Firewalls(r.Task)...)   // need the network only
	l.Then(removal.SweepAgain(r.Task)...) // read backwards: after what was listed
	removal.SweepOrphans(r.Task, l)       // what Services and volumes left: their machines are gone, their network is not
}

// instances are masters around their data.
func (r *run) instances(l *task.Lines) {
	snapshots.Scheduled(r.Task, l) // of them; a disk is made with it
	l.Then(step.Disks(r.Task)...)  // all that a master must not lose; outlives the machine
	snapshots.Followed(r.Task, l)
	grouped.Machines(r.Task, l) // its script makes the control plane, a replica's waits before that
}

// credentials are this operator's way to the cluster.
func (r *run) credentials(l *task.Lines) {
	l.Then(step.Access(r.Task)...)  // this operator's ssh key, when another one made the master
	l.Then(member.API(r.Task))      // nothing below can be asked for without it
	l.Then(live.Kubeconfig(r.Task)) // credentials, over ssh from the master
}

// nodesOf is the zone's pool.
func (r *run) nodesOf(l *task.Lines) {
	r.poolMade(l)
	r.poolReady(l)
}

func (r *run) poolMade(l *task.Lines) {
	l.Then(step.JoinToken(r.Env))     // what nodes ask for their certificates with; in the template
	l.Then(step.Templates(r.Task)...) // what nodes are made from; groups of other zones use it too
	r.resized(l)
	l.Then(step.Written(r.Task)...) // with the first change; this sees to it when there is no other
}

func (r *run) poolReady(l *task.Lines) {
	l.Each(live.Replaced(r.Task))   // machines from before the group had its template, some at a time
	l.Then(live.NodesReady(r.Task)) // each machine of the pool is a Ready Node
	l.Beside(live.AddonsApplied(r.Task)...)
	l.Then(live.Marked(r.Task)...) // with the labels and taints that it registered with
	l.Then(step.TemplatesUsed(r.Task)...)
}

// resized is how many nodes the zone's pool has.
func (r *run) resized(l *task.Lines) {
	l.Then(live.Unscaled(r.Task)...)
	l.Then(live.Drained(r.Task)...) // nodes that are too many, before their group drops them
	l.Then(step.Groups(r.Task)...)  // makes the nodes, and makes them again
}

// settled is that the cluster is as its parts are.
func (r *run) settled(l *task.Lines) {
	l.Then(live.OrphanedNodes(r.Task)) // no Node is without a machine
	r.valid(l)
}

func (r *run) valid(l *task.Lines) {
	if r.unsettled {
		return
	}
	l.Then(live.Spread(r.Task))                                              // or Service names fail with the one machine CoreDNS is on
	l.Then(live.Addons(r.Task)...)                                           // nothing before needs them; what was moved starts meanwhile
	l.Then(live.Validate(r.Task, func(e *live.Evidence) { r.evidence = e })) // evidence that it all works together
}

// balancer is what is between the API's address and its masters, when it is to be
// there: all of it before the address moves. Without it the master has the address,
// or will be made with it.
func (r *run) balancer(l *task.Lines) {
	if !r.Balanced {
		return
	}
	behind := r.Others()
	zones := task.ZonesOf(behind)
	l.Then(step.HealthChecks(r.Task)...)
	l.Beside(step.MasterGroups(r.Task, zones...)...)
	l.Then(step.Services(r.Task, zones...)...)
	l.Then(step.BackendZones(r.Env, zones...)...)
	l.Then(grouped.TrafficTo(r.Task, behind...)...)
	r.addressOf(l, behind)
}

// addressBack is the balancer read backwards, when the last but one master leaves:
// the address is moved back before its parts are taken away. With masters left to
// balance it stays as it is.
func (r *run) addressBack(l *task.Lines) {
	if r.Balanced {
		return
	}
	behind := r.Others()
	l.Then(step.HealthChecks(r.Task)...)
	l.Beside(step.MasterGroups(r.Task, task.WithZone(task.ZonesOf(behind), r.Replica.Zone)...)...)
	l.Then(step.Services(r.Task)...)
	r.addressOf(l, behind)
}

// addressOf is the move of the address from a master to the balancer.
func (r *run) addressOf(l *task.Lines, behind []inventory.Object) {
	l.Then(step.AddressUnassigned(r.Env, behind[0], behind)) // the API is dark from here
	l.Then(step.Forwarding(r.Task)...)                       // to here: nothing stands between these two
	l.Then(step.OwnAddresses(r.Env, behind...)...)           // for ssh
}
