package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
)

// clockedWorld is one whose embedded GCE has a clock that a test puts on.
func clockedWorld(t *testing.T) (w *world, on func(time.Duration)) {
	t.Helper()
	var offset atomic.Int64
	w, _ = newModelWorldWith(t, func(o *emulator.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	})
	return w, func(d time.Duration) { offset.Add(int64(d)) }
}

// policies are the schedules that the data disks of masters follow, by disk.
func (w *world) policies() map[string]string {
	list := map[string]string{}
	for path, o := range w.objects() {
		if _, name, is := strings.Cut(path, "/disks/"); is && strings.HasSuffix(name, "-pd") {
			list[name] = ""
			if p, has := o["resourcePolicies"].([]any); has {
				_, list[name], _ = strings.Cut(p[0].(string), "/resourcePolicies/")
			}
		}
	}
	return list
}

// copies are the snapshots there are that can be used, by the disk they are of.
func (w *world) copies() map[string]int {
	list := map[string]int{}
	for path, o := range w.objects() {
		if strings.Contains(path, "/snapshots/") && o["status"] == "READY" {
			_, disk, _ := strings.Cut(o["sourceDisk"].(string), "/disks/")
			list[disk]++
		}
	}
	return list
}

// awaitCopies waits until each of the masters' data disks has so many.
func (w *world) awaitCopies(n int) {
	w.t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		have, all := w.copies(), true
		for disk := range w.policies() {
			all = all && have[disk] == n
		}
		if all {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("snapshots are %v, want %d of each disk", have, n)
		}
	}
}

// TestDiskSnapshots: Compute Engine keeps copies of each master's data disk once that is
// said, at create, later, or for a master that comes; another schedule and none hold too, in
// shells that say nothing; a down leaves the copies and says so, and a sweep takes them.
func TestDiskSnapshots(t *testing.T) {
	long(t, "TestDiskSnapshotsOfAll")
	besideOthers(t)
	ctx := context.Background()
	w, on := clockedWorld(t)
	empty, o := w.objects(), w.operator()
	shell := func(says string, more map[string]string) *operator {
		all := map[string]string{}
		maps.Copy(all, more)
		if says != "" {
			all["HAKUBE_DISK_SNAPSHOTS"] = says
		}
		return o.shell(t, all)
	}
	follow := func(want ...string) {
		t.Helper()
		got := slices.Sorted(maps.Values(w.policies()))
		if !slices.Equal(got, want) {
			t.Errorf("disks follow %q, want %q", got, want)
		}
	}
	const schedule = "kubernetes-master-snapshots"
	w.mustUp(shell("hourly", map[string]string{"NUM_NODES": "1"}))
	follow(schedule)
	nothingToDo(t, w, shell("", nil))
	w.mustUp(shell("", map[string]string{"KUBE_REPLICATE_EXISTING_MASTER": "true", "KUBE_GCE_ZONE": zoneC}))
	follow(schedule, schedule)
	on(time.Hour)
	w.awaitCopies(1)
	s, err := shell("", nil).Status(ctx)
	if err != nil || s.Snapshots == nil || s.Snapshots.Schedule != "hourly" || s.Snapshots.Kept != 2 || s.Snapshots.Newest == nil || len(s.Unfinished) > 0 {
		t.Errorf("status: %+v, %v", s, err)
	}
	list, err := shell("", nil).Backups(ctx, "snapshot://")
	if err != nil || len(list) != 2 || list[0].Verified || !strings.HasPrefix(list[0].Where, "snapshot://kubernetes-master") || list[0].Cluster != "local/kubernetes" {
		t.Errorf("backups: %+v, %v", list, err)
	}

	if n, err := shell("daily", nil).PreviewUp(ctx, w.events()); err != nil || n != 2 { // and that it is written down
		t.Errorf("plan of another schedule: %d steps, %v", n, err)
	}
	w.mustUp(shell("daily", nil))
	nothingToDo(t, w, shell("", nil))
	on(24 * time.Hour)
	w.awaitCopies(2)
	if n, err := shell("none", nil).PreviewUp(ctx, w.events()); err != nil || n != 4 {
		t.Errorf("plan of none: %d steps, %v", n, err)
	}
	w.mustUp(shell("none", nil))
	follow("", "")
	nothingToDo(t, w, shell("", nil))
	on(48 * time.Hour)
	w.mustUp(shell("hourly", nil))
	follow(schedule, schedule)
	nothingToDo(t, w, shell("", nil))

	down, err := shell("", nil).again(func(s *settings.Settings) { s.Zone = "" }).Down(ctx, w.events())
	if err != nil || !slices.ContainsFunc(down.Warnings, func(text string) bool {
		return strings.Contains(text, "4 snapshots of masters' data disks stay") && strings.Contains(text, "HAKUBE_SWEEP=true hakube down")
	}) {
		t.Errorf("down: %+v, %v", down, err)
	}
	for path := range w.objects() {
		if _, before := empty[path]; !before && !strings.Contains(path, "/snapshots/") {
			t.Errorf("%s is left", path)
		}
	}
	sweep := shell("", nil).again(func(s *settings.Settings) { s.Zone, s.Sweep = "", true })
	w.mustDown(sweep)
	if diff := cmp.Diff(empty, w.objects()); diff != "" {
		t.Errorf("objects after all (-before +after):\n%s", diff)
	}
}

