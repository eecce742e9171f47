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
	"hakube/cluster/snapshots"
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
	if r.Replaces() {
		return true
	}
	for _, g := range r.PoolGroups() {
		if !v.Has(g.Object) || g.Size < g.Wants {
			return true
		}
	}
	if !r.Mode.Masters {
		return false
	}
	if len(starting(r)) > 0 || len(snapshots.Needs(r)) > 0 {
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
func Named(ctx context.Context, r *task.Task) (refusal.Blockers, error) {
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
	var zone, types, images refusal.Blockers
	if r.Mode.Whole && r.Have.SubnetRegion == "" {
		images = append(r.Want.Settings.KubeVersion.Supported(), r.Want.Clashes()...)
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
	var no refusal.Blockers
	if _, err := Named(ctx, r); errors.As(err, &no) {
		return no
	}
	return failed
}

// A Part is a list that is to be made, and what it is about.
type Part struct {
	*task.Task
	Items []plan.Item

	missing []inventory.Object // once its names were looked at
}

// Foresee looks at every object that is to be there, before the first is made:
// names that are taken, quotas for all that is missing, permissions to make it.
// What the settings already had in the way comes first.
func Foresee(ctx context.Context, r *task.Task, items []plan.Item, before refusal.Blockers) error {
	return ForeseeAll(ctx, []Part{{Task: r, Items: items}}, before)
}

// ForeseeAll is that of several lists, one after the other: what all of them take is
// added up. The first of them is what the project and the network are asked for.
func ForeseeAll(ctx context.Context, parts []Part, before refusal.Blockers) error {
	long := false
	var making []Part
	for _, p := range parts {
		before = slices.Concat(before, InTheWayOfMasters(p.Task), p.GroupsTooLarge())
		long = long || len(p.Want.Settings.LongNames()) > 0
		if lacks(p.Task) || len(p.Sized()) > 0 {
			making = append(making, p)
		}
	}
	if len(before) > 0 && long { // nobody can be asked for such a name
		return before.OrNil()
	}
	if len(parts) == 0 { // what goes on after a cut may have nothing left to make
		return before.OrNil()
	}
	if len(making) == 0 {
		no, err := unable(ctx, parts[0].Task, nil)
		if err != nil {
			return err
		}
		return append(before, no...).OrNil()
	}
	taken, err := takenByParts(ctx, making)
	if err != nil {
		return err
	}
	r := making[0].Task
	var missing []inventory.Object
	var permissions []string
	var given []identity
	for _, p := range making {
		missing = append(missing, p.missing...)
		for _, x := range identities(p.Task, p.missing) {
			if !slices.Contains(given, x) {
				given = append(given, x)
			}
		}
		permissions = append(permissions, neededToMake(p.Task, p.missing)...)
	}
	more, err := gather(ctx,
		func(ctx context.Context) (refusal.Blockers, error) { return tooLittle(ctx, making) },
		func(ctx context.Context) (refusal.Blockers, error) {
			return withheld(ctx, r.Env, permissions, given...)
		},
		func(ctx context.Context) (refusal.Blockers, error) { return unable(ctx, r, missing) },
		func(ctx context.Context) (refusal.Blockers, error) { return rangesTaken(ctx, r.Env, missing) },
		func(ctx context.Context) (refusal.Blockers, error) { return balancedElsewhere(ctx, balanced(making)) },
		func(ctx context.Context) (refusal.Blockers, error) { return forbidden(ctx, r, missing) },
		func(ctx context.Context) (refusal.Blockers, error) { return shieldedRequired(ctx, making) },
	)
	if err != nil {
		return err
	}
	return slices.Concat(before, taken, more).OrNil()
}

// balanced is one of them that has the API's address on the balancer, if any has: what
// is asked then is of the masters that are there.
func balanced(parts []Part) *task.Task {
	for _, p := range parts {
		if p.Balanced {
			return p.Task
		}
	}
	return parts[0].Task
}

// takenByParts looks at the names of all parts, at each once, and notes what is missing
// where it is first to be made.
func takenByParts(ctx context.Context, parts []Part) (all refusal.Blockers, err error) {
	seen := map[inventory.Object]bool{}
	for i, p := range parts {
		steps := slices.DeleteFunc(wantedOf(p.Items), func(s task.Foreseeing) bool {
			id := s.Object().Id()
			again := seen[id]
			seen[id] = true
			return again
		})
		taken, missing, err := takenNames(ctx, p.Task, steps)
		if err != nil {
			return nil, err
		}
		parts[i].missing = missing
		all = append(all, taken...)
	}
	return all, nil
}

// A check is a read that may find something in the way. The first error of
// several that failed for the same reason is enough.
type check func(context.Context) (refusal.Blockers, error)

func gather(ctx context.Context, checks ...check) (all refusal.Blockers, err error) {
	found, reads := make([]refusal.Blockers, len(checks)), make([]func() error, len(checks))
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
