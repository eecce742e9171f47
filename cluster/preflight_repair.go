package cluster

import (
	"context"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
)

// fitToRepair is the error about what is in the way of a repair that begins with the items.
func (r *task) fitToRepair(ctx context.Context, items []plan.Item) error {
	no, err := gather(ctx, r.kubeconfigProblems, func(ctx context.Context) (refusal.Unfit, error) { return r.foreseeRepair(ctx, items) })
	if err != nil {
		return err
	}
	return no.OrNil()
}

// foreseeRepair is what keeps the masters that are to be brought back from coming
// back, or those that are given up from going, as far as that shows before a
// machine is touched: what of them has to be made anew is judged as in an up.
func (r *task) foreseeRepair(ctx context.Context, items []plan.Item) (no refusal.Unfit, err error) {
	for _, m := range r.patients {
		no = append(append(no, r.inTheWayOf(m)...), protectedOf(r.foundWithoutDisk(m))...)
	}
	for _, m := range r.givenUp {
		for _, o := range r.have.Objects {
			if o.Id() == m.Id() {
				no = append(no, protectedOf([]inventory.Object{o})...)
			}
		}
	}
	no = append(no, r.addressTaken()...)
	taken, missing, err := takenNames(ctx, r.Env, wantedOf(items))
	if err != nil || len(missing) == 0 {
		return append(no, taken...), err
	}
	found, err := gather(ctx,
		func(ctx context.Context) (refusal.Unfit, error) { return r.tooLittle(ctx, missing) },
		func(ctx context.Context) (refusal.Unfit, error) { return withheld(ctx, r.Env, r.neededToMake(missing)) },
	)
	return slices.Concat(no, taken, found), err
}

// foundWithoutDisk is a master's machine that has to be deleted, since it has not
// the disk it lives on (withDisk).
func (r *task) foundWithoutDisk(m inventory.Object) []inventory.Object {
	disk := inventory.Object{Kind: inventory.Disk, Name: r.Want.Names.DiskOf(m.Name), Zone: m.Zone}
	if slices.ContainsFunc(r.have.Uses, func(u inventory.Use) bool { return u.Of == disk && u.By.Name == m.Name && u.By.Zone == m.Zone }) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.have.Objects), func(o inventory.Object) bool { return o.Id() != m.Id() })
}
