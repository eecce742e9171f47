package cluster

import (
	"context"
	"slices"

	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/gce"
)

// A check is a read that may find something in the way. The first error of
// several that failed for the same reason is enough.
type check func(context.Context) (refusal.Unfit, error)

func gather(ctx context.Context, checks ...check) (all refusal.Unfit, err error) {
	found, reads := make([]refusal.Unfit, len(checks)), make([]func() error, len(checks))
	for i, c := range checks {
		reads[i] = func() (err error) { found[i], err = c(ctx); return err }
	}
	err = gce.Parallel(reads...)
	return slices.Concat(found...), err
}

// wantedOf are the steps of a list that make an object of the cloud.
func wantedOf(items []plan.Item) (steps []task.ObjectStep) {
	for _, it := range items {
		if s, ok := it.Step.(task.ObjectStep); ok && it.Want {
			steps = append(steps, s)
		}
	}
	return steps
}
