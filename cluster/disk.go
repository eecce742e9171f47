package cluster

import (
	"context"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
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
	var list []inventory.Object
	for _, m := range r.toBe() {
		list = append(list, inventory.Object{Kind: inventory.Disk, Name: r.want.Names.DiskOf(m.Name), Zone: m.Zone})
	}
	if r.mode.found != nil {
		list = r.or(inventory.Disk, inventory.Object{})
	}
	for _, o := range list {
		name := "disk " + o.Name
		disks := r.GCE.Disks(o.Zone)
		steps = append(steps, resource[*computepb.Disk]{
			name: name, of: o,
			get:  func(ctx context.Context) (*computepb.Disk, error) { return disks.Get(ctx, o.Name) },
			mine: r.owns,
			check: func(d *computepb.Disk) (plan.State, error) {
				if r.mode.removes || r.mode.repairs {
					return exists("")
				}
				if err := r.want.Drift(name,
					settings.Difference{Variable: "MASTER_DISK_TYPE", Was: gce.Base(d.GetType()), Want: string(s.MasterDiskType)},
					settings.Difference{Variable: "MASTER_DISK_SIZE", Was: settings.Gigabytes(d.GetSizeGb()), Want: settings.Gigabytes(int64(s.MasterDiskSize))},
				); err != nil {
					return plan.State{}, err
				}
				if st := d.GetStatus(); st != "READY" && st != "" {
					return plan.State{Is: plan.Partial, Why: "is " + st}, nil
				}
				return exists(settings.Gigabytes(d.GetSizeGb()) + " " + gce.Base(d.GetType()))
			},
			insert: func(ctx context.Context) error { return r.insertDisk(ctx, o.Name, o.Zone) },
			remove: func(ctx context.Context) error {
				return r.letGo(ctx, name, func(ctx context.Context) error { return disks.Delete(ctx, o.Name) })
			},
		})
	}
	return steps
}

func (r *env) insertDisk(ctx context.Context, name, zone string) error {
	s := r.want.Settings
	return r.GCE.Disks(zone).Insert(ctx, &computepb.Disk{
		Name:        &name,
		Description: new(r.want.Mark.For(inventory.RoleMasterDisk)),
		Labels:      r.want.Labels(),
		SizeGb:      new(int64(s.MasterDiskSize)),
		Type:        new(r.want.Zonal(zone, "diskTypes", string(s.MasterDiskType))),
	})
}
