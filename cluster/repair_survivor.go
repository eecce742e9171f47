package cluster

import (
	"context"

	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/settings"
	"hakube/cluster/step"
)

// FromSurvivor goes on with one master where quorum is lost for good: its etcds
// become rings of one, all other masters are given up. ask hears first what may be
// lost; an error of it ends the run before any change. The order keeps two parts of
// an old ring from ever going on both: the survivor is seen to have its data, the
// others' machines are deleted, and only then are its rings made its own. What is
// left of the others goes as when masters are removed.
func (c *Cluster) FromSurvivor(ctx context.Context, name string, report func(plan.Event), ask func(Loss) error) (s *Summary, err error) {
	warning, err := c.alone(ctx, settings.RebuildVerb, report, func(ctx context.Context, l *lease.Lease, report func(plan.Event)) error {
		s = nil
		r := c.run(settings.RebuildVerb)
		r.Lease = l
		before, err := seen(ctx, r.Task, report)
		if err != nil {
			return err
		}
		loss, err := choose(ctx, r.Task, before, name)
		if err != nil {
			return err
		}
		if err := preflight.FitToRepair(ctx, r.Task, revivals(r.Task)); err != nil {
			return err
		}
		if err := ask(loss); err != nil {
			return err
		}
		if err := plan.RunStages(ctx, rebuildList(r.Task), report); err != nil {
			return err
		}
		if err := r.sweepOthers(ctx, report); err != nil {
			return err
		}
		s = r.summary()
		s.Repaired, s.GivenUp = []string{name}, loss.GivenUp
		return nil
	})
	return s.warned(warning), err
}

// sweepOthers takes away what is left of the masters that are given up, as their
// removal would: disks, Nodes, groups; with the last one the address goes to the
// survivor.
func (r *run) sweepOthers(ctx context.Context, report func(plan.Event)) error {
	for _, o := range r.GivenUp {
		back := r.reversed()
		back.Replica = o
		have, err := back.Look(ctx)
		if err != nil {
			return err
		}
		back.Have = have
		back.Replica.Status = have.StatusOf(o)
		back.SawMasters(back.Have)
		step.DecideBalancer(back.Task)
		if err := plan.Run(ctx, back.items(), report); err != nil {
			return err
		}
	}
	return nil
}
