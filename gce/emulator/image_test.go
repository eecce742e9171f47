package emulator

import (
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestImages makes images of disks, and machines of images.
func TestImages(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	m := w.machine("m")
	images := "projects/p/global/images"
	body := doc.Obj{"name": "mine", "family": "ours", "sourceDisk": zoneB + "disks/m", "labels": doc.Obj{"a": "b"}}
	w.refused(400, "resourceInUseByAnotherResource", "POST", images, body)
	w.made("POST", images+"?forceCreate=true", body)
	o := w.get(images + "/mine")
	if doc.Str(o, "status") != "READY" || doc.Str(o, "diskSizeGb") != "10" || !doc.Has(o, "licenses") || w.backend.snapshots[doc.ID(o)] != "m" {
		t.Errorf("image: %v, behind the API %v", o, w.backend.snapshots)
	}
	w.made("POST", m+"/stop", nil)
	w.made("POST", images, doc.Obj{"name": "newer", "family": "ours", "sourceDisk": zoneB + "disks/m"})
	if got := doc.Str(w.get(images+"/family/ours"), "name"); got != "newer" {
		t.Errorf("the newest of the family is %s", got)
	}
	if l := doc.Objects(w.get(images), "items"); len(l) != 2 {
		t.Errorf("images of the project: %v", l)
	}
	w.refused(409, "alreadyExists", "POST", images, body)
	w.refused(404, "notFound", "POST", images, doc.Obj{"name": "x", "sourceDisk": zoneB + "disks/none"})
	w.refused(400, "required", "POST", images, doc.Obj{"name": "x"})
	w.refused(400, "notImplemented", "POST", images, doc.Obj{"name": "x", "rawDisk": doc.Obj{"source": "gs://b/o"}})

	boot := []any{doc.Obj{"boot": true, "autoDelete": true, "initializeParams": doc.Obj{"sourceImage": "global/images/family/ours", "diskSizeGb": "20"}}}
	w.made("POST", zoneB+"instances", instance("n", doc.Obj{"disks": boot}))
	d := w.backend.disks["n"]
	if d.Snapshot != doc.ID(w.get(images+"/newer")) || d.Image != "newer" || d.SizeGB != 20 {
		t.Errorf("its disk: %+v", d)
	}
	if !doc.Has(w.get(zoneB+"disks/n"), "licenses") {
		t.Error("the licenses of the first image are lost")
	}
	w.refused(400, "invalid", "POST", zoneB+"disks", doc.Obj{"name": "small", "sizeGb": "5", "sourceImage": images + "/mine"})

	// The parts of a move to another zone: a snapshot of the boot disk, a disk of it there,
	// and a machine of that; or at once.
	w.made("POST", zoneB+"disks/m/createSnapshot", doc.Obj{"name": "moving"})
	const zoneC = "projects/p/zones/europe-west1-c/"
	w.made("POST", zoneC+"disks", doc.Obj{"name": "moved", "sourceSnapshot": "global/snapshots/moving"})
	if d := w.backend.disks["moved"]; d.Image == "" || d.Snapshot != doc.ID(w.get("projects/p/global/snapshots/moving")) {
		t.Errorf("the moved disk boots nothing: %+v", d)
	}
	w.made("DELETE", m, nil)
	there := doc.Obj{"machineType": "zones/europe-west1-c/machineTypes/n1-standard-1"}
	there["disks"] = []any{doc.Obj{"boot": true, "source": zoneC + "disks/moved"}}
	w.made("POST", zoneC+"instances", instance("m", there))
	there["disks"] = []any{doc.Obj{"boot": true, "initializeParams": doc.Obj{"sourceSnapshot": "global/snapshots/moving"}}}
	w.made("POST", zoneC+"instances", instance("again", there))
	if d := w.backend.disks["again"]; d.Image == "" || d.Snapshot == 0 {
		t.Errorf("a disk made with its machine: %+v", d)
	}

	// What does not boot does not because it was made an image of.
	w.made("POST", zoneB+"disks", doc.Obj{"name": "data", "sizeGb": "10"})
	w.made("POST", images, doc.Obj{"name": "data", "sourceDisk": zoneB + "disks/data"})
	w.made("POST", zoneB+"disks", doc.Obj{"name": "copy", "sourceImage": images + "/data"})
	if d := w.backend.disks["copy"]; d.Image != "" || d.Snapshot == 0 {
		t.Errorf("a copy of data: %+v", d)
	}
	w.made("DELETE", images+"/mine", nil)
	w.made("DELETE", images+"/newer", nil)
	w.made("DELETE", "projects/p/global/snapshots/moving", nil)
	if len(w.backend.snapshots) != 1 {
		t.Errorf("copies left behind the API: %v", w.backend.snapshots)
	}
	w.refused(404, "notFound", "DELETE", images+"/newer", nil)
}
