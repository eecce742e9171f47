package cluster

import (
	"context"

	"hakube/cluster/plan"
	"hakube/cluster/settings"
)

// A mode is what a command does, by the settings: how it is judged whether it may,
// and its list.
type mode struct {
	name settings.Mode
	// judge refuses what must not be made beside what was found. It changes nothing.
	judge func(*run, context.Context) error
	// find looks for what is to go; any tells whether there is something. What must be
	// done before that is known is left to act: if that may do nothing, first is it.
	find func(r *run, ctx context.Context, c *Cluster, act action, preview bool) (first []plan.Item, any bool, err error)
	list func(*run, *lines)
}

// modes are what up and down do. A repair has lists of its own, since it goes by
// stages (repair_list.go, repair_survivor.go).
func modes() []mode {
	return []mode{
		{name: settings.Create, judge: (*run).mayCreate, list: createList},
		{name: settings.AddPool, judge: (*run).join, list: addPoolList},
		{name: settings.AddReplica, judge: (*run).replicable, list: addReplicaList},
		{name: settings.RemoveReplica, find: (*run).findReplica, list: removeReplicaList},
		{name: settings.RemovePool, find: (*run).findPool, list: removePoolList},
		{name: settings.RemoveCluster, find: (*run).findCluster, list: removeClusterList},
	}
}

// row is the run's mode.
func (r *run) row() mode {
	for _, m := range modes() {
		if m.name == r.mode {
			return m
		}
	}
	return mode{}
}

// items is the list of the run's mode.
func (r *run) items() []plan.Item {
	l := lines{want: !r.removing}
	r.row().list(r, &l)
	return l.items
}

func (r *run) mayCreate(ctx context.Context) error {
	return r.Recheck(ctx, r.have, func() error { return r.have.LivesHere(&r.want) })
}

func (r *run) findPool(ctx context.Context, _ *Cluster, _ action, _ bool) ([]plan.Item, bool, error) {
	any, err := r.leave(ctx)
	return nil, any, err
}

func (r *run) findReplica(ctx context.Context, _ *Cluster, act action, _ bool) (first []plan.Item, any bool, err error) {
	if r.have, err = r.look(ctx); err != nil {
		return nil, false, err
	}
	r.sawExternals()
	r.notes()
	if ok, err := act(ctx, r); err != nil || !ok {
		return r.reachable(), false, err
	}
	if any, err = r.removable(ctx); err == nil && any {
		r.decideBalancer()
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
		err = r.AddUnlisted(ctx, have, r.named()...)
	}
	if err == nil {
		err = r.Lease.CheckFree()
	}
	if err != nil {
		return nil, false, err
	}
	r.have = have
	if err := r.Recheck(ctx, have, func() error { return have.AllHere(&r.want) }); err != nil {
		return nil, false, err
	}
	if err := r.fit(ctx); err != nil {
		return nil, false, err
	}
	if err := c.strayed(ctx, r, preview); err != nil {
		return nil, false, err
	}
	return nil, !r.nothingLeft(ctx) || len(r.strays) > 0, nil
}
