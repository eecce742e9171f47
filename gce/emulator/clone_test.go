package emulator

import (
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestDiskOfADisk: a disk is made of another one as it is, also while a machine has
// that one, and nothing else is left of it.
func TestDiskOfADisk(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "20", "type": "pd-ssd"})
	w.made("POST", zoneB+"instances", instance("m", nil))
	w.made("POST", zoneB+"instances/m/attachDisk", doc.Obj{"source": zoneB + "disks/d", "deviceName": "data"})
	w.made("POST", zoneB+"disks", doc.Obj{"name": "c", "sizeGb": "30", "type": "pd-ssd", "sourceDisk": doc.Base + zoneB + "disks/d"})
	o := w.get(zoneB + "disks/c")
	if doc.RefOf(doc.Str(o, "sourceDisk")) != zoneB+"disks/d" || o["sourceDiskId"] != w.get(zoneB + "disks/d")["id"] || doc.Str(o, "sizeGb") != "30" || doc.Str(o, "status") != "READY" {
		t.Errorf("the copy: %v", o)
	}
	if d := w.backend.disks["c"]; d.Snapshot == 0 || d.SizeGB != 30 || len(w.backend.snapshots) != 0 {
		t.Errorf("behind the API: %+v, and copies %v are left", d, w.backend.snapshots)
	}
	// Of a boot disk it boots.
	w.made("POST", zoneB+"disks", doc.Obj{"name": "boots", "sourceDisk": zoneB + "disks/m"})
	if d := w.backend.disks["boots"]; d.Snapshot == 0 || d.Image == "" {
		t.Errorf("a copy of a boot disk: %+v", d)
	}
	w.made("POST", zoneC+"disks", doc.Obj{"name": "elsewhere"})
	disks := zoneB + "disks"
	for _, c := range []struct {
		status int
		reason string
		body   doc.Obj
	}{
		{404, "notFound", doc.Obj{"sourceDisk": zoneB + "disks/none"}},
		{400, "invalid", doc.Obj{"sourceDisk": zoneC + "disks/elsewhere"}},
		{400, "invalid", doc.Obj{"sourceDisk": zoneB + "disks/d"}}, // of another type
		{400, "invalid", doc.Obj{"sourceDisk": zoneB + "disks/d", "type": "pd-ssd", "sizeGb": "10"}},
		{400, "badRequest", doc.Obj{"sourceDisk": zoneB + "disks/d", "type": "pd-ssd", "sourceImage": "projects/debian-cloud/global/images/family/debian-12"}},
	} {
		c.body["name"] = "x"
		w.refused(c.status, c.reason, "POST", disks, c.body)
	}
	w.made("POST", zoneB+"instances/m/detachDisk?deviceName=data", nil)
	w.made("DELETE", zoneB+"disks/d", nil)
	w.get(zoneB + "disks/c")
}

// TestDiskTypesOfRegions: disks of two zones have types, and what Google has more is
// said to be not written, and not that it is not there.
func TestDiskTypesOfRegions(t *testing.T) {
	w := newWorld(t)
	if l := doc.Objects(w.get(regionW+"diskTypes"), "items"); len(l) != 3 || doc.RefOf(doc.Str(l[0], "region")) != "projects/p/regions/europe-west1" {
		t.Errorf("types: %v", l)
	}
	if o := w.get(regionW + "diskTypes/pd-ssd"); doc.RefOf(doc.Str(o, "selfLink")) != regionW+"diskTypes/pd-ssd" || doc.Has(o, "zone") {
		t.Errorf("a type: %v", o)
	}
	for _, at := range []string{regionW, zoneB} {
		w.refused(400, "notImplemented", "GET", at+"diskTypes/hyperdisk-balanced", nil)
		w.refused(404, "notFound", "GET", at+"diskTypes/pd-floppy", nil)
	}
	w.refused(400, "notImplemented", "POST", regionW+"disks", doc.Obj{"name": "both"})
	if l := doc.Objects(w.get(regionW+"disks"), "items"); len(l) != 0 {
		t.Errorf("disks of two zones: %v", l)
	}
}
