package lease

import (
	"context"
	"errors"
	"time"

	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/gce"
	"hakube/scripts/cure"
)

// Wait is the wait for another run's lease.
type Wait struct {
	*Lease
	Poll  time.Duration // between two looks at it
	Clock plan.Clock    // what its limits are taken from
	by    Record        // whom it waited for
}

func (*Wait) String() string { return "no other run changes the cluster" }
func (*Wait) Waits()         {}

// Watch passes on what the wait reports. It makes nothing, unless it takes the lease
// away: who ends it is told that nothing was changed.
func (t *Wait) Watch(report func(plan.Event)) func(plan.Event) {
	if report == nil {
		return nil
	}
	return func(e plan.Event) {
		if e.Kind == plan.Making && !t.breakable() {
			e.Kind = plan.Waiting
		}
		report(e)
	}
}

func (t *Wait) Observe(ctx context.Context) (plan.State, error) {
	a, err := t.in.Get(ctx, t.name)
	if err != nil && !gce.IsNotFound(err) {
		return plan.State{}, err
	}
	t.mu.Lock()
	t.beaten = nil // it looks around again
	t.mu.Unlock()
	t.Lease.Observe(t.in, a)
	var held *HeldError
	if errors.As(t.CheckFree(), &held) {
		t.by = held.by
		return plan.State{Is: plan.Absent, Why: t.by.String()}, nil
	}
	if t.by.run == "" {
		return plan.State{Is: plan.Present}, nil
	}
	return plan.State{Is: plan.Present, Why: "after " + t.by.String()}, nil
}

// turnLimit is how long another run may take, with room for the slowest create
// with its slowest waits.
const turnLimit = time.Hour

func (t *Wait) Do(ctx context.Context) error {
	if t.breakable() {
		return t.breakIt(ctx)
	}
	err := t.Clock.Until(ctx, plan.Condition{
		For: "the other run", Every: t.Poll, Limit: turnLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			s, err := t.Observe(ctx)
			return s.Is == plan.Present, s.Why, err
		},
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &refusal.Refused{Why: err.Error(), Cure: cure.Hint("if that run hangs, end it, and another one goes on a minute later; or take over from it at once", cure.Same().With("HAKUBE_BREAK_LOCK", "true"))}
}

// breakIt takes the lease from whoever has it, and waits as long as that one may
// go on without noticing: two must not change one cluster, whatever was asked for.
func (t *Wait) breakIt(ctx context.Context) error {
	err := t.compareAndSwap(ctx, true)
	var held *HeldError
	for tries := 1; tries < breakTries && errors.As(err, &held); tries++ {
		if _, err := t.Observe(ctx); err != nil {
			return err
		}
		if !t.breakable() { // somebody else's by now
			return err
		}
		err = t.compareAndSwap(ctx, true) // it had been renewed between the look and the swap
	}
	if err != nil {
		return err
	}
	begin := time.Now()
	return t.Clock.Until(ctx, plan.Condition{
		For: "the run that had it to notice", Every: t.Poll, Limit: t.length,
		Check: func(context.Context) (bool, string, error) {
			left := t.graceLeft() - elapsed(begin)
			return left <= 0, "another " + left.Round(time.Second).String(), nil
		},
	})
}

// breakTries is how often the lease is taken from a run that renews it meanwhile, which
// it does once in a third of its length: who lost more often than that meets something else.
const breakTries = 5

func (*Wait) Undo(context.Context) error { return nil } // never unwanted
