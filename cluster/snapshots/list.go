package snapshots

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/backup"
	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/cluster/sweep"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// Place is where they are, among places of backups; a snapshot has its name behind it.
const Place = "snapshot://"

// untried is why none of them is verified.
const untried = "as it was at that moment, as after a loss of power; nobody has tried it"

// MasterOf is the master whose data disk a snapshot is of, and the zone of that; ok is false
// if it is of none of the cluster's.
func MasterOf(want *settings.Spec, s *computepb.Snapshot) (name, zone string, ok bool) {
	disk := inventory.ObjectAt(s.GetSourceDisk())
	name, ok = strings.CutSuffix(disk.Name, settings.DiskSuffix)
	ok = ok && disk.Kind == inventory.Disk && disk.Zone != "" && want.Names.IsMaster(name) &&
		strings.Contains(s.GetSourceDisk(), "/"+want.Project+"/zones/")
	return name, disk.Zone, ok
}

// scheduled tells that the cluster's schedule made it.
func scheduled(want *settings.Spec, s *computepb.Snapshot) bool {
	_, _, of := MasterOf(want, s)
	return of && s.GetAutoCreated() && s.GetLabels()[settings.Label] == want.Names.Prefix
}

// List are the snapshots of the cluster's masters' data disks, the newest first.
func List(ctx context.Context, c *gce.Client, want *settings.Spec, now time.Time) (list []backup.Listed, err error) {
	all, err := c.Snapshots().List(ctx)
	for _, s := range all {
		if name, _, is := MasterOf(want, s); is {
			list = append(list, listed(want, s, name, now))
		}
	}
	slices.SortStableFunc(list, func(a, b backup.Listed) int { return b.MadeAt.Compare(*a.MadeAt) })
	return list, err
}

func listed(want *settings.Spec, s *computepb.Snapshot, of string, now time.Time) backup.Listed {
	made, _ := time.Parse(time.RFC3339, s.GetCreationTimestamp()) // Compute Engine's own
	made = made.UTC()
	x := backup.Listed{Where: Place + s.GetName(), Bytes: s.GetStorageBytes(), Cluster: want.ID(), MadeAt: &made, Why: "the disk of " + of + " " + untried}
	age := int64(now.Sub(made).Seconds())
	x.Age = &age
	if s.GetStatus() != "READY" {
		x.Why = "the disk of " + of + "; it is " + s.GetStatus()
	}
	return x
}

// left are the snapshots that the cluster's schedule has made, which stay when the cluster
// goes unless somebody wants them swept.
func left(ctx context.Context, c *gce.Client, want *settings.Spec) (list []*sweep.Judged, bytes int64, err error) {
	all, err := c.Snapshots().List(ctx)
	for _, s := range all {
		if !scheduled(want, s) {
			continue
		}
		bytes += s.GetStorageBytes()
		list = append(list, &sweep.Judged{Of: inventory.Snapshot, Id: s.GetId(), Orphan: sweep.Orphan{
			Kind: string(inventory.Snapshot), Name: s.GetName(), Size: settings.Gigabytes(s.GetDiskSizeGb()), Owner: "disk " + gce.Base(s.GetSourceDisk()),
			Billed: "what it stores", Why: "it has the label " + settings.Label + "=" + want.Names.Prefix,
		}})
	}
	slices.SortFunc(list, func(a, b *sweep.Judged) int { return strings.Compare(a.Name, b.Name) })
	return list, bytes, err
}

// Leave finds those that stay when the cluster goes, and says so; where what the cluster
// leaves behind is swept they go too. Of a cluster that never had any nobody is asked.
func Leave(ctx context.Context, r *task.Task) error {
	if !r.Sweeping && len(r.Have.Of(inventory.ResourcePolicy)) == 0 && !spoken(r) {
		return nil
	}
	list, bytes, err := left(ctx, r.GCE, &r.Want)
	if err != nil || len(list) == 0 {
		return err
	}
	if r.Sweeping {
		r.Orphans = append(r.Orphans, list...)
		return nil
	}
	stored := ""
	if bytes > 0 { // Compute Engine tells some time after it has made one
		stored = fmt.Sprintf(", %d MiB in all", bytes>>20)
	}
	r.Warn(cure.Hint(fmt.Sprintf("%d snapshots of masters' data disks stay%s: Google bills what they store until they are deleted. They have what was secret in the cluster; this deletes them", len(list), stored), cure.Down().With("HAKUBE_SWEEP", "true")))
	return nil
}
