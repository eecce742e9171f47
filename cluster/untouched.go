package cluster

import (
	"context"
	"sync/atomic"

	"hakube/cluster/lease"
	"hakube/cluster/plan"
)

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
func (t *touch) gate(guard func(context.Context) error) func(context.Context) error {
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
