package cluster

import (
	"context"
	"slices"

	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// A mode is what a command does, by the settings: what it is about, how it is judged
// whether it may, and its list.
type mode struct {
	aim

	// judge refuses what must not be made beside what was found. It changes nothing.
	judge func(*run, context.Context) error
	// find looks for what is to go; any tells whether there is something. What must be
	// done before that is known is left to act: if that may do nothing, first is it.
	find  func(r *run, ctx context.Context, c *Cluster, act action, preview bool) (first []plan.Item, any bool, err error)
	list  func(*run, *lines)
	again func(zone string) cure.Command // the same in another zone
}

// modes are what commands do. A repair has lists of its own, since it goes by stages
// (repair_list.go, repair_survivor.go).
func modes() []mode {
	return []mode{
		{aim: aim{name: settings.Create, masters: true, nodes: true, whole: true}, judge: (*run).mayCreate, list: createList, again: cure.Up},
		{aim: aim{name: settings.AddPool, nodes: true}, judge: (*run).join, list: addPoolList, again: cure.UpPool},
		{aim: aim{name: settings.AddReplica, masters: true, one: true}, judge: (*run).replicable, list: addReplicaList, again: cure.AddMaster},
		{aim: aim{name: settings.RemoveReplica, masters: true, one: true, removes: true}, find: (*run).findReplica, list: removeReplicaList},
		{aim: aim{name: settings.RemovePool, nodes: true, removes: true}, find: (*run).findPool, list: removePoolList},
		{aim: aim{name: settings.RemoveCluster, masters: true, nodes: true, whole: true, removes: true}, find: (*run).findCluster, list: removeClusterList},
		{aim: aim{name: settings.Repair, masters: true, repairs: true}},
		{aim: aim{name: settings.Rebuild, masters: true, repairs: true, givesUp: true}},
		{aim: aim{name: settings.Look}},
	}
}

// rowOf is the mode of the name.
func rowOf(name settings.Mode) mode {
	all := modes()
	return all[slices.IndexFunc(all, func(m mode) bool { return m.name == name })]
}

// items is the list of the run's mode.
func (r *run) items() []plan.Item {
	l := lines{want: !r.mode.removes}
	rowOf(r.mode.name).list(r, &l)
	return l.items
}

func (r *run) mayCreate(ctx context.Context) error {
	return r.Recheck(ctx, r.have, func() error { return r.have.LivesHere(&r.Want) })
}

func (r *run) findPool(ctx context.Context, _ *Cluster, _ action, _ bool) ([]plan.Item, bool, error) {
	any, err := r.leave(ctx)
	return nil, any, err
}

func (r *run) findReplica(ctx context.Context, _ *Cluster, act action, _ bool) (first []plan.Item, any bool, err error) {
	if r.have, err = r.look(ctx); err != nil {
		return nil, false, err
	}
	r.SawMasters(r.have)
	r.notes()
	if ok, err := act(ctx, r); err != nil || !ok {
		return reachable(r.task), false, err
	}
	if any, err = r.removable(ctx); err == nil && any {
		decideBalancer(r.task)
	}
	return nil, any, err
}

// findCluster is everything that carries the mark, and what the cluster left behind.
func (r *run) findCluster(ctx context.Context, c *Cluster, _ action, preview bool) (first []plan.Item, any bool, err error) {
	if err := r.findRegion(ctx); err != nil {
		return nil, false, err
	}
	have, err := r.lookForMarks(ctx)
	if err == nil {
		err = r.AddUnlisted(ctx, have, namedObjects(r.Env)...)
	}
	if err == nil {
		err = r.Lease.CheckFree()
	}
	if err != nil {
		return nil, false, err
	}
	r.have = have
	if err := r.Recheck(ctx, have, func() error { return have.AllHere(&r.Want) }); err != nil {
		return nil, false, err
	}
	if err := fit(ctx, r.task); err != nil {
		return nil, false, err
	}
	if err := c.strayed(ctx, r, preview); err != nil {
		return nil, false, err
	}
	return nil, !nothingLeft(ctx, r.task) || len(r.strays) > 0, nil
}
