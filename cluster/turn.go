package cluster

import (
	"context"
	"errors"
	"sync/atomic"

	"hakube/cluster/inventory"
	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
)

// withLease runs f under the lease of the cluster. When another run has it, or came
// between f's look and its first change, f is run again from the beginning once
// that one is through: what f saw does not hold any more.
//
// An error before the first change is an [*Unchanged].
func (c *Cluster) withLease(ctx context.Context, verb settings.Verb, report func(plan.Event), f func(context.Context, hold, func(plan.Event)) error) (warning string, err error) {
	mode := c.settings.Mode(verb)
	l, t := c.lease(mode), &touch{}
	gate := t.gate(l.Guard)
	for {
		err = f(ctx, hold{l, gate}, t.watch(report))
		var held *lease.HeldError
		if !errors.As(err, &held) || ctx.Err() != nil {
			break
		}
		wait := &lease.Wait{Lease: l, Poll: c.deps.Poll, Clock: c.deps.Clock}
		if err = plan.Run(ctx, nil, []plan.Item{{Step: wait, Want: true}}, wait.Watch(report)); err != nil {
			break
		}
	}
	unfinished := err == nil && mode.Pool() && l.Done(inventory.GrowthKey(c.pool()))
	if row := rowOf(mode); err == nil && row.Whole && !row.Removes { // whoever says so leaves an up of the whole cluster at what there is
		unfinished = l.Done(inventory.SpanKey) || unfinished
	}
	if row := rowOf(mode); err == nil && row.Removes && row.Nodes && !row.Whole {
		unfinished = l.Done(inventory.PerGroupKey(c.pool())) || unfinished
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

// A hold is what a run has of a cluster that it may change. The zero value is that of
// one which only looks.
type hold struct {
	lease *lease.Lease
	gate  plan.Gate // takes the lease before the first change, and guards it before each
}

// pool is the one that the settings speak of.
func (c *Cluster) pool() settings.PoolID {
	return settings.PoolID{Zone: string(c.settings.Zone), Name: string(c.settings.Pool)}
}

// lease is one that was not taken yet.
func (c *Cluster) lease(mode settings.Mode) *lease.Lease {
	return lease.New(lease.Options{
		Address: settings.NamesOf(&c.settings).Address(), User: c.deps.User, PID: c.deps.PID, Purpose: string(mode), Zone: string(c.settings.Zone),
		Length: c.deps.Lease, Breaks: bool(c.settings.BreakLock), Labels: map[string]string{settings.Label: settings.NamesOf(&c.settings).Prefix},
	})
}

// Unchanged is why a run ended before it changed anything: neither the cloud,
// nor the cluster, nor this machine, nor who has the lease. Who is told so need
// not look for what a half-done run left.
type Unchanged struct{ Err error }

func (e *Unchanged) Error() string { return e.Err.Error() }

func (e *Unchanged) Unwrap() error { return e.Err }

// A touch tells whether a run has changed anything yet. It is not concluded from
// the kind of an error: it hears of each changing call and of each step that acts.
type touch struct{ any atomic.Bool }

// gate passes on what another gate says, and notes that a change follows.
func (t *touch) gate(guard plan.Gate) plan.Gate {
	return func(ctx context.Context) error {
		err := guard(ctx)
		if !lease.IsOusted(err) { // taking the lease is a change, also when it failed half-way
			t.any.Store(true)
		}
		return err
	}
}

// watch passes on what a walk reports, and notes the steps that act.
func (t *touch) watch(report func(plan.Event)) func(plan.Event) {
	return func(e plan.Event) {
		if e.Kind == plan.Making || e.Kind == plan.Removing {
			t.any.Store(true)
		}
		if report != nil {
			report(e)
		}
	}
}

// judge says of an error that nothing was changed, if that is so.
func (t *touch) judge(err error) error {
	if err == nil || t.any.Load() {
		return err
	}
	return &Unchanged{err}
}
