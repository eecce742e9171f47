package cluster

import (
	"context"
	"errors"

	"hakube/cluster/inventory"
	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/gce"
)

// alone runs f under the lease of the cluster. When another run has it, or came
// between f's look and its first change, f is run again from the beginning once
// that one is through: what f saw does not hold any more.
//
// An error before the first change is an [*Unchanged].
func (c *Cluster) alone(ctx context.Context, verb settings.Verb, report func(plan.Event), f func(context.Context, *lease.Lease, func(plan.Event)) error) (warning string, err error) {
	mode := c.settings.Mode(verb)
	l, t := c.lease(mode), &touch{}
	gate := t.gate(l.Guard)
	guarded := plan.WithGate(gce.WithGate(ctx, gate), gate)
	for {
		err = f(gce.Patience(guarded, gce.RunBudget), l, t.watch(report))
		var held *lease.HeldError
		if !errors.As(err, &held) || ctx.Err() != nil {
			break
		}
		wait := &lease.Wait{Lease: l, Poll: c.deps.Poll}
		if err = plan.Run(ctx, []plan.Item{{Step: wait, Want: true}}, wait.Watch(report)); err != nil {
			break
		}
	}
	unfinished := err == nil && mode.Pool() && l.Done(inventory.GrowthKey+string(c.settings.Zone))
	if row := rowOf(mode); err == nil && row.Removes && row.Nodes && !row.Whole {
		unfinished = l.Done(inventory.PerGroupKey+string(c.settings.Zone)) || unfinished
	}
	if err == nil && (unfinished || l.Abandoned()) {
		err = gate(ctx) // all that the cut run was at is done: nothing is to speak of it any more
		if held := (*lease.HeldError)(nil); errors.As(err, &held) {
			err = nil // another run is at work by now, and speaks for itself
		}
	}
	if back := l.Release(ctx); back != nil {
		warning = back.Error()
	}
	return warning, t.judge(err)
}

// lease is one that was not taken yet.
func (c *Cluster) lease(mode settings.Mode) *lease.Lease {
	return lease.New(lease.Options{
		Address: settings.NamesOf(&c.settings).Address(), User: c.deps.User, PID: c.deps.PID, Purpose: string(mode), Zone: string(c.settings.Zone),
		Length: c.deps.Lease, Breaks: bool(c.settings.BreakLock), Labels: map[string]string{settings.Label: settings.NamesOf(&c.settings).Prefix},
	})
}
