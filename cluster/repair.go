package cluster

import (
	"context"

	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/settings"
)

// Repair brings masters back that fail: the one of the name, or all that are not
// whole. It ends with the voters there were before, under the same names, as long
// as quorum lives or those who make it can be brought back; what it cannot do is
// refused, with the way out. It finds the cluster's zones itself.
func (c *Cluster) Repair(ctx context.Context, name string, report func(plan.Event)) (s *Summary, err error) {
	warning, err := c.alone(ctx, settings.RepairVerb, report, func(ctx context.Context, l *lease.Lease, report func(plan.Event)) error {
		s = nil
		r := c.run(settings.RepairVerb)
		r.Lease = l
		before, err := seen(ctx, r.Task, report)
		if err != nil {
			return err
		}
		if err := diagnose(ctx, r.Task, before, name); err != nil {
			return err
		}
		if len(r.Patients) > 0 {
			err = preflight.FitToRepair(ctx, r.Task, revivals(r.Task))
		}
		if len(r.Patients) > 0 && err == nil {
			err = plan.RunStages(ctx, repairList(r.Task), report)
		}
		s = r.summary()
		s.Nothing = len(r.Patients) == 0
		for _, p := range r.Patients {
			s.Repaired = append(s.Repaired, p.Name)
		}
		return err
	})
	return s.warned(warning), err
}
