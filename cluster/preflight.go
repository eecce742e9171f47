package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/plan"
)

// Unfit is everything in the way of what is to be made, found before the first
// change: settings the cloud says no to, names that are taken, quotas that do
// not suffice, permissions that are withheld.
type Unfit []*Refused

func (u Unfit) Error() string {
	var whys []string
	for _, r := range u {
		whys = append(whys, r.Why)
	}
	if len(u) == 1 {
		return whys[0]
	}
	return fmt.Sprintf("%d things are in the way:\n%s", len(u), strings.Join(whys, "\n"))
}

// Hint is for what has no cure of its own; that nothing was changed the run
// itself knows ([Unchanged]).
func (u Unfit) Hint() string { return "put that right and run it again" }

// Unwrap gives each with its own cure.
func (u Unfit) Unwrap() []error {
	errs := make([]error, len(u))
	for i, r := range u {
		errs[i] = r
	}
	return errs
}

// orNil is the error, nil if nothing is in the way.
func (u Unfit) orNil() error {
	if len(u) == 0 {
		return nil
	}
	return u
}

// unfit is a finding without a cure beyond itself.
func unfit(format string, a ...any) *Refused { return &Refused{Why: fmt.Sprintf(format, a...)} }

// lacks tells by what was found whether there is a machine, a disk, a group or
// an address to make. Without any of these nothing is asked beforehand: a run
// over a cluster that is complete costs its own looks only.
func (r *run) lacks() bool {
	v := r.have
	if r.mode == AddReplica {
		return true // run twice it makes two
	}
	for _, g := range r.poolGroups() {
		if !v.has(g.object) || g.size < g.wants {
			return true
		}
	}
	if r.mode == AddPool {
		return false
	}
	if len(r.starting()) > 0 {
		return true
	}
	for _, m := range r.toBe() {
		if !v.has(m) || !v.has(object{kind: kindDisk, name: r.want.names.DiskOf(m.name), zone: m.zone}) {
			return true
		}
	}
	return v.held.ip == "" || v.subnetRegion == ""
}

// A check is a read that may find something in the way. The first error of
// several that failed for the same reason is enough.
type check func(context.Context) (Unfit, error)

func gather(ctx context.Context, checks ...check) (all Unfit, err error) {
	found, reads := make([]Unfit, len(checks)), make([]func() error, len(checks))
	for i, c := range checks {
		reads[i] = func() (err error) { found[i], err = c(ctx); return err }
	}
	err = together(reads...)
	return slices.Concat(found...), err
}

// preflight asks the cloud what the settings name: the zone, machine types,
// disk types and images, all at once. What is wrong with the zone is the error,
// since nothing else can be judged then.
func (r *run) preflight(ctx context.Context) (Unfit, error) {
	if !r.lacks() {
		return nil, nil
	}
	if r.mode != AddReplica {
		if err := r.likeNodes(ctx); err != nil {
			return nil, err
		}
	}
	inZone, elsewhere := r.namedTypes(), r.namedImages()
	var zone, types, images Unfit
	if r.mode == Create && r.have.subnetRegion == "" {
		images = r.want.settings.clashes()
	}
	var typesErr error
	err := together(
		func() (err error) { zone, err = r.zoneProblems(ctx); return err },
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

// misplaced finds out whether looking failed because the zone is none, whose
// region is then none either.
func (r *run) misplaced(ctx context.Context, failed error) error {
	r.have = &inventory{}
	var no Unfit
	if _, err := r.preflight(ctx); errors.As(err, &no) {
		return no
	}
	return failed
}

// A made is a step that makes an object of the cloud.
type made interface {
	plan.Step
	thing() object
}

// foresee looks at every object that is to be there, before the first is made:
// names that are taken, quotas for all that is missing, permissions to make it.
// What the settings already had in the way comes first.
func (r *run) foresee(ctx context.Context, items []plan.Item, before Unfit) error {
	before = slices.Concat(before, r.inTheWay(), r.groupsTooLarge())
	if !r.lacks() && len(r.sized()) == 0 {
		return before.orNil()
	}
	taken, missing, err := r.takenNames(ctx, wantedOf(items))
	if err != nil {
		return err
	}
	more, err := gather(ctx,
		func(ctx context.Context) (Unfit, error) { return r.tooLittle(ctx, missing) },
		func(ctx context.Context) (Unfit, error) { return r.withheld(ctx, r.neededToMake(missing)) },
		func(ctx context.Context) (Unfit, error) { return r.rangesTaken(ctx, missing) },
		r.balancedElsewhere,
	)
	if err != nil {
		return err
	}
	return slices.Concat(before, taken, more).orNil()
}

// besides adds what the settings have in the way to another refusal.
func (u Unfit) besides(err error) error {
	if len(u) == 0 {
		return err
	}
	return errors.Join(err, u)
}