// TestDiskSnapshotsBesideOthers: a schedule of somebody's on a master's disk, and one of the
// name, are refused before anything is changed.
func TestDiskSnapshotsBesideOthers(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	policy := func(name string) {
		w.post(inRegion+"resourcePolicies", doc{"name": name, "snapshotSchedulePolicy": doc{"schedule": doc{"dailySchedule": doc{"daysInCycle": 1, "startTime": "04:00"}}}})
	}
	refused := func(want string) {
		t.Helper()
		before := w.objects()
		_, err := o.again(func(s *settings.Settings) { s.DiskSnapshots = settings.Hourly }).Up(context.Background(), w.events())
		if err == nil || !errors.As(err, new(*Unchanged)) || !strings.Contains(err.Error(), want) {
			t.Errorf("up: %v, want %q", err, want)
		}
		if diff := cmp.Diff(before, w.objects()); diff != "" {
			t.Errorf("refused, and (-before +after):\n%s", diff)
		}
	}
	policy("kubernetes-master-snapshots")
	refused("resource policy kubernetes-master-snapshots is there already")
	policy("nightly")
	w.post(inZone+"disks/kubernetes-master-pd/addResourcePolicies", doc{"resourcePolicies": []string{"projects/local/" + inRegion + "resourcePolicies/nightly"}})
	refused("disk kubernetes-master-pd in europe-west1-b has schedule nightly of somebody's")
	var no refusal.Blockers
	_, err := o.again(func(s *settings.Settings) { s.DiskSnapshots = settings.Hourly }).Up(context.Background(), w.events())
	if !errors.As(err, &no) || !slices.ContainsFunc(no, func(x *refusal.Refused) bool {
		return strings.Contains(x.Hint(), "remove-resource-policies kubernetes-master-pd")
	}) {
		t.Errorf("the hint: %v", err)
	}
	if got := w.policies(); got["kubernetes-master-pd"] != "nightly" {
		t.Errorf("disks follow %v", got)
	}
}

// TestDiskSnapshotsOfAll: disks of masters that are made by one command follow the schedule, and
// so does one that a repair makes in the place of one that is lost.
func TestDiskSnapshotsOfAll(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	o := w.operator()
	shell := func(more map[string]string) *operator { return o.shell(t, more) }
	w.mustUp(shell(map[string]string{"HAKUBE_ZONES": "europe-west1-b,europe-west1-c,europe-west1-d", "HAKUBE_MASTER_COUNT": "3", "HAKUBE_MASTER_GROUPS": "false", "HAKUBE_NODE_COUNT": "1", "HAKUBE_DISK_SNAPSHOTS": "daily"}))
	all := func() {
		t.Helper()
		if got := slices.Collect(maps.Values(w.policies())); len(got) != 3 || slices.ContainsFunc(got, func(p string) bool { return p != "kubernetes-master-snapshots" }) {
			t.Errorf("disks follow %q", got)
		}
	}
	all()
	replica := w.firstReplica()
	for _, err := range []error{w.Client.Instances(zoneC).Delete(t.Context(), replica), w.Client.Disks(zoneC).Delete(t.Context(), replica+"-pd")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := shell(nil).Repair(t.Context(), "", w.events()); err != nil {
		t.Fatal(err)
	}
	all()
	if s, err := shell(nil).Status(t.Context()); err != nil || len(s.Unfinished) > 0 {
		t.Errorf("status: %+v, %v", s, err)
	}
}
