package cluster

import (
	"context"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/repair"
	"hakube/cluster/settings"
	"hakube/cluster/status"
)

// Up makes the cluster as the settings want it, or brings it there; with
// KUBE_USE_EXISTING_MASTER only the zone's pool of nodes, with
// KUBE_REPLICATE_EXISTING_MASTER one more master, with HAKUBE_ZONES and its like
// all of that in several zones ([Settings.Mode]). The summary says where it is and what was seen of it.
//
// While another run changes the cluster it waits for that one, and so does Down.
func (c *Cluster) Up(ctx context.Context, report func(plan.Event)) (s *Summary, err error) {
	warning, err := c.withLease(ctx, settings.Up, report, func(ctx context.Context, h hold, report func(plan.Event)) (err error) {
		base := func(ctx context.Context) (*Summary, error) { return c.upPlain(ctx, h, report) }
		if c.settings.Says("HAKUBE_MASTER_GROUPS") {
			s, err = c.upGrouped(ctx, h, report, base)
		} else {
			s, err = base(ctx)
		}
		return err
	})
	return s.warned(warning), err
}

// upPlain is Up but for the groups of masters there are.
func (c *Cluster) upPlain(ctx context.Context, h hold, report func(plan.Event)) (*Summary, error) {
	if c.settings.Spans() {
		return c.upAll(ctx, h, report)
	}
	r, items, err := c.up(ctx, h, doing(report))
	if err != nil {
		return nil, err
	}
	if err := r.walk(ctx, items, report); err != nil {
		return nil, err
	}
	for id := range r.Have.Holder.Growing { // what a run that was cut has noted of a pool, and it got there
		if _, on := r.Have.Growing(id, r.Have.Holder.Growing); !on {
			h.lease.Done(inventory.GrowthKey(id))
		}
	}
	return r.summary(), nil
}

// regroups tells whether an up is to have the masters there are made again for their groups:
// it says so, and some are otherwise.
func (c *Cluster) regroups(have *inventory.Inventory, n settings.Names) bool {
	whole := c.settings.Mode(settings.Up) == settings.Create || c.settings.Spans()
	return whole && c.settings.Says("HAKUBE_MASTER_GROUPS") && slices.ContainsFunc(have.Masters(n), func(m inventory.Object) bool {
		made, _ := have.Made(m)
		return made != bool(c.settings.MasterGroups)
	})
}

// grouping is the roll by which an up has masters come into groups of their own, or out of them.
func (c *Cluster) grouping(h hold, report func(plan.Event)) *walkOfRoll {
	return &walkOfRoll{Cluster: c, held: h, of: inventory.RollOfMasters, only: true, see: func(ctx context.Context, r *run) (*status.Snapshot, error) {
		return repair.See(ctx, r.Task, report)
	}}
}

// upGrouped is an up that says something of groups. What an earlier one has left half done comes
// first, since the cluster is not valid with it; then what an up is; then masters that are not
// grouped as they are said to be, of whom all that would be refused is refused first.
func (c *Cluster) upGrouped(ctx context.Context, h hold, report func(plan.Event), base func(context.Context) (*Summary, error)) (*Summary, error) {
	look := c.runFor(settings.Up, h)
	have, err := look.Look(ctx)
	if err != nil {
		return nil, preflight.Misplaced(ctx, look.Task, err)
	}
	half := have.Holder.Roll
	if half != nil && (half.Of != inventory.RollOfMasters || half.Said["HAKUBE_MASTER_GROUPS"] != settings.BoolText(c.settings.MasterGroups)) {
		half = nil
	}
	before := &Summary{}
	switch {
	case half != nil:
		if before, err = c.grouping(h, report).perform(ctx, report); err != nil {
			return nil, err
		}
	case c.regroups(have, look.Want.Names) && have.Holder.Rule != "":
		if err := c.grouping(hold{}, report).judge(ctx); err != nil {
			return nil, err
		}
	}
	s, err := base(ctx)
	if err != nil {
		return nil, err
	}
	s.with(before)
	s.Rolled = append(s.Rolled, before.Rolled...)
	if half != nil || !c.regroups(have, look.Want.Names) {
		return s, nil
	}
	after, err := c.grouping(h, report).perform(ctx, report)
	if err != nil {
		return nil, err
	}
	s.with(after)
	s.Rolled = append(s.Rolled, after.Rolled...)
	return s, nil
}

// PreviewUp is the walk of Up without acting; it returns how many steps Up
// would take.
func (c *Cluster) PreviewUp(ctx context.Context, report func(plan.Event)) (changes int, err error) {
	if c.settings.Spans() {
		return c.previewAll(ctx, report)
	}
	r, items, err := c.up(ctx, hold{}, looking)
	if err != nil {
		return 0, err
	}
	changes, err = plan.Preview(ctx, items, report)
	c.warn(r)
	if err == nil && c.regroups(r.Have, r.Want.Names) && r.Have.Holder.Rule != "" {
		more, err := c.preview(ctx, &walkOfRoll{Cluster: c, of: inventory.RollOfMasters, only: true}, report)
		return changes + more, err
	}
	return changes, err
}
