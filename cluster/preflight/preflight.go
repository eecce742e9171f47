// Package preflight asks, before the first change, whatever would be refused in the
// middle: types, images, quotas, permissions, names and ranges that are taken. It
// changes nothing.
package preflight

import (
	"context"
	"errors"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/gce"
)

// lacks tells by what was found whether there is a machine, a disk, a group or
// an address to make. Without any of these nothing is asked beforehand: a run
// over a cluster that is complete costs its own looks only.
func lacks(r *task.Task) bool {
	v := r.Have
	if r.Mode.One {
		return true // run twice it makes two
	}
	for _, g := range r.PoolGroups() {
		if !v.Has(g.Object) || g.Size < g.Wants {
			return true
		}
	}
	if !r.Mode.Masters {
		return false
	}
	if len(starting(r)) > 0 {
		return true
	}
	for _, m := range r.ToBe() {
		if !v.Has(m) || !v.Has(inventory.Object{Kind: inventory.Disk, Name: r.Want.Names.DiskOf(m.Name), Zone: m.Zone}) {
			return true
		}
	}
	return v.Holder.IP == "" || v.SubnetRegion == ""
}

// Named asks the cloud what the settings name: the zone, machine types,
// disk types and images, all at once. What is wrong with the zone is the error,
// since nothing else can be judged then.
func Named(ctx context.Context, r *task.Task) (refusal.Unfit, error) {
	if !lacks(r) {
		return nil, nil
	}
	if r.Mode.Nodes {
		want, err := r.LikeNodes(ctx)
		if err != nil {
			return nil, err
		}
		r.Want = want
	}
	inZone, elsewhere := namedTypes(r), namedImages(r)
	var zone, types, images refusal.Unfit
	if r.Mode.Whole && r.Have.SubnetRegion == "" {
		images = r.Want.Settings.Clashes()
	}
	var typesErr error
	err := gce.Parallel(
		func() (err error) { zone, err = ZoneProblems(ctx, r.Env); return err },
		func() error { types, typesErr = gather(ctx, inZone...); return nil },
		func() error {
			no, err := gather(ctx, elsewhere...)
			images = append(images, no...)
			return err
		},
	)
	switch {
	case err != nil:
		return nil, err
	case len(zone) > 0: // in a zone that is none there are no types either
		return nil, slices.Concat(zone, images)
	case typesErr != nil:
		return nil, typesErr
	}
	return append(types, images...), nil
}

// Misplaced finds out whether looking failed because the zone is none, whose
// region is then none either.
func Misplaced(ctx context.Context, r *task.Task, failed error) error {
	r.Have = &inventory.Inventory{}
	var no refusal.Unfit
	if _, err := Named(ctx, r); errors.As(err, &no) {
		return no
	}
	return failed
}

// Foresee looks at every object that is to be there, before the first is made:
// names that are taken, quotas for all that is missing, permissions to make it.
// What the settings already had in the way comes first.
func Foresee(ctx context.Context, r *task.Task, items []plan.Item, before refusal.Unfit) error {
	before = slices.Concat(before, InTheWayOfMasters(r), r.GroupsTooLarge())
	if !lacks(r) && len(r.Sized()) == 0 {
		return before.OrNil()
	}
	if len(before) > 0 && len(r.Want.Settings.LongNames()) > 0 {
		return before.OrNil() // nobody can be asked for such a name
	}
	taken, missing, err := takenNames(ctx, r, wantedOf(items))
	if err != nil {
		return err
	}
	more, err := gather(ctx,
		func(ctx context.Context) (refusal.Unfit, error) { return tooLittle(ctx, r, missing) },
		func(ctx context.Context) (refusal.Unfit, error) {
			return withheld(ctx, r.Env, neededToMake(r, missing))
		},
		func(ctx context.Context) (refusal.Unfit, error) { return rangesTaken(ctx, r.Env, missing) },
		func(ctx context.Context) (no refusal.Unfit, err error) { return balancedElsewhere(ctx, r) },
		func(ctx context.Context) (no refusal.Unfit, err error) { return forbidden(ctx, r, missing) },
	)
	if err != nil {
		return err
	}
	return slices.Concat(before, taken, more).OrNil()
}

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
func wantedOf(items []plan.Item) (steps []task.Foreseeing) {
	for _, it := range items {
		if s, ok := it.Step.(task.Foreseeing); ok && it.Want {
			steps = append(steps, s)
		}
	}
	return steps
}
