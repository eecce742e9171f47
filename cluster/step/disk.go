package step

import (
	"context"
	"fmt"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// MasterDevice is how the master's data disk is called inside the machine.
const MasterDevice = "master-pd"

// Disks are the masters' data disks. When the cluster goes it is also every
// other disk with our mark that is on no machine.
func Disks(r *task.Task) (steps []plan.Step) {
	e, asMade, from := r.Env, r.Mode.Removes || r.Mode.Repairs, r.Snapshot
	var list []inventory.Object
	for _, m := range r.ToBe() {
		list = append(list, inventory.Object{Kind: inventory.Disk, Name: r.Want.Names.DiskOf(m.Name), Zone: m.Zone})
	}
	if r.Mode.TakesFound() {
		list = r.Or(inventory.Disk, inventory.Object{})
	}
	for _, o := range list {
		name := "disk " + o.Name
		disks := r.GCE.Disks(o.Zone)
		steps = append(steps, Resource[*computepb.Disk]{
			poll: r.Poll, clock: r.Deps.Clock, before: known[*computepb.Disk](r, o),
			name: name, of: o,
			get:  func(ctx context.Context) (*computepb.Disk, error) { return disks.Get(ctx, o.Name) },
			mine: e.Owns,
			Check: func(d *computepb.Disk) (plan.State, error) {
				if asMade {
					return plan.Exists("")
				}
				s := e.Want.Settings
				if err := e.Want.Drift(name,
					settings.Difference{Variable: "MASTER_DISK_TYPE", Was: gce.Base(d.GetType()), Want: string(s.MasterDiskType)},
					settings.Difference{Variable: "MASTER_DISK_SIZE", Was: settings.Gigabytes(d.GetSizeGb()), Want: settings.Gigabytes(int64(s.MasterDiskSize))},
				); err != nil {
					return plan.State{}, err
				}
				if st := d.GetStatus(); st != "READY" && st != "" {
					return plan.State{Is: plan.Partial, Why: "is " + st}, nil
				}
				return plan.Exists(settings.Gigabytes(d.GetSizeGb()) + " " + gce.Base(d.GetType()))
			},
			insert: func(ctx context.Context) (*computepb.Disk, error) { return InsertDisk(ctx, e, o.Name, o.Zone, from) },
			remove: func(ctx context.Context) error {
				return e.LetGo(ctx, name, func(ctx context.Context) error { return disks.Delete(ctx, o.Name) })
			},
		})
	}
	return steps
}

// InsertDisk makes a data disk, empty or of a snapshot, and returns what was asked for.
func InsertDisk(ctx context.Context, r *env.Env, name, zone string, from *computepb.Snapshot) (*computepb.Disk, error) {
	s := r.Want.Settings
	d := &computepb.Disk{
		Name:        &name,
		Description: new(r.Want.Mark.For(inventory.RoleMasterDisk)),
		Labels:      r.Want.Labels(),
		SizeGb:      new(int64(s.MasterDiskSize)),
		Type:        new(r.Want.Zonal(zone, "diskTypes", string(s.MasterDiskType))),
	}
	if from != nil {
		d.SourceSnapshot, d.SizeGb = new(r.Want.Global("snapshots", from.GetName())), from.DiskSizeGb
	}
	if s.DiskSnapshots.On() { // whose schedule is there before
		d.ResourcePolicies = []string{r.Want.Regional(settings.Zone(zone).Region(), "resourcePolicies", r.Want.Names.Snapshots())}
	}
	return d, r.GCE.Disks(zone).Insert(ctx, d)
}

// ForeignContent is a refusal if the machine's script says that its disk holds
// something of somebody else (scripts/startup/50-disk.sh).
func ForeignContent(r *env.Env, have *inventory.Inventory, m inventory.Object, phase string) error {
	reason, failed := strings.CutPrefix(phase, scripts.PhaseFailed)
	_, what, _ := strings.Cut(reason, "the disk master-pd ")
	if !failed || !strings.HasPrefix(what, "belongs to cluster ") && !strings.HasPrefix(what, "holds ") && !strings.HasPrefix(what, "is partitioned") {
		return nil
	}
	return ForeignDisk(r, have, m, strings.TrimSuffix(what, ", refusing it"))
}

// ForeignDisk is the refusal to use a disk, or to take it away.
func ForeignDisk(r *env.Env, have *inventory.Inventory, m inventory.Object, what string) error {
	disk := r.Want.Names.DiskOf(m.Name)
	commands := []cure.Command{cure.KeepDisk(disk, m.Zone), cure.DeleteDisk(disk, m.Zone), cure.Repair(m.Name)}
	if have.StatusOf(m) != "" {
		commands = append([]cure.Command{cure.DeleteMachine(m.Name, m.Zone)}, commands...)
	}
	return &refusal.Refused{
		Why:  fmt.Sprintf("disk %s in %s %s: hakube neither uses nor deletes it", disk, m.Zone, what),
		Cure: cure.Hint("keep what is on it and give the name free, then go on without it", commands...),
	}
}
