package disks

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
	"time"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/store"
)

// A Scheduler makes the snapshots that are due, and deletes those that were kept for
// long enough. What was due several times while no process ran is made once.
type Scheduler struct {
	S *api.Server
}

// tick is how late a snapshot is made at most. It is the clock's, not the server's:
// what its options say of time is when something is due.
const tick = 20 * time.Second

// Run looks what is due until the server closes.
func (l *Scheduler) Run() {
	l.S.Spawn(func() {
		for {
			if err := l.Pass(); err != nil && l.S.Context.Err() == nil {
				l.S.Opts.Log.Error("snapshot schedules", "error", err)
			}
			select {
			case <-time.After(tick):
			case <-l.S.Context.Done():
				return
			}
		}
	})
}

// scheduled is the note of a disk that says until when its schedule was followed.
func scheduled(r doc.Ref) doc.Ref { return r.Note("scheduled") }

// Pass does what is due now.
func (l *Scheduler) Pass() error {
	now := l.S.Opts.Now()
	due := false
	l.S.Store.View(func(t *store.Tx) {
		due = l.each(t, now, func(doc.Ref, doc.Obj, doc.Obj, time.Time) {}, func(doc.Ref) {})
	})
	if !due {
		return nil
	}
	return l.S.Store.Update(func(t *store.Tx) error {
		l.each(t, now, func(r doc.Ref, disk, policy doc.Obj, at time.Time) {
			t.Put(scheduled(r), doc.Obj{"until": doc.Stamp(at)})
			l.snapshot(t, r, disk, policy, at)
		}, func(r doc.Ref) {
			o := t.Edit(r)
			o["status"] = "DELETING"
			t.Edit(l.S.Accept(t, "snapshots.delete", r, doc.Obj{}, "", nil))["user"] = "system"
		})
		return nil
	})
}

// each finds the disks of which a snapshot is due, and the snapshots that are old.
func (l *Scheduler) each(t *store.Tx, now time.Time, make func(r doc.Ref, disk, policy doc.Obj, at time.Time), old func(doc.Ref)) (any bool) {
	var disks, snapshots []doc.Obj
	t.Each("", "disks", func(o doc.Obj) {
		if doc.Has(o, "resourcePolicies") && doc.Str(o, "status") == "READY" {
			disks = append(disks, o)
		}
	})
	t.Each("", "snapshots", func(o doc.Obj) {
		if doc.Bool(o, "autoCreated") && doc.Str(o, "status") == "READY" {
			snapshots = append(snapshots, o)
		}
	})
	for _, o := range disks {
		r := doc.RefOf(doc.Str(o, "selfLink"))
		policy := t.Get(doc.RefOf(doc.Strings(o, "resourcePolicies")[0]))
		until, _ := time.Parse(time.RFC3339, doc.Str(t.Get(scheduled(r)), "until"))
		if at := lastDue(doc.Sub(doc.Sub(policy, "snapshotSchedulePolicy"), "schedule"), now); at.After(until) {
			any = true
			make(r, o, policy, at)
		}
	}
	for _, o := range snapshots {
		if l.old(t, o, now) {
			any = true
			old(doc.RefOf(doc.Str(o, "selfLink")))
		}
	}
	return any
}

// old reports whether a snapshot was kept for as long as its schedule says. Without
// its disk it stays, unless the schedule says otherwise.
func (l *Scheduler) old(t *store.Tx, o doc.Obj, now time.Time) bool {
	policy := t.Get(doc.RefOf(doc.Str(o, "sourceSnapshotSchedulePolicy")))
	retention := doc.Sub(doc.Sub(policy, "snapshotSchedulePolicy"), "retentionPolicy")
	if retention == nil || doc.Str(policy, "id") != doc.Str(o, "sourceSnapshotSchedulePolicyId") {
		return false
	}
	if disk := t.Get(doc.RefOf(doc.Str(o, "sourceDisk"))); doc.Str(disk, "id") != doc.Str(o, "sourceDiskId") && doc.Str(retention, "onSourceDiskDelete") != "APPLY_RETENTION_POLICY" {
		return false
	}
	made, err := time.Parse(time.RFC3339, doc.Str(o, "creationTimestamp"))
	return err == nil && now.Sub(made) >= time.Duration(doc.Num(retention, "maxRetentionDays"))*24*time.Hour
}

// snapshot begins one, as an operation of the system.
func (l *Scheduler) snapshot(t *store.Tx, r doc.Ref, disk, policy doc.Obj, at time.Time) {
	properties := doc.Sub(doc.Sub(policy, "snapshotSchedulePolicy"), "snapshotProperties")
	sum := sha256.Sum256([]byte(t.ID() + string(r)))
	suffix := "-" + at.UTC().Format("20060102150405") + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
	name := r.Name() + "-" + r.Place()
	name = strings.TrimRight(name[:min(len(name), 63-len(suffix))], "-") + suffix
	s := doc.RefIn(r.Project(), "global", "snapshots", name)
	o := doc.Obj{
		"name": name, "autoCreated": true, "sourceSnapshotSchedulePolicy": policy["selfLink"], "sourceSnapshotSchedulePolicyId": policy["id"],
		"labels": properties["labels"], "storageLocations": properties["storageLocations"],
	}
	completeSnapshot(l.S, t, s, r, disk, doc.Clone(o))
	t.Edit(l.S.Accept(t, "disks.createSnapshot", r, doc.Obj{"snapshot": string(s)}, "", nil))["user"] = "system"
}

func onTheHour(s string) bool {
	at, err := time.Parse("15:04", s)
	return err == nil && at.Minute() == 0
}

// lastDue is when a schedule was due last, by now. Its times are those of UTC.
func lastDue(schedule doc.Obj, now time.Time) (last time.Time) {
	now = now.UTC()
	// daily is the latest time of day that is not to come, on a day of the week if given.
	daily := func(o doc.Obj, on string) time.Time {
		hour, _ := strconv.Atoi(strings.TrimSuffix(doc.Str(o, "startTime"), ":00"))
		for back := range 8 {
			at := time.Date(now.Year(), now.Month(), now.Day()-back, hour, 0, 0, 0, time.UTC)
			if !at.After(now) && (on == "" || strings.EqualFold(at.Weekday().String(), on)) {
				return at
			}
		}
		return time.Time{}
	}
	if o := doc.Sub(schedule, "dailySchedule"); o != nil {
		last = daily(o, "")
	}
	if o := doc.Sub(schedule, "hourlySchedule"); o != nil {
		cycle := time.Duration(max(1, doc.Num(o, "hoursInCycle"))) * time.Hour
		first := daily(o, "")
		last = first.Add(now.Sub(first) / cycle * cycle)
	}
	for _, o := range doc.Objects(doc.Sub(schedule, "weeklySchedule"), "dayOfWeeks") {
		if at := daily(o, doc.Str(o, "day")); at.After(last) {
			last = at
		}
	}
	return last
}

func dropPolicy(ctx context.Context, k *api.Job) error {
	return k.Remove(ctx, "resource_policy", policyUser)
}
