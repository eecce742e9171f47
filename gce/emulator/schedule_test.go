package emulator

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

// TestSnapshotSchedule lets a week pass over a disk with a schedule: snapshots are
// made when they are due, and those that are old go.
func TestSnapshotSchedule(t *testing.T) {
	var clock atomic.Int64
	begin := time.Date(2026, 3, 2, 1, 30, 0, 0, time.UTC) // a Monday
	clock.Store(begin.UnixNano())
	w := newWorld(t, func(o *api.Options) { o.Now = func() time.Time { return time.Unix(0, clock.Load()) } })
	pass := func(to time.Time) {
		t.Helper()
		clock.Store(to.UnixNano())
		for range 2 { // what is done is not done again
			if err := w.s.schedules.Pass(); err != nil {
				t.Fatal(err)
			}
			w.rest()
		}
	}
	policies := regionW + "resourcePolicies"
	daily := doc.Obj{"dailySchedule": doc.Obj{"daysInCycle": 1, "startTime": "04:00"}}
	policy := func(name string, schedule doc.Obj) doc.Obj {
		return doc.Obj{"name": name, "snapshotSchedulePolicy": doc.Obj{
			"schedule": schedule, "retentionPolicy": doc.Obj{"maxRetentionDays": 3}, "snapshotProperties": doc.Obj{"labels": doc.Obj{"by": name}}}}
	}
	w.made("POST", policies, policy("daily", daily))
	w.made("POST", policies, policy("hourly", doc.Obj{"hourlySchedule": doc.Obj{"hoursInCycle": 6, "startTime": "01:00"}}))
	w.made("POST", policies, policy("weekly", doc.Obj{"weeklySchedule": doc.Obj{"dayOfWeeks": []any{doc.Obj{"day": "WEDNESDAY", "startTime": "23:00"}, doc.Obj{"day": "FRIDAY", "startTime": "00:00"}}}}))
	for name, body := range map[string]doc.Obj{
		"no schedule":    {"name": "x"},
		"two schedules":  policy("x", doc.Obj{"dailySchedule": daily["dailySchedule"], "hourlySchedule": doc.Obj{"hoursInCycle": 1, "startTime": "00:00"}}),
		"half past":      policy("x", doc.Obj{"dailySchedule": doc.Obj{"daysInCycle": 1, "startTime": "04:30"}}),
		"every 25 hours": policy("x", doc.Obj{"hourlySchedule": doc.Obj{"hoursInCycle": 25, "startTime": "04:00"}}),
	} {
		if status, o := w.send("POST", policies, body); status != 400 || why(o) == "notImplemented" {
			t.Errorf("%s: %d %s", name, status, message(o))
		}
	}
	w.refused(400, "notImplemented", "POST", policies, doc.Obj{"name": "x", "groupPlacementPolicy": doc.Obj{"vmCount": 2}})

	for disk, by := range map[string]string{"d": "daily", "h": "hourly", "w": "weekly"} {
		w.made("POST", zoneB+"disks", doc.Obj{"name": disk, "sizeGb": "10"})
		w.made("POST", zoneB+"disks/"+disk+"/addResourcePolicies", doc.Obj{"resourcePolicies": []any{regionW + "resourcePolicies/" + by}})
	}
	w.refused(400, "invalid", "POST", zoneB+"disks/d/addResourcePolicies", doc.Obj{"resourcePolicies": []any{"hourly"}})
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", policies+"/daily", nil)
	made := func() map[string]int {
		n := map[string]int{}
		for _, o := range doc.Objects(w.get("projects/p/global/snapshots"), "items") {
			disk := doc.RefOf(doc.Str(o, "sourceDisk")).Name()
			n[disk]++
			if !doc.Bool(o, "autoCreated") || doc.Str(o, "status") != "READY" || !strings.HasPrefix(doc.Str(o, "name"), disk+"-europe-west1-b-2026030") ||
				doc.StringMap(o, "labels")["by"] == "" || !doc.Has(o, "sourceSnapshotSchedulePolicy") {
				t.Errorf("snapshot %v", o)
			}
		}
		return n
	}
	check := func(at time.Time, d, h, weekly int) {
		t.Helper()
		pass(at)
		if n := made(); n["d"] != d || n["h"] != h || n["w"] != weekly {
			t.Errorf("%s: %v, want d %d h %d w %d", at.Format("Mon 15:04"), n, d, h, weekly)
		}
	}
	day := begin.Truncate(24 * time.Hour)
	at := func(days, hours int) time.Time { return day.AddDate(0, 0, days).Add(time.Duration(hours) * time.Hour) }
	check(begin, 0, 0, 0) // what was due before is not made up for
	check(at(0, 4), 1, 0, 0)
	check(at(0, 7), 1, 1, 0)
	check(at(0, 13), 1, 2, 0)
	w.reopen()
	check(at(0, 19), 1, 3, 0)
	check(at(1, 1), 1, 4, 0)
	check(at(1, 4), 2, 4, 0)
	check(at(2, 23), 3, 5, 1) // long away: each is made once
	check(at(4, 0), 3, 3, 2)  // Friday: one more of each, and what was made on Monday is three days old
	w.made("POST", zoneB+"disks/d/removeResourcePolicies", doc.Obj{"resourcePolicies": []any{"daily"}})
	w.refused(400, "invalid", "POST", zoneB+"disks/d/removeResourcePolicies", doc.Obj{"resourcePolicies": []any{"daily"}})
	w.made("PATCH", policies+"/hourly", doc.Obj{"snapshotSchedulePolicy": doc.Obj{"schedule": daily}})
	if s := doc.Sub(doc.Sub(w.get(policies+"/hourly"), "snapshotSchedulePolicy"), "schedule"); doc.Has(s, "hourlySchedule") || !doc.Has(s, "dailySchedule") {
		t.Errorf("a patched schedule: %v", s)
	}
	w.made("DELETE", policies+"/daily", nil)
	// A disk is made with one, and goes with its schedule.
	w.made("POST", zoneB+"disks", doc.Obj{"name": "n", "sizeGb": "10", "resourcePolicies": []any{policies + "/weekly"}})
	w.made("DELETE", zoneB+"disks/n", nil)
}

