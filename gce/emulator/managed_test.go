package emulator

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/problem"
)

// TestGroupKeepsUp does to a managed group what befalls one: its template
// changes, a machine fails to start, one is preempted, the daemon dies.
func TestGroupKeepsUp(t *testing.T) {
	w := newWorld(t, func(o *api.Options) {
		o.After = func(time.Duration) <-chan time.Time { return time.After(time.Millisecond) }
		o.Now = skipping() // tries again without the wait of 10 s
	})
	w.subnet()
	w.template("old")
	w.template("new")
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 1, "instanceTemplate": "global/instanceTemplates/old"})
	w.stable("g", 1)

	w.made("POST", zoneB+"instanceGroupManagers/g/setInstanceTemplate", doc.Obj{"instanceTemplate": "global/instanceTemplates/new"})
	w.made("POST", zoneB+"instanceGroupManagers/g/resize?size=3", nil)
	w.stable("g", 3)
	if got := w.templatesOf("g"); got["old"] != 1 || got["new"] != 2 {
		t.Errorf("after a change of template and a resize: %v, want 1 old and 2 new", got)
	}
	_, rows := w.send("POST", zoneB+"instanceGroupManagers/g/listManagedInstances", nil)
	for _, row := range doc.Objects(rows, "managedInstances") {
		if strings.HasSuffix(doc.Str(doc.Sub(row, "version"), "instanceTemplate"), "/old") {
			w.made("POST", zoneB+"instanceGroupManagers/g/recreateInstances", doc.Obj{"instances": []any{row["instance"]}})
		}
	}
	w.stable("g", 3)
	if got := w.templatesOf("g"); got["new"] != 3 {
		t.Errorf("after recreateInstances: %v, want 3 new", got)
	}

	w.backend.mu.Lock()
	w.backend.fail = problem.New(500, "backendError", "INTERNAL_ERROR", "no power")
	w.backend.mu.Unlock()
	w.made("POST", zoneB+"instanceGroupManagers/g/resize?size=4", nil)
	w.stable("g", 4)

	w.reopen()
	if g := w.get(zoneB + "instanceGroupManagers/g"); doc.Num(g, "targetSize") != 4 {
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
	properties := instance("", doc.Obj{"machineType": "n1-standard-1", "scheduling": doc.Obj{"preemptible": true}})
	delete(properties, "name")
	properties["networkInterfaces"].([]any)[0].(doc.Obj)["subnetwork"] = regionW + "subnetworks/s"
	w.made("POST", "projects/p/global/instanceTemplates", doc.Obj{"name": "spot", "properties": properties})
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 2, "instanceTemplate": "global/instanceTemplates/spot"})
	w.stable("g", 2)
	one := w.backend.net().Machines[0]
	w.made("POST", zoneB+"instances/"+one.Name+"/simulateMaintenanceEvent", nil)
	w.anew(one)
	w.stable("g", 2)
}

