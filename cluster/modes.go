package cluster

import (
	"context"
	"slices"

	"hakube/cluster/elsewhere"
	"hakube/cluster/inventory"
	"hakube/cluster/live"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// A mode is what a command does, by the settings: what it is about, how it is judged
// whether it may, and its list.
type mode struct {
	task.Aim

	// judge refuses what must not be made beside what was found, and returns what is to
	// be, as far as that follows from it. It changes nothing.
	judge func(*run, context.Context) (settings.Spec, error)
	// find looks for what is to go; any tells whether there is something. What must be
	// done before that is known is left to act: if that may do nothing, first is it.
	find  func(r *run, ctx context.Context, c *Cluster, act action, preview bool) (first []plan.Item, any bool, err error)
	list  func(*run, *task.Lines)
	again func(zone string) cure.Command // the same in another zone
}

// modes are what commands do. A repair has lists of its own, since it goes by stages
// (package repair), and so have a roll, an upgrade (package roll) and a rotation (package rotate).
func modes() []mode {
	return []mode{
		{Aim: task.Aim{Name: settings.Create, Masters: true, Nodes: true, Whole: true}, judge: (*run).mayCreate, list: createList, again: cure.Up},
		{Aim: task.Aim{Name: settings.Span, Masters: true, Nodes: true}}, // its list is those of others, one after the other (span.go)
		{Aim: task.Aim{Name: settings.Evacuate, Masters: true}},          // and so is its
		{Aim: task.Aim{Name: settings.AddPool, Nodes: true}, judge: (*run).join, list: addPoolList, again: cure.UpPool},
		{Aim: task.Aim{Name: settings.AddReplica, Masters: true, One: true}, judge: (*run).replicable, list: addReplicaList, again: cure.AddMaster},
		{Aim: task.Aim{Name: settings.RemoveReplica, Masters: true, One: true, Removes: true}, find: (*run).findReplica, list: removeReplicaList},
		{Aim: task.Aim{Name: settings.RemovePool, Nodes: true, Removes: true}, find: (*run).findPool, list: removePoolList},
		{Aim: task.Aim{Name: settings.RemoveCluster, Masters: true, Nodes: true, Whole: true, Removes: true}, find: (*run).findCluster, list: removeClusterList},
		{Aim: task.Aim{Name: settings.Repair, Masters: true, Repairs: true}},
		{Aim: task.Aim{Name: settings.Rebuild, Masters: true, Repairs: true, GivesUp: true}},
		{Aim: task.Aim{Name: settings.Restore, Masters: true, Repairs: true, GivesUp: true}},
		{Aim: task.Aim{Name: settings.Elsewhere, Masters: true, Whole: true, Elsewhere: true}, judge: (*run).mayRestore, list: elsewhereList, again: elseIn},
		{Aim: task.Aim{Name: settings.Roll, Masters: true, Repairs: true, Rolls: true}},
		{Aim: task.Aim{Name: settings.Rotate, Masters: true, Repairs: true, Templates: true}},
		{Aim: task.Aim{Name: settings.RollPool, Nodes: true, Rolls: true}, judge: (*run).join, list: rollPoolList},
		{Aim: task.Aim{Name: settings.Drill}}, // nothing is to become otherwise
		{Aim: task.Aim{Name: settings.Upgrade, Masters: true, Repairs: true, Rolls: true, Upgrades: true}},
		{Aim: task.Aim{Name: settings.Look}},
	}
}

// rowOf is the mode of the name.
func rowOf(name settings.Mode) mode {
	all := modes()
	return all[slices.IndexFunc(all, func(m mode) bool { return m.Name == name })]
}

// items is the list of the run's mode.
func (r *run) items() []plan.Item {
	l := task.Lines{Want: !r.Mode.Removes}
	rowOf(r.Mode.Name).list(r, &l)
	return l.Items
}

func (r *run) mayCreate(ctx context.Context) (settings.Spec, error) {
	return r.Want, r.Recheck(ctx, r.Have, func() error { return r.Have.LivesHere(&r.Want) })
}

// elseIn is the same command in another zone.
func elseIn(zone string) cure.Command { return cure.Same().With("KUBE_GCE_ZONE", zone) }

// mayRestore notes which backup it is, with the first change: until it is done nothing else may
// be made of the cluster.
func (r *run) mayRestore(ctx context.Context) (settings.Spec, error) {
	r.Lease.Note(inventory.RestoredKey, elsewhere.Label(r.source))
	return r.mayCreate(ctx)
}

func (r *run) findPool(ctx context.Context, _ *Cluster, _ action, _ bool) ([]plan.Item, bool, error) {
	any, err := r.leave(ctx)
	return nil, any, err
}

func (r *run) findReplica(ctx context.Context, _ *Cluster, act action, _ bool) (first []plan.Item, any bool, err error) {
	if r.Have, err = r.Look(ctx); err != nil {
		return nil, false, err
	}
	r.SawMasters(r.Have)
	if no, err := preflight.LockedOut(ctx, r.Task); err != nil || len(no) > 0 {
		return nil, false, no.Besides(err)
	}
	r.Notes()
	if ok, err := act(ctx, r); err != nil || !ok {
		return step.Reachable(r.Task), false, err
	}
	if any, err = r.removable(ctx); err == nil && any {
		step.DecideBalancer(r.Task)
	}
	return nil, any, err
}

// findCluster is everything that carries the mark, and what the cluster left behind.
func (r *run) findCluster(ctx context.Context, c *Cluster, _ action, preview bool) (first []plan.Item, any bool, err error) {
	if err := r.FindRegion(ctx); err != nil {
		return nil, false, err
	}
	have, err := r.LookForMarks(ctx)
	if err == nil {
		err = r.AddUnlisted(ctx, have, append(task.NamedObjects(r.Env), task.TemplatesOf(have)...)...)
	}
	if err == nil {
		err = r.Lease.CheckFree()
	}
	if err != nil {
		return nil, false, err
	}
	r.Have = have
	if err := r.Recheck(ctx, have, func() error { return have.AllHere(&r.Want) }); err != nil {
		return nil, false, err
	}
	if err := preflight.Fit(ctx, r.Task); err != nil {
		return nil, false, err
	}
	if err := c.findOrphans(ctx, r, preview); err != nil {
		return nil, false, err
	}
	return nil, !nothingLeft(ctx, r.Task) || len(r.Orphans) > 0, nil
}

// nothingLeft tells whether there is nothing to remove, the kubeconfig
// included.
func nothingLeft(ctx context.Context, r *task.Task) bool {
	if len(r.Have.Objects) > 0 {
		return false
	}
	s, err := live.Kubeconfig(r).Observe(ctx)
	return err == nil && s.Is == plan.Absent // an error the step will say
}

// Upgrade is the same cluster with rolls that bring what they make again to the version of
// Kubernetes that the settings name, or that an upgrade which was begun is to. What both rings
// hold is kept beside each master's data before the first of these goes, and what kubeadm keeps
// in the cluster follows the last.
func (c *Cluster) Upgrade() *Cluster {
	x := *c
	x.upgrades = true
	return &x
}

// rollVerb is what a roll of it is.
func (c *Cluster) rollVerb() settings.Verb {
	if c.upgrades {
		return settings.UpgradeVerb
	}
	return settings.RollVerb
}
