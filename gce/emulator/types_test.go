package emulator

import (
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestMachineTypesOfZones: a zone has what Google has there, sizes of one's own
// included, and what is of other series is told so.
func TestMachineTypesOfZones(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	const zone8 = "projects/p/zones/europe-west8-a/"
	names := func(zone string) (all string) {
		for _, o := range doc.Objects(w.get(zone+"machineTypes?maxResults=500"), "items") {
			all += " " + doc.Str(o, "name") + " "
		}
		return all
	}
	if l := names(zone8); strings.Contains(l, " n1-") || strings.Contains(l, " f1-") || !strings.Contains(l, " e2-small ") {
		t.Errorf("types of a zone without N1: %s", l)
	}
	if l := names(zoneB); !strings.Contains(l, " n1-standard-1 ") || !strings.Contains(l, " e2-small ") {
		t.Errorf("types of a zone with N1: %s", l)
	}
	w.refused(404, "notFound", "GET", zone8+"machineTypes/n1-standard-1", nil)
	w.refused(404, "notFound", "GET", zone8+"machineTypes/custom-2-4096", nil)
	sub := doc.Obj{"name": "s8", "network": "global/networks/default", "ipCidrRange": "10.41.0.0/22"}
	w.made("POST", "projects/p/regions/europe-west8/subnetworks", sub)
	nic := []any{doc.Obj{"subnetwork": "regions/europe-west8/subnetworks/s8"}}
	if m := w.refused(400, "invalid", "POST", zone8+"instances", instance("m", doc.Obj{"machineType": "zones/europe-west8-a/machineTypes/n1-standard-1", "networkInterfaces": nic})); !strings.Contains(m, "Machine type with name 'n1-standard-1' does not exist in zone 'europe-west8-a'.") {
		t.Error(m)
	}
	w.made("POST", zone8+"instances", instance("m", doc.Obj{"machineType": "zones/europe-west8-a/machineTypes/e2-small", "networkInterfaces": nic}))

	for name, want := range map[string][2]int64{
		"custom-2-4096": {2, 4096}, "n1-custom-1-1024": {1, 1024}, "e2-custom-4-8192": {4, 8192}, "n2-custom-4-65536-ext": {4, 65536},
		"n2-custom-3-4096": {}, "e2-custom-2-4097": {}, "n2-custom-2-65536": {}, "custom-0-0": {},
	} {
		status, o := w.send("GET", zoneB+"machineTypes/"+name, nil)
		if want[0] == 0 && status != 404 || want[0] != 0 && (doc.Num(o, "guestCpus") != want[0] || doc.Num(o, "memoryMb") != want[1]) {
			t.Errorf("%s: %d %v", name, status, o)
		}
	}
	w.made("POST", zoneB+"instances", instance("c", doc.Obj{"machineType": "zones/europe-west1-b/machineTypes/n2-custom-4-8192"}))
	for m := range w.backend.running {
		if m.Name == "c" && (w.backend.running[m].CPUs != 4 || w.backend.running[m].MemoryMB != 8192) {
			t.Errorf("behind the API: %+v", w.backend.running[m])
		}
	}
	for _, other := range []string{"c3-standard-4", "a2-highgpu-1g", "t2d-standard-1"} {
		w.refused(400, "notImplemented", "GET", zoneB+"machineTypes/"+other, nil)
		w.refused(400, "notImplemented", "POST", zoneB+"instances", instance("x", doc.Obj{"machineType": "zones/europe-west1-b/machineTypes/" + other}))
	}
}
