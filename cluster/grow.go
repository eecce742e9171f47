package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/step"
)

// walk runs the items, and while it does probes the API if its address or who
// is behind it changes.
func (r *run) walk(ctx context.Context, items []plan.Item, report func(plan.Event)) error {
	if !r.Mode.One {
		if err := plan.Run(ctx, r.Gate, items, report); err != nil {
			return r.stock(ctx, err, report)
		}
		return nil
	}
	ip, err := r.Address(ctx)
	if err != nil {
		return err
	}
	m := startMeter(ctx, func(ctx context.Context) error {
		if why := r.Ready(ctx, ip); why != "" {
			return errors.New(why)
		}
		return nil
	})
	err = plan.Run(ctx, r.Gate, items, m.follow(report))
	switch {
	case lease.IsOusted(err): // nothing more is this run's business
	case err != nil && ctx.Err() != nil:
		if dark := r.ground(ctx, m.follow(report)); dark != nil {
			err = errors.Join(err, &Dark{dark})
		}
	case err != nil && !r.Mode.Removes:
		err = r.stock(ctx, r.rollBack(ctx, err, m.follow(report)), report)
	}
	all, steps := m.end()
	r.dark, r.outages = &all, steps
	return err
}

// Dark is an interrupted run that could not give the address back.
type Dark struct{ Err error }

func (e *Dark) Error() string {
	return fmt.Sprintf("nobody has the API's address, and giving it back failed: %v", e.Err)
}
func (e *Dark) Unwrap() error { return e.Err }

// groundLimit is how long an interrupted run may take to give the address back.
const groundLimit = time.Minute

// ground lets no run end by an interrupt while nobody has the address: nothing
// stands between the two changes that move it, a person's ^C neither.
func (r *run) ground(ctx context.Context, report func(plan.Event)) error {
	ctx, cancel := r.Within(context.WithoutCancel(ctx), groundLimit)
	defer cancel()
	have, err := r.Look(ctx)
	if err != nil || !have.Holder.Unassigned() {
		return err
	}
	r.Have = have
	return plan.Run(ctx, r.Gate, step.Reachable(r.Task), report)
}

// rollBack takes a replica away again that could not be finished, as long as it
// votes in no ring: then the cluster is as it was, the address included. Later
// there is only forward, since without it a voter would be missing.
func (r *run) rollBack(ctx context.Context, failed error, report func(plan.Event)) error {
	back := r.reversed()
	have, err := back.Look(ctx)
	if err == nil {
		back.Have = have
		back.SawMasters(back.Have)
		err = step.Reach(ctx, back.Task, report)
		back.Replica.Status = back.Have.StatusOf(r.Replica) // it may have died, or never lived
	}
	if err != nil {
		return fmt.Errorf("%w\nnothing was taken back: %w", failed, err)
	}
	s := back.Survey(ctx, append(back.Masters(), r.Replica))
	if _, ok := s.Healthy(r.Replica.Name); !ok {
		return fmt.Errorf("%w\nnothing was taken back: no other master says who is in the rings: %w", failed, s.Why())
	}
	for _, ring := range rings.Names {
		for _, v := range s.Voters(ring) {
			if v.Name == r.Replica.Name {
				return failed // running it again goes on from here
			}
		}
	}
	step.DecideBalancer(back.Task)
	if err = plan.Run(ctx, r.Gate, back.items(), report); err != nil {
		return fmt.Errorf("%w\ntaking back what was made of %s failed too: %w", failed, r.Replica.Name, err)
	}
	return &RolledBack{Replica: r.Replica.Name, Err: failed}
}

// reversed is the run that removes what this one was to add.
func (r *run) reversed() *run {
	back := newRun(r.Anew(r.Want.Removing()), rowOf(settings.RemoveReplica).Aim)
	back.Replica = r.Replica
	return back
}

// RolledBack is a replica that could not be made, and of which nothing is left.
type RolledBack struct {
	Replica string
	Err     error
}

func (e *RolledBack) Error() string {
	return fmt.Sprintf("%v\n%s was taken back: the cluster is as it was", e.Err, e.Replica)
}

func (e *RolledBack) Unwrap() error { return e.Err }
