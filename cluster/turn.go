package cluster

import (
	"context"
	"errors"
	"time"

	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/scripts/cure"
)

// alone runs f under the lease of the cluster. When another run has it, or came
// between f's look and its first change, f is run again from the beginning once
// that one is through: what f saw does not hold any more.
//
// An error before the first change is an [*Unchanged].
func (c *Cluster) alone(ctx context.Context, verb settings.Verb, report func(plan.Event), f func(context.Context, *lease, func(plan.Event)) error) (warning string, err error) {
	mode := c.settings.Mode(verb)
	l, t := newLease(c, mode), &touch{}
	gate := t.gate(l.guard)
	guarded := plan.WithGate(gce.WithGate(ctx, gate), gate)
	for {
		err = f(gce.Patience(guarded, gce.RunBudget), l, t.watch(report))
		var held *HeldError
		if !errors.As(err, &held) || ctx.Err() != nil {
			break
		}
		wait := &turn{lease: l, poll: c.deps.Poll}
		if err = plan.Run(ctx, []plan.Item{{Step: wait, Want: true}}, wait.watch(report)); err != nil {
			break
		}
	}
	unfinished := err == nil && mode.Pool() && l.done(string(c.settings.Zone))
	if err == nil && (unfinished || l.abandoned()) {
		err = gate(ctx) // all that the cut run was at is done: nothing is to speak of it any more
		if held := (*HeldError)(nil); errors.As(err, &held) {
			err = nil // another run is at work by now, and speaks for itself
		}
	}
	if back := l.giveBack(ctx); back != nil {
		warning = back.Error()
	}
	return warning, t.judge(err)
}

// turn is the wait for another run's lease.
type turn struct {
	*lease
	poll time.Duration
	by   record // whom it waited for
}

func (*turn) String() string { return "no other run changes the cluster" }
func (*turn) Waits()         {}

// watch passes on what the wait reports. It makes nothing, unless it takes the lease
// away: who ends it is told that nothing was changed.
func (t *turn) watch(report func(plan.Event)) func(plan.Event) {
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

func (t *turn) Observe(ctx context.Context) (plan.State, error) {
	a, err := t.gce.Addresses().Get(ctx, t.name)
	if err != nil && !gce.IsNotFound(err) {
		return plan.State{}, err
	}
	t.saw(t.gce, a)
	var held *HeldError
	if errors.As(t.free(), &held) {
		t.by = held.by
		return plan.State{Is: plan.Absent, Why: t.by.String()}, nil
	}
	if t.by.run == "" {
		return exists("")
	}
	return exists("after " + t.by.String())
}

// turnLimit is how long another run may take, with room for the slowest create
// with its slowest waits.
const turnLimit = time.Hour

func (t *turn) Do(ctx context.Context) error {
	if t.breakable() {
		return t.breakIt(ctx)
	}
	err := plan.Until(ctx, plan.Condition{
		For: "the other run", Every: t.poll, Limit: turnLimit,
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
func (t *turn) breakIt(ctx context.Context) error {
	if err := t.swap(ctx, true); err != nil {
		return err
	}
	begin := time.Now()
	return plan.Until(ctx, plan.Condition{
		For: "the run that had it to notice", Every: t.poll, Limit: t.length,
		Check: func(context.Context) (bool, string, error) {
			left := t.sure() - elapsed(begin)
			return left <= 0, "another " + left.Round(time.Second).String(), nil
		},
	})
}

func (*turn) Undo(context.Context) error { return nil } // never unwanted