// rest waits until nothing is under way.
func (w *world) rest() {
	w.t.Helper()
	for !w.s.atRest() {
		time.Sleep(time.Millisecond)
	}
}

// TestAutoscalers: they keep their group within its bounds, and in its way.
func TestAutoscalers(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.template("tmpl")
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 1, "instanceTemplate": "global/instanceTemplates/tmpl"})
	scalers := zoneB + "autoscalers"
	target := zoneB + "instanceGroupManagers/g"
	w.refused(400, "required", "POST", scalers, doc.Obj{"name": "a", "target": target})
	w.refused(400, "invalid", "POST", scalers, doc.Obj{"name": "a", "target": zoneB + "instanceGroupManagers/x", "autoscalingPolicy": doc.Obj{"maxNumReplicas": 5}})
	w.refused(400, "invalid", "POST", scalers, doc.Obj{"name": "a", "target": target, "autoscalingPolicy": doc.Obj{"maxNumReplicas": 5, "minNumReplicas": 6}})
	w.refused(400, "invalid", "POST", scalers, doc.Obj{"name": "a", "target": target, "autoscalingPolicy": doc.Obj{"maxNumReplicas": 5, "cpuUtilization": doc.Obj{"utilizationTarget": 1.5}}})
	w.made("POST", scalers, doc.Obj{"name": "a", "target": target, "autoscalingPolicy": doc.Obj{"maxNumReplicas": 5, "minNumReplicas": 3}})
	w.stable("g", 3)
	a := w.get(scalers + "/a")
	p := doc.Sub(a, "autoscalingPolicy")
	if doc.Str(a, "status") != "ACTIVE" || doc.Num(a, "recommendedSize") != 3 || doc.Num(p, "coolDownPeriodSec") != 60 || doc.Sub(p, "cpuUtilization")["utilizationTarget"] != 0.6 {
		t.Errorf("autoscaler: %v", a)
	}
	if by := doc.Str(doc.Sub(w.get(target), "status"), "autoscaler"); !strings.HasSuffix(by, "/autoscalers/a") {
		t.Errorf("the group names %q", by)
	}
	w.refused(400, "resourceInUseByAnotherResource", "POST", scalers, doc.Obj{"name": "b", "target": target, "autoscalingPolicy": doc.Obj{"maxNumReplicas": 5}})
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", target, nil)
	w.made("PATCH", scalers+"?autoscaler=a", doc.Obj{"autoscalingPolicy": doc.Obj{"maxNumReplicas": 2, "minNumReplicas": 1}})
	w.stable("g", 2)
	w.made("PUT", scalers, doc.Obj{"name": "a", "target": target, "autoscalingPolicy": doc.Obj{"maxNumReplicas": 9, "minNumReplicas": 4, "mode": "OFF"}})
	w.stable("g", 2)
	w.refused(404, "notFound", "PATCH", scalers+"?autoscaler=x", doc.Obj{})
	w.made("DELETE", scalers+"/a", nil)
	w.made("DELETE", target, nil)
}
