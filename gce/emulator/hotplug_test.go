package emulator

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/doc"
)

// TestDisksOfARunningMachine attaches, grows and detaches under a machine that runs:
// what is behind the API has it when the operation is done.
func TestDisksOfARunningMachine(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	m := w.machine("m")
	w.made("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "10"})
	has := func(want ...string) {
		t.Helper()
		var devices []string
		for _, x := range w.backend.running {
			for _, a := range x.Disks[1:] {
				devices = append(devices, a.Device)
			}
		}
		if len(devices) != len(want) || len(want) > 0 && devices[0] != want[0] {
			t.Errorf("the machine has %v, want %v", devices, want)
		}
	}
	w.made("POST", m+"/attachDisk", doc.Obj{"source": zoneB + "disks/d", "deviceName": "more"})
	has("more")
	if users := doc.Strings(w.get(zoneB+"disks/d"), "users"); len(users) != 1 {
		t.Errorf("users: %v", users)
	}
	w.refused(400, "invalid", "POST", m+"/attachDisk", doc.Obj{"source": zoneB + "disks/d", "boot": true})
	w.refused(400, "resourceInUseByAnotherResource", "POST", m+"/attachDisk", doc.Obj{"source": zoneB + "disks/d"})

	w.made("POST", zoneB+"disks/d/resize", doc.Obj{"sizeGb": "30"})
	if w.backend.disks["d"].SizeGB != 30 || doc.Str(doc.Objects(w.get(m), "disks")[1], "diskSizeGb") != "30" {
		t.Errorf("after a resize: %v, shown %v", w.backend.disks["d"], doc.Objects(w.get(m), "disks")[1])
	}
	w.refused(400, "invalid", "POST", zoneB+"disks/d/resize", doc.Obj{"sizeGb": "30"})
	w.refused(400, "required", "POST", zoneB+"disks/d/resize", doc.Obj{})

	// What the guest has mounted stays, on both sides.
	w.backend.fail = backend.InUseError{Device: "more"}
	op := w.do("POST", m+"/detachDisk?deviceName=more", nil)
	if e := doc.Objects(doc.Sub(op, "error"), "errors"); len(e) != 1 || doc.Str(e[0], "code") != "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE" {
		t.Errorf("detaching what is mounted: %v", op["error"])
	}
	has("more")
	w.made("POST", m+"/detachDisk?deviceName=more", nil)
	has()
	w.refused(400, "invalid", "POST", m+"/detachDisk?deviceName=more", nil)
	w.refused(400, "badRequest", "POST", m+"/detachDisk?deviceName=persistent-disk-0", nil)
	if doc.Has(w.get(zoneB+"disks/d"), "users") {
		t.Error("a detached disk has users")
	}

	// A disk that the machine cannot have is nobody's again.
	w.backend.fail = errors.New("no room")
	if op := w.do("POST", m+"/attachDisk", doc.Obj{"source": zoneB + "disks/d"}); !doc.Has(op, "error") {
		t.Error("attaching succeeds though the machine cannot")
	}
	has()
	w.made("DELETE", zoneB+"disks/d", nil)

	// Indexes are given anew, names too.
	for _, d := range []string{"a", "b", "c"} {
		w.made("POST", zoneB+"disks", doc.Obj{"name": d, "sizeGb": "10"})
		w.made("POST", m+"/attachDisk", doc.Obj{"source": zoneB + "disks/" + d})
	}
	w.made("POST", m+"/detachDisk?deviceName=persistent-disk-2", nil)
	w.made("POST", m+"/attachDisk", doc.Obj{"source": zoneB + "disks/b"})
	seen := map[int64]bool{}
	for _, a := range doc.Objects(w.get(m), "disks") {
		seen[doc.Num(a, "index")] = true
	}
	if len(seen) != 4 {
		t.Errorf("indexes: %v", seen)
	}
}

// TestDiskUpdate changes what update can, by a mask and without.
func TestDiskUpdate(t *testing.T) {
	w := newWorld(t)
	w.made("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "10", "labels": doc.Obj{"a": "b"}, "description": "x"})
	w.made("PATCH", zoneB+"disks/d?paths=labels&paths=architecture", doc.Obj{"labels": doc.Obj{"c": "d"}, "architecture": "ARM64", "description": "y"})
	o := w.get(zoneB + "disks/d")
	if doc.StringMap(o, "labels")["c"] != "d" || doc.Str(o, "architecture") != "ARM64" || doc.Str(o, "description") != "x" {
		t.Errorf("updated by paths: %v", o)
	}
	w.made("PATCH", zoneB+"disks/d?updateMask=sizeGb,description", doc.Obj{"name": "d", "sizeGb": "20", "description": "z"})
	o = w.get(zoneB + "disks/d")
	if doc.Str(o, "sizeGb") != "20" || doc.Str(o, "description") != "z" || w.backend.disks["d"].SizeGB != 20 {
		t.Errorf("updated by a mask: %v", o)
	}
	w.refused(400, "invalid", "PATCH", zoneB+"disks/d?paths=status", doc.Obj{"name": "d"})
	w.refused(400, "notImplemented", "PATCH", zoneB+"disks/d", doc.Obj{"provisionedIops": "3000"})
	w.refused(400, "invalid", "PATCH", zoneB+"disks/d", doc.Obj{"sizeGb": "10"})
}

// TestSuspend: a suspended machine stands still and keeps what it has.
func TestSuspend(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	m := w.machine("m")
	before := w.nic0("m")
	asleep := func() int { w.backend.mu.Lock(); defer w.backend.mu.Unlock(); return len(w.backend.asleep) }
	w.refused(400, "badRequest", "POST", m+"/resume", nil)
	w.made("POST", m+"/suspend", nil)
	o := w.get(m)
	if doc.Str(o, "status") != "SUSPENDED" || asleep() != 1 || !doc.Has(o, "lastSuspendedTimestamp") {
		t.Errorf("suspended: %s, %d asleep", doc.Str(o, "status"), asleep())
	}
	w.refused(400, "resourceNotReady", "POST", m+"/reset", nil)
	w.refused(400, "resourceNotReady", "POST", m+"/start", nil)
	w.refused(400, "resourceNotReady", "POST", m+"/attachDisk", doc.Obj{"source": zoneB + "disks/d"})
	w.reopen() // it sleeps on
	if asleep() != 1 {
		t.Error("a restart of the daemon wakes machines")
	}
	w.made("POST", m+"/resume", nil)
	if doc.Str(w.get(m), "status") != "RUNNING" || asleep() != 0 || w.backend.starts != 1 || doc.Str(w.nic0("m"), "networkIP") != doc.Str(before, "networkIP") {
		t.Errorf("resumed: %s, %d asleep, started %d times", doc.Str(w.get(m), "status"), asleep(), w.backend.starts)
	}
	w.made("POST", m+"/suspend", nil)
	w.made("POST", m+"/stop", nil)
	if doc.Str(w.get(m), "status") != "TERMINATED" || asleep() != 0 {
		t.Errorf("stopped: %s, %d asleep", doc.Str(w.get(m), "status"), asleep())
	}
	w.refused(400, "resourceNotReady", "POST", m+"/suspend", nil)
	w.made("POST", m+"/start", nil)
	w.made("POST", m+"/suspend", nil)
	w.made("DELETE", m, nil)
}

// TestServiceAccount: a stopped machine gets another one, which its metadata shows.
func TestServiceAccount(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	m := w.machine("m")
	w.refused(400, "badRequest", "POST", m+"/setServiceAccount", doc.Obj{"email": "x@y"})
	w.made("POST", m+"/stop", nil)
	w.made("POST", m+"/setServiceAccount", doc.Obj{"email": "default", "scopes": []any{"https://www.googleapis.com/auth/compute"}})
	sa := doc.Objects(w.get(m), "serviceAccounts")
	if len(sa) != 1 || doc.Str(sa[0], "email") == "default" || len(doc.Strings(sa[0], "scopes")) != 1 {
		t.Errorf("service accounts: %v", sa)
	}
	w.refused(400, "invalid", "POST", m+"/setServiceAccount", doc.Obj{"scopes": []any{"x"}})
	w.made("POST", m+"/setServiceAccount", doc.Obj{})
	if doc.Has(w.get(m), "serviceAccounts") {
		t.Error("service accounts stay when they were taken away")
	}
}

// TestMostDisks: a machine takes as many disks as its type says, the boot disk among them;
// of one more the operation fails in Google's words, and the disk is nobody's.
func TestMostDisks(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	small := instance("m", nil)
	small["machineType"] = zoneB + "machineTypes/e2-small"
	w.made("POST", zoneB+"instances", small)
	m := zoneB + "instances/m"
	for i := range 16 {
		d := fmt.Sprintf("d%d", i)
		w.made("POST", zoneB+"disks", doc.Obj{"name": d, "sizeGb": "10"})
		if i < 15 {
			w.made("POST", m+"/attachDisk", doc.Obj{"source": zoneB + "disks/" + d})
		}
	}
	op := w.do("POST", m+"/attachDisk", doc.Obj{"source": zoneB + "disks/d15"})
	e := doc.Objects(doc.Sub(op, "error"), "errors")
	if len(e) != 1 || doc.Str(e[0], "code") != "LIMIT_EXCEEDED" || !strings.HasPrefix(doc.Str(e[0], "message"), "Exceeded limit 'maximum_persistent_disks' on resource 'projects/") ||
		!strings.HasSuffix(doc.Str(e[0], "message"), "/instances/m'. Limit: 16") {
		t.Errorf("one more: %v", op["error"])
	}
	if n := len(doc.Objects(w.get(m), "disks")); n != 16 || doc.Has(w.get(zoneB+"disks/d15"), "users") {
		t.Errorf("the machine has %d disks, the one more is %v", n, w.get(zoneB+"disks/d15"))
	}
	w.made("POST", m+"/detachDisk?deviceName="+doc.Str(doc.Objects(w.get(m), "disks")[3], "deviceName"), nil)
	w.made("POST", m+"/attachDisk", doc.Obj{"source": zoneB + "disks/d15"})
}
