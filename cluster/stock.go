package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/gce"
	"hakube/scripts/cure"
)

// OutOfStock is a zone that has no machines, or disks, of the kind just now.
type OutOfStock struct {
	Zone   string
	Others []string // zones of the region to try instead
	Err    error
	again  func(zone string) cure.Command // the same in another zone
	back   string                         // the disk that was taken back
}

func (e *OutOfStock) Error() string {
	if e.back == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v\n%s, on which nothing was, was taken back: the master can be made in another zone", e.Err, e.back)
}

func (e *OutOfStock) Unwrap() error { return e.Err }

// Hint names the other zones.
func (e *OutOfStock) Hint() string {
	if len(e.Others) == 0 {
		return ""
	}
	var elsewhere []cure.Command
	for _, zone := range e.Others {
		elsewhere = append(elsewhere, e.again(zone))
	}
	return cure.Hint("take another zone, one of these", elsewhere...)
}

// stock makes the error of a run one that says where there may be machines, if
// that is what is missing, and takes back the disk that was made for a first
// master that cannot be: with it the cluster would live in that zone.
func (r *run) stock(ctx context.Context, err error, report func(plan.Event)) error {
	zone, others, is := gce.NoStock(err)
	if !is || ctx.Err() != nil {
		return err
	}
	e := &OutOfStock{Zone: cmp.Or(zone, r.Want.Zone), Others: others, Err: err, again: rowOf(r.Mode.Name).again}
	if len(e.Others) == 0 {
		if e.Others, err = r.otherZones(ctx, e.Zone); err != nil {
			return fmt.Errorf("%w\nlooking for other zones: %w", e, err)
		}
	}
	if r.Mode.Whole {
		if e.back, err = r.takeBack(ctx, report); err != nil {
			return fmt.Errorf("%w\ntaking back the disk of the master that was not made: %w", e, err)
		}
		if e.back == "" { // the cluster lives here
			e.again = cure.UpPool
		}
	}
	return e
}

// otherZones are those of the region that are up, but for those the cluster is
// in already, if there are such.
func (r *run) otherZones(ctx context.Context, out string) ([]string, error) {
	all, err := r.GCE.Zones().List(ctx)
	if err != nil {
		return nil, err
	}
	var others []string
	for _, z := range all {
		if name := z.GetName(); name != out && settings.Zone(name).Region() == settings.Zone(out).Region() && z.GetStatus() == "UP" {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	used := r.Have.Zones(func(inventory.Object) bool { return true })
	free := slices.DeleteFunc(slices.Clone(others), func(z string) bool { return slices.Contains(used, z) })
	if len(free) == 0 {
		return others, nil
	}
	return free, nil
}

// takeBack removes the disk of a first master whose machine could not be made:
// one that was made empty and was never on a machine. It returns what it removed.
func (r *run) takeBack(ctx context.Context, report func(plan.Event)) (string, error) {
	for i, m := range r.ToBe() {
		d := inventory.Object{Kind: inventory.Disk, Name: r.Want.Names.DiskOf(m.Name), Zone: m.Zone}
		if r.Have.Has(m) {
			continue
		}
		if _, err := r.GCE.Instances(m.Zone).Get(ctx, m.Name); !gce.IsNotFound(err) {
			return "", err
		}
		x, err := r.GCE.Disks(d.Zone).Get(ctx, d.Name)
		if gce.IsNotFound(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		if filled := x.GetLastAttachTimestamp() + x.GetSourceSnapshot() + x.GetSourceImage() + x.GetSourceDisk(); filled != "" ||
			len(x.GetUsers()) > 0 || !r.Owns(x.GetDescription()) {
			continue
		}
		return "disk " + d.Name, plan.Run(ctx, r.Gate, []plan.Item{{Step: step.Disks(r.Task)[i], Want: false}}, report)
	}
	return "", nil
}
