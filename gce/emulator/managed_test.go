package emulator

import (
	"strings"
	"testing"
	"time"
)

// TestGroupKeepsUp does to a managed group what befalls one: its template
// changes, a machine fails to start, one is preempted, the daemon dies.
func TestGroupKeepsUp(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.After = func(time.Duration) <-chan time.Time { return time.After(time.Millisecond) }
		o.Now = skipping() // tries again without the wait of 10 s
	})
	w.subnet()
	w.template("old")
	w.template("new")
	w.made("POST", zoneB+"instanceGroupManagers", obj{"name": "g", "targetSize": 1, "instanceTemplate": "global/instanceTemplates/old"})
	w.stable("g", 1)

	w.made("POST", zoneB+"instanceGroupManagers/g/setInstanceTemplate", obj{"instanceTemplate": "global/instanceTemplates/new"})
	w.made("POST", zoneB+"instanceGroupManagers/g/resize?size=3", nil)
	w.stable("g", 3)
	if got := w.templatesOf("g"); got["old"] != 1 || got["new"] != 2 {
		t.Errorf("after a change of template and a resize: %v, want 1 old and 2 new", got)
	}
	_, rows := w.send("POST", zoneB+"instanceGroupManagers/g/listManagedInstances", nil)
	for _, row := range objects(rows, "managedInstances") {
		if strings.HasSuffix(str(sub(row, "version"), "instanceTemplate"), "/old") {
			w.made("POST", zoneB+"instanceGroupManagers/g/recreateInstances", obj{"instances": []any{row["instance"]}})
		}
	}
	w.stable("g", 3)
	if got := w.templatesOf("g"); got["new"] != 3 {
		t.Errorf("after recreateInstances: %v, want 3 new", got)
	}

	w.backend.mu.Lock()
	w.backend.fail = &problem{500, "backendError", "INTERNAL_ERROR", "no power"}
	w.backend.mu.Unlock()
	w.made("POST", zoneB+"instanceGroupManagers/g/resize?size=4", nil)
	w.stable("g", 4)

	w.reopen()
	if g := w.get(zoneB + "instanceGroupManagers/g"); num(g, "targetSize") != 4 {
		t.Errorf("size after a restart: %v", g["targetSize"])
	}
	w.stable("g", 4)
	one := w.backend.net().Machines[0]
	w.made("POST", zoneB+"instances/"+one.Name+"/stop", nil)
	w.anew(one)
	w.stable("g", 4)
	one = w.backend.net().Machines[0]
	w.made("DELETE", zoneB+"instances/"+one.Name, nil)
	w.anew(one)
	w.stable("g", 4)
	one = w.backend.net().Machines[0] // broken: it ended without anybody's asking
	w.backend.mu.Lock()
	delete(w.backend.running, one.MachineKey)
	w.backend.mu.Unlock()
	w.backend.exited(one.MachineKey)
	w.anew(one)
	w.stable("g", 4)
}

// TestPreemptedMember is made anew under its name when its group looks.
func TestPreemptedMember(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	properties := instance("", obj{"machineType": "n1-standard-1", "scheduling": obj{"preemptible": true}})
	delete(properties, "name")
	properties["networkInterfaces"].([]any)[0].(obj)["subnetwork"] = regionW + "subnetworks/s"
	w.made("POST", "projects/p/global/instanceTemplates", obj{"name": "spot", "properties": properties})
	w.made("POST", zoneB+"instanceGroupManagers", obj{"name": "g", "targetSize": 2, "instanceTemplate": "global/instanceTemplates/spot"})
	w.stable("g", 2)
	one := w.backend.net().Machines[0]
	w.made("POST", zoneB+"instances/"+one.Name+"/simulateMaintenanceEvent", nil)
	w.anew(one)
	w.stable("g", 2)
}

