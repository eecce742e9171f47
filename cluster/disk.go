package cluster

import (
	"context"
	"strconv"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/gce"
)

// masterDevice is how the master's data disk is called inside the machine.
const masterDevice = "master-pd"

// disks are the masters' data disks. When the cluster goes it is also every
// other disk with our mark that is on no machine.
func (r *run) disks() (steps []plan.Step) {
	s := r.want.Settings
	var list []object
	for _, m := range r.toBe() {
		list = append(list, object{kind: kindDisk, name: r.want.Names.DiskOf(m.name), zone: m.zone})
	}
	if r.mode == settings.RemoveCluster || r.mode == settings.RemovePool {
		list = r.or(kindDisk, object{})
	}
	for _, o := range list {
		name := "disk " + o.name
		disks := r.gce.Disks(o.zone)
		steps = append(steps, resource[*computepb.Disk]{
			name: name, of: o,
			get:  func(ctx context.Context) (*computepb.Disk, error) { return disks.Get(ctx, o.name) },
			mine: r.owns,
			check: func(d *computepb.Disk) (plan.State, error) {
				if r.removing || r.repairs() {
					return exists("")
				}
				if err := r.want.Drift(name,
					settings.Difference{Variable: "MASTER_DISK_TYPE", Was: gce.Base(d.GetType()), Want: string(s.MasterDiskType)},
					settings.Difference{Variable: "MASTER_DISK_SIZE", Was: gigabytes(d.GetSizeGb()), Want: gigabytes(int64(s.MasterDiskSize))},
				); err != nil {
					return plan.State{}, err
				}
				if st := d.GetStatus(); st != "READY" && st != "" {
					return plan.State{Is: plan.Partial, Why: "is " + st}, nil
				}
				return exists(gigabytes(d.GetSizeGb()) + " " + gce.Base(d.GetType()))
			},
			insert: func(ctx context.Context) error { return r.insertDisk(ctx, o.name, o.zone) },
			remove: func(ctx context.Context) error {
				return r.letGo(ctx, name, func(ctx context.Context) error { return disks.Delete(ctx, o.name) })
			},
		})
	}
	return steps
}

func (r *run) insertDisk(ctx context.Context, name, zone string) error {
	s := r.want.Settings
	return r.gce.Disks(zone).Insert(ctx, &computepb.Disk{
		Name:        &name,
		Description: new(r.want.Mark.For(roleMasterDisk)),
		Labels:      r.want.Labels(),
		SizeGb:      new(int64(s.MasterDiskSize)),
		Type:        new(r.want.Zonal(zone, "diskTypes", string(s.MasterDiskType))),
	})
}

func gigabytes(n int64) string { return strconv.FormatInt(n, 10) + "GB" }
