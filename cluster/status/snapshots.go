package status

import (
	"context"
	"fmt"
	"strings"
	"time"

	"hakube/cluster/backup"
	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/cluster/snapshots"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// A SnapshotStatus is what Compute Engine keeps of masters' data disks by the cluster's
// schedule.
type SnapshotStatus struct {
	Schedule string         `json:"schedule"` // hourly or daily
	Kept     int            `json:"kept"`
	Newest   *backup.Listed `json:"newest"` // nil: there is none
}

// copied is what was read of snapshots of masters' data disks.
type copied struct {
	want  settings.DiskSnapshots
	now   *SnapshotStatus // nil: there are to be none, or they could not be read
	lacks []string        // disks that do not follow the schedule, and are to
	has   bool            // one follows it, and is not to
}

// askSnapshots lists them where there are to be any; otherwise nobody is asked.
func askSnapshots(ctx context.Context, r *task.Task, missed func(what string, err error)) (c copied) {
	c.want = r.Want.Settings.DiskSnapshots
	for _, o := range r.Have.Objects {
		if o.Kind != inventory.Disk || o.Role != inventory.RoleMasterDisk {
			continue
		}
		is := snapshots.Follows(r, o)
		c.has = c.has || is && !c.want.On()
		if !is && c.want.On() {
			c.lacks = append(c.lacks, o.Name)
		}
	}
	if !c.want.On() {
		return c
	}
	list, err := snapshots.List(ctx, r.Deps.GCE, &r.Want, time.Now())
	if err != nil {
		missed("snapshots of masters' data disks", err)
		return c
	}
	c.now = &SnapshotStatus{Schedule: string(c.want), Kept: len(list)}
	if len(list) > 0 {
		c.now.Newest = &list[0]
	}
	return c
}

// otherwise is what is not as it is to be, beside the schedules there are; an up ends it.
func (c copied) otherwise(schedules []inventory.Object) string {
	is, there := settings.DiskSnapshots(""), len(schedules) > 0
	for _, o := range schedules {
		is = o.Schedule
	}
	switch {
	case c.want.On() && is != c.want:
		return fmt.Sprintf("snapshots of masters' data disks are to be made %s, and there is no such schedule", c.want)
	case len(c.lacks) > 0:
		return "no snapshots are made of " + strings.Join(c.lacks, " and ")
	case !c.want.On() && (there || c.has):
		return "the schedule of snapshots of masters' data disks is there, and is not to be"
	}
	return ""
}

// back is the command that leads back to the newest snapshot, if one is known.
func (c copied) back() (command cure.Command, is bool) {
	if c.now == nil || c.now.Newest == nil {
		return command, false
	}
	return cure.RestoreSnapshot(strings.TrimPrefix(c.now.Newest.Where, snapshots.Place)), true
}