// anew waits until a group has made a machine anew, under its name.
func (w *world) anew(old Machine) {
	w.t.Helper()
	for {
		if _, o := w.send("GET", zoneB+"instances/"+old.Name, nil); str(o, "status") == "RUNNING" && ident(o) != old.ID {
			return
		}
		if err := w.s.groups.pass(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// skipping is a clock that goes 5 s further each time it is looked at.
func skipping() func() time.Time {
	begin := time.Now()
	ticks := make(chan time.Duration, 1)
	ticks <- 0
	return func() time.Time {
		n := <-ticks + 5*time.Second
		ticks <- n
		return begin.Add(n)
	}
}

// templatesOf counts a group's machines by the template their metadata names.
func (w *world) templatesOf(group string) map[string]int {
	w.t.Helper()
	out := map[string]int{}
	for _, o := range objects(w.get(zoneB+"instances"), "items") {
		meta := metadataMap(sub(o, "metadata"))
		if strings.HasSuffix(meta["created-by"], "/instanceGroupManagers/"+group) {
			out[ref(meta["instance-template"]).name()]++
		}
	}
	return out
}

// TestMaintenance simulates the service of hosts under machines of each kind.
func TestMaintenance(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	for name, scheduling := range map[string]obj{
		"moved": nil, "restarted": {"onHostMaintenance": "TERMINATE"}, "ended": {"onHostMaintenance": "TERMINATE", "automaticRestart": false},
		"preempted": {"preemptible": true}, "spot": {"provisioningModel": "SPOT"},
	} {
		more := obj{}
		if scheduling != nil {
			more["scheduling"] = scheduling
		}
		w.made("POST", zoneB+"instances", instance(name, more))
	}
	starts := w.backend.starts
	for name, want := range map[string]struct{ status, event string }{
		"moved":     {"RUNNING", "compute.instances.migrateOnHostMaintenance"},
		"restarted": {"RUNNING", "compute.instances.terminateOnHostMaintenance"},
		"ended":     {"TERMINATED", "compute.instances.terminateOnHostMaintenance"},
		"preempted": {"TERMINATED", "compute.instances.preempted"},
		"spot":      {"TERMINATED", "compute.instances.preempted"},
	} {
		w.made("POST", zoneB+"instances/"+name+"/simulateMaintenanceEvent", nil)
		var event obj
		for _, op := range objects(w.get(zoneB+"operations"), "items") {
			if str(op, "user") == "system" && strings.HasSuffix(str(op, "targetLink"), "/"+name) {
				event = w.wait(op)
			}
		}
		if got := str(w.get(zoneB+"instances/"+name), "status"); got != want.status || str(event, "operationType") != want.event || has(event, "error") {
			t.Errorf("%s: is %s after %v, want %s after %s", name, got, event, want.status, want.event)
		}
	}
	if n := w.backend.starts - starts; n != 1 {
		t.Errorf("%d machines were started again, want 1", n)
	}
	w.refused(400, "resourceNotReady", "POST", zoneB+"instances/ended/simulateMaintenanceEvent", nil)
	w.refused(400, "badRequest", "POST", zoneB+"instances", instance("p", obj{"scheduling": obj{"preemptible": true, "automaticRestart": true}}))
	w.refused(400, "invalid", "POST", zoneB+"instances", instance("p", obj{"scheduling": obj{"preemptible": true, "onHostMaintenance": "MIGRATE"}}))
	if o := w.get(zoneB + "instances/spot"); flag(sub(o, "scheduling"), "automaticRestart") || str(sub(o, "scheduling"), "onHostMaintenance") != "TERMINATE" {
		t.Errorf("scheduling of a spot machine: %v", o["scheduling"])
	}
}

// TestSnapshots copies a disk, loses the original and makes another of the copy.
func TestSnapshots(t *testing.T) {
	w := newWorld(t)
	disk := zoneB + "disks/d"
	w.made("POST", zoneB+"disks", obj{"name": "d", "sizeGb": "20"})
	op := w.made("POST", disk+"/createSnapshot?guestFlush=False", obj{"name": "s", "labels": obj{"a": "b"}})
	if str(op, "operationType") != "createSnapshot" || !strings.HasSuffix(str(op, "targetLink"), "/disks/d") {
		t.Errorf("operation: %v", op)
	}
	const snapshot = "projects/p/global/snapshots/s"
	s := w.get(snapshot)
	if str(s, "status") != "READY" || str(s, "diskSizeGb") != "20" || !strings.HasSuffix(str(s, "sourceDisk"), disk) || w.backend.snapshots[ident(s)] != "d" {
		t.Errorf("snapshot: %v, copies %v", s, w.backend.snapshots)
	}
	w.made("POST", "projects/p/global/snapshots", obj{"name": "t", "sourceDisk": "zones/europe-west1-b/disks/d"})
	w.refused(409, "alreadyExists", "POST", "projects/p/global/snapshots", obj{"name": "s", "sourceDisk": "zones/europe-west1-b/disks/d"})
	w.refused(404, "notFound", "POST", zoneB+"disks/e/createSnapshot", obj{"name": "u"})
	w.made("DELETE", disk, nil)
	w.refused(400, "invalid", "POST", zoneB+"disks", obj{"name": "d2", "sizeGb": "10", "sourceSnapshot": "global/snapshots/s"})
	w.refused(404, "notFound", "POST", zoneB+"disks", obj{"name": "d2", "sourceSnapshot": "global/snapshots/none"})
	w.made("POST", zoneB+"disks", obj{"name": "d2", "sourceSnapshot": "global/snapshots/s"})
	if d := w.get(zoneB + "disks/d2"); str(d, "sizeGb") != "20" || str(d, "sourceSnapshotId") != str(s, "id") || w.backend.disks["d2"].Snapshot != ident(s) {
		t.Errorf("disk of a snapshot: %v, behind the API %+v", d, w.backend.disks["d2"])
	}
	w.made("DELETE", snapshot, nil) // disks made of it stay
	w.made("DELETE", "projects/p/global/snapshots/t", nil)
	if len(w.backend.snapshots) != 0 || w.s.Objects()["snapshots"] != 0 {
		t.Errorf("left: %v %v", w.backend.snapshots, w.s.Objects())
	}
	w.get(zoneB + "disks/d2")
}
