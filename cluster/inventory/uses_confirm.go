package inventory

import (
	"cmp"
	"context"
	"slices"

	"hakube/gce"
)

// ConfirmUses leaves of the uses that would refuse a removal those which the objects
// themselves tell of: lists may still show what has just gone, or let go.
func (r *Reader) ConfirmUses(ctx context.Context, uses []Use) ([]Use, error) {
	still, reads := make([]bool, len(uses)), make([]func() error, len(uses))
	for i, u := range uses {
		reads[i] = func() (err error) {
			f := &Collector{Mark: r.Mark}
			err = r.reread(ctx, f, u)
			if gce.IsNotFound(err) {
				return nil
			}
			still[i] = slices.ContainsFunc(f.Used, func(x Use) bool { return x.By == u.By && x.Of == u.Of })
			return err
		}
	}
	err := gce.Parallel(reads...)
	var list []Use
	for i, u := range uses {
		if still[i] {
			list = append(list, u)
		}
	}
	return list, err
}

// reread reads the one of the two objects that tells of a use.
func (r *Reader) reread(ctx context.Context, f *Collector, u Use) error {
	client, err := r.At(ctx, cmp.Or(u.By.Region, u.Of.Region, r.Region()))
	if err != nil {
		return err
	}
	tells := u.By
	switch {
	case u.Of.Kind == Disk, u.Of.Kind == Address, u.By.Kind == Autoscaler,
		u.Of.Kind == Network && (u.By.Kind == Subnetwork || u.By.Kind == Peering):
		tells = u.Of
	}
	row := tells.Kind.Row()
	if row.note == nil || row.scope == withinZone && tells.Zone == "" || row.scope == acrossRegion && tells.Region == "" {
		f.Used = append(f.Used, u) // a global one of a regional kind, say: the list is all there is
		return nil
	}
	x, err := row.Read(ctx, client, tells)
	if err == nil {
		row.note(f, client, &tells, x)
	}
	return err
}