// anew waits until a group has made a machine anew, under its name.
func (w *world) anew(old backend.Machine) {
	w.t.Helper()
	for {
		if _, o := w.send("GET", zoneB+"instances/"+old.Name, nil); doc.Str(o, "status") == "RUNNING" && doc.ID(o) != old.ID {
			return
		}
		if err := w.s.groups.Pass(w.t.Context()); err != nil {
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
	for _, o := range doc.Objects(w.get(zoneB+"instances"), "items") {
		meta := identity.MetadataMap(doc.Sub(o, "metadata"))
		if strings.HasSuffix(meta["created-by"], "/instanceGroupManagers/"+group) {
			out[doc.Ref(meta["instance-template"]).Name()]++
		}
	}
	return out
}

// TestMaintenance simulates the service of hosts under machines of each kind.
func TestMaintenance(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	for name, scheduling := range map[string]doc.Obj{
		"moved": nil, "restarted": {"onHostMaintenance": "TERMINATE"}, "ended": {"onHostMaintenance": "TERMINATE", "automaticRestart": false},
		"preempted": {"preemptible": true}, "spot": {"provisioningModel": "SPOT"},
	} {
		more := doc.Obj{}
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
		var event doc.Obj
		for _, op := range doc.Objects(w.get(zoneB+"operations"), "items") {
			if doc.Str(op, "user") == "system" && strings.HasSuffix(doc.Str(op, "targetLink"), "/"+name) {
				event = w.wait(op)
			}
		}
		if got := doc.Str(w.get(zoneB+"instances/"+name), "status"); got != want.status || doc.Str(event, "operationType") != want.event || doc.Has(event, "error") {
			t.Errorf("%s: is %s after %v, want %s after %s", name, got, event, want.status, want.event)
		}
	}
	if n := w.backend.starts - starts; n != 1 {
		t.Errorf("%d machines were started again, want 1", n)
	}
	w.refused(400, "resourceNotReady", "POST", zoneB+"instances/ended/simulateMaintenanceEvent", nil)
	w.refused(400, "badRequest", "POST", zoneB+"instances", instance("p", doc.Obj{"scheduling": doc.Obj{"preemptible": true, "automaticRestart": true}}))
	w.refused(400, "invalid", "POST", zoneB+"instances", instance("p", doc.Obj{"scheduling": doc.Obj{"preemptible": true, "onHostMaintenance": "MIGRATE"}}))
	if o := w.get(zoneB + "instances/spot"); doc.Bool(doc.Sub(o, "scheduling"), "automaticRestart") || doc.Str(doc.Sub(o, "scheduling"), "onHostMaintenance") != "TERMINATE" {
		t.Errorf("scheduling of a spot machine: %v", o["scheduling"])
	}
}

// TestSnapshots copies a disk, loses the original and makes another of the copy.
func TestSnapshots(t *testing.T) {
	w := newWorld(t)
	disk := zoneB + "disks/d"
	w.made("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "20"})
	op := w.made("POST", disk+"/createSnapshot?guestFlush=False", doc.Obj{"name": "s", "labels": doc.Obj{"a": "b"}})
	if doc.Str(op, "operationType") != "createSnapshot" || !strings.HasSuffix(doc.Str(op, "targetLink"), "/disks/d") {
		t.Errorf("operation: %v", op)
	}
	const snapshot = "projects/p/global/snapshots/s"
	s := w.get(snapshot)
	if doc.Str(s, "status") != "READY" || doc.Str(s, "diskSizeGb") != "20" || !strings.HasSuffix(doc.Str(s, "sourceDisk"), disk) || w.backend.snapshots[doc.ID(s)] != "d" {
		t.Errorf("snapshot: %v, copies %v", s, w.backend.snapshots)
	}
	w.made("POST", "projects/p/global/snapshots", doc.Obj{"name": "t", "sourceDisk": "zones/europe-west1-b/disks/d"})
	w.refused(409, "alreadyExists", "POST", "projects/p/global/snapshots", doc.Obj{"name": "s", "sourceDisk": "zones/europe-west1-b/disks/d"})
	w.refused(404, "notFound", "POST", zoneB+"disks/e/createSnapshot", doc.Obj{"name": "u"})
	w.made("DELETE", disk, nil)
	w.refused(400, "invalid", "POST", zoneB+"disks", doc.Obj{"name": "d2", "sizeGb": "10", "sourceSnapshot": "global/snapshots/s"})
	w.refused(404, "notFound", "POST", zoneB+"disks", doc.Obj{"name": "d2", "sourceSnapshot": "global/snapshots/none"})
	w.made("POST", zoneB+"disks", doc.Obj{"name": "d2", "sourceSnapshot": "global/snapshots/s"})
	if d := w.get(zoneB + "disks/d2"); doc.Str(d, "sizeGb") != "20" || doc.Str(d, "sourceSnapshotId") != doc.Str(s, "id") || w.backend.disks["d2"].Snapshot != doc.ID(s) {
		t.Errorf("disk of a snapshot: %v, behind the API %+v", d, w.backend.disks["d2"])
	}
	w.made("DELETE", snapshot, nil) // disks made of it stay
	w.made("DELETE", "projects/p/global/snapshots/t", nil)
	if len(w.backend.snapshots) != 0 || w.s.Objects()["snapshots"] != 0 {
		t.Errorf("left: %v %v", w.backend.snapshots, w.s.Objects())
	}
	w.get(zoneB + "disks/d2")
}

// TestNamedPortsOfManaged: they are set on the instance group, and shown by its
// manager; who is a member stays the manager's to say.
func TestNamedPortsOfManaged(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.template("t1")
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 0, "instanceTemplate": "global/instanceTemplates/t1"})
	w.made("POST", zoneB+"instanceGroups/g/setNamedPorts", doc.Obj{"namedPorts": []any{doc.Obj{"name": "http", "port": 80}}})
	for _, kind := range []string{"instanceGroups", "instanceGroupManagers"} {
		if l := doc.Objects(w.get(zoneB+kind+"/g"), "namedPorts"); len(l) != 1 || doc.Num(l[0], "port") != 80 {
			t.Errorf("%s has the ports %v", kind, l)
		}
	}
	w.refused(412, "conditionNotMet", "POST", zoneB+"instanceGroups/g/setNamedPorts", doc.Obj{"fingerprint": "stale_AA"})
	w.made("POST", zoneB+"instances", instance("m", nil))
	w.refused(400, "badRequest", "POST", zoneB+"instanceGroups/g/addInstances", doc.Obj{"instances": []any{doc.Obj{"instance": zoneB + "instances/m"}}})
	w.made("POST", zoneB+"instanceGroups/g/setNamedPorts", doc.Obj{"namedPorts": []any{}})
	if doc.Has(w.get(zoneB+"instanceGroupManagers/g"), "namedPorts") {
		t.Error("ports stay when they were taken away")
	}
}

// TestGroupsSideBySide: a large group keeps no other waiting, and what a group lacks is
// being created from the moment its size is accepted.
func TestGroupsSideBySide(t *testing.T) {
	var mu sync.Mutex
	var order []string
	stocked := false // zones have nothing until all groups are asked to grow
	w := newWorld(t, func(o *api.Options) {
		o.After = func(time.Duration) <-chan time.Time { return time.After(time.Millisecond) }
		o.Now = skipping()
		o.Stock = func(zone, _ string) bool {
			mu.Lock()
			defer mu.Unlock()
			if stocked {
				order = append(order, zone)
			}
			return stocked
		}
	})
	w.subnet()
	w.template("tmpl")
	const each = 80
	zones := []string{"europe-west1-b", "europe-west1-c", "europe-west1-d"}
	for _, z := range zones {
		w.made("POST", "projects/p/zones/"+z+"/instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 0, "instanceTemplate": "global/instanceTemplates/tmpl"})
	}
	for _, z := range zones { // accepted, and not waited for
		at := "projects/p/zones/" + z + "/instanceGroupManagers/g"
		if status, o := w.send("POST", at+"/resize?size="+strconv.Itoa(each), nil); status != 200 {
			t.Fatalf("%d %v", status, o)
		}
		actions := doc.Sub(w.get(at), "currentActions")
		if n := doc.Num(actions, "creating") + doc.Num(actions, "none"); n != each {
			t.Errorf("of %d machines just asked for: %v", each, actions)
		}
	}
	mu.Lock()
	stocked = true
	mu.Unlock()
	w.stable("g", each)
	for _, z := range zones {
		at := "projects/p/zones/" + z + "/instanceGroupManagers/g"
		for !doc.Bool(doc.Sub(w.get(at), "status"), "isStable") {
			time.Sleep(5 * time.Millisecond)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	// One after the other, a group would come to its end before the next begins.
	ends := map[string]int{}
	for i, z := range order {
		ends[z] = i
	}
	first := ""
	for _, z := range zones {
		if first == "" || ends[z] < ends[first] {
			first = z
		}
	}
	for _, z := range zones {
		if slices.Index(order, z) > ends[first] {
			t.Errorf("zone %s waited until that of %s was done", z, first)
		}
	}
}

// TestNamedMembers: a group makes machines under the names it is given and grows by them,
// all or none of them; what it does not have is passed over where that is asked for.
func TestNamedMembers(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.template("tmpl")
	const group = zoneB + "instanceGroupManagers/g"
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 1, "instanceTemplate": "global/instanceTemplates/tmpl"})
	w.stable("g", 1)
	named := func(names ...string) doc.Obj {
		var list []any
		for _, n := range names {
			list = append(list, doc.Obj{"name": n})
		}
		return doc.Obj{"instances": list}
	}
	w.made("POST", group+"/createInstances", named("g-aaaa", "g-bbbb"))
	w.stable("g", 3)
	for _, name := range []string{"g-aaaa", "g-bbbb"} {
		if s := doc.Str(w.get(zoneB+"instances/"+name), "status"); s != "RUNNING" {
			t.Errorf("%s is %q", name, s)
		}
	}
	w.refused(409, "alreadyExists", "POST", group+"/createInstances", named("g-cccc", "g-aaaa"))
	w.refused(400, "invalid", "POST", group+"/createInstances", named("No_Name"))
	w.refused(400, "required", "POST", group+"/createInstances", doc.Obj{})
	if n := doc.Num(w.get(group), "targetSize"); n != 3 {
		t.Errorf("after what was refused it is to have %d", n)
	}
	links := doc.Obj{"instances": []any{"zones/europe-west1-b/instances/g-aaaa", "zones/europe-west1-b/instances/nobody"}}
	w.refused(400, "invalid", "POST", group+"/deleteInstances", links)
	links["skipInstancesOnValidationError"] = true
	w.made("POST", group+"/deleteInstances", links)
	w.stable("g", 2)
	w.refused(404, "notFound", "GET", zoneB+"instances/g-aaaa", nil)
}
