package emulator

import (
	"testing"

	"hakube/gce/emulator/internal/doc"
)

func TestInstanceLife(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", regionW+"addresses", doc.Obj{"name": "m-ip"})
	ip := doc.Str(w.get(regionW+"addresses/m-ip"), "address")
	w.made("POST", zoneB+"disks", doc.Obj{"name": "m-pd", "sizeGb": "20", "type": "zones/europe-west1-b/diskTypes/pd-ssd"})
	w.made("POST", zoneB+"instances", instance("m", doc.Obj{
		"tags": doc.Obj{"items": []any{"m"}}, "labels": doc.Obj{"hakube-cluster": "kubernetes"}, "description": "hakube",
		"disks": []any{
			doc.Obj{"boot": true, "autoDelete": true, "initializeParams": doc.Obj{"sourceImage": "projects/debian-cloud/zones/-/imageFamilyViews/debian-12", "diskSizeGb": "20"}},
			doc.Obj{"source": "zones/europe-west1-b/disks/m-pd", "deviceName": "master-pd", "autoDelete": false},
		},
		"networkInterfaces": []any{doc.Obj{"subnetwork": regionW + "subnetworks/s", "accessConfigs": []any{doc.Obj{"natIP": ip, "name": "external-nat"}}}},
	}))
	o := w.get(zoneB + "instances/m")
	if doc.Str(o, "status") != "RUNNING" || doc.Str(doc.Objects(doc.Objects(o, "networkInterfaces")[0], "accessConfigs")[0], "natIP") != ip {
		t.Fatalf("instance: %v", o)
	}
	if n := w.backend.net(); len(n.Machines) != 1 || n.Machines[0].NIC.External.String() != ip || n.Machines[0].Disks[1].Device != "master-pd" {
		t.Fatalf("network: %+v", n)
	}
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", zoneB+"disks/m-pd", nil)
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", regionW+"addresses/m-ip", nil)
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", regionW+"subnetworks/s", nil)
	w.refused(409, "alreadyExists", "POST", zoneB+"instances", instance("m", nil))
	w.made("DELETE", zoneB+"instances/m", nil)
	w.refused(404, "notFound", "GET", zoneB+"instances/m", nil)
	w.refused(404, "notFound", "GET", zoneB+"disks/m", nil)
	if d := w.get(zoneB + "disks/m-pd"); doc.Has(d, "users") || doc.Str(d, "status") != "READY" {
		t.Errorf("data disk after the machine: %v", d)
	}
	if a := w.get(regionW + "addresses/m-ip"); doc.Str(a, "status") != "RESERVED" {
		t.Errorf("address after the machine: %v", a)
	}
}

func TestGroupLife(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	body := instance("x", nil)
	delete(body, "name")
	body["machineType"] = "n1-standard-1"
	body["networkInterfaces"].([]any)[0].(doc.Obj)["subnetwork"] = regionW + "subnetworks/s"
	w.made("POST", "projects/p/global/instanceTemplates", doc.Obj{"name": "tmpl", "properties": body})
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "baseInstanceName": "g", "targetSize": 3, "instanceTemplate": "global/instanceTemplates/tmpl"})
	w.stable("g", 3)
	w.made("POST", zoneB+"instanceGroupManagers/g/resize?size=1", nil)
	w.stable("g", 1)
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", "projects/p/global/instanceTemplates/tmpl", nil)
	w.made("DELETE", zoneB+"instanceGroupManagers/g", nil)
	w.made("DELETE", "projects/p/global/instanceTemplates/tmpl", nil)
	w.made("DELETE", regionW+"subnetworks/s", nil)
	w.made("DELETE", "projects/p/global/networks/default", nil)
	if n := w.s.Objects(); len(n) != 0 {
		t.Errorf("left: %v %+v", n, w.s.Snapshot())
	}
}

// stable waits until a group has its machines.
func (w *world) stable(name string, n int) {
	w.t.Helper()
	for {
		if doc.Bool(doc.Sub(w.get(zoneB+"instanceGroupManagers/"+name), "status"), "isStable") {
			break
		}
		if err := w.s.groups.Pass(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	_, o := w.send("POST", zoneB+"instanceGroupManagers/"+name+"/listManagedInstances", nil)
	if got := len(doc.List(o, "managedInstances")); got != n {
		w.t.Fatalf("group of %d, want %d: %v", got, n, o)
	}
}
