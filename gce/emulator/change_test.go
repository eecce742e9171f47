package emulator

import (
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
)

// nic0 of an instance as the API shows it.
func (w *world) nic0(name string) doc.Obj {
	w.t.Helper()
	return doc.Objects(w.get(zoneB+"instances/"+name), "networkInterfaces")[0]
}

func natIP(nic doc.Obj) string {
	for _, ac := range doc.Objects(nic, "accessConfigs") {
		return doc.Str(ac, "natIP")
	}
	return ""
}

// TestAddressesMoveOn makes a machine twice: nobody may count on the second
// having the addresses of the first.
func TestAddressesMoveOn(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"instances", instance("m", nil))
	first := w.nic0("m")
	if doc.Str(first, "networkIP") != "10.40.0.2" || doc.Str(doc.Objects(first, "aliasIpRanges")[0], "ipCidrRange") != "10.64.0.0/24" || natIP(first) != "198.51.100.1" {
		t.Errorf("first machine: %v", first)
	}
	w.made("DELETE", zoneB+"instances/m", nil)
	w.made("POST", zoneB+"instances", instance("m", nil))
	second := w.nic0("m")
	for _, k := range []string{"networkIP", "aliasIpRanges", "accessConfigs"} {
		if s, ok := first[k].(string); ok && s == second[k] {
			t.Errorf("%s again %v", k, first[k])
		}
	}
	if natIP(first) == natIP(second) || doc.Str(doc.Objects(second, "aliasIpRanges")[0], "ipCidrRange") != "10.64.1.0/24" {
		t.Errorf("second machine: %v", second)
	}
}

// TestAliasOfPrimaryRange: parts of a subnetwork's own range are given out as aliases, but
// for what has one of Google's four addresses.
func TestAliasOfPrimaryRange(t *testing.T) {
	w := newWorld(t)
	w.made("POST", "projects/p/global/networks", doc.Obj{"name": "small", "autoCreateSubnetworks": false})
	w.made("POST", regionW+"subnetworks", doc.Obj{"name": "tiny", "network": "global/networks/small", "ipCidrRange": "10.41.0.0/28"})
	with := func(name, alias string) doc.Obj {
		return instance(name, doc.Obj{"networkInterfaces": []any{doc.Obj{
			"subnetwork": "regions/europe-west1/subnetworks/tiny", "aliasIpRanges": []any{doc.Obj{"ipCidrRange": alias}},
		}}})
	}
	for _, x := range []struct{ name, asked, want string }{{"a", "/30", "10.41.0.4/30"}, {"b", "/32", "10.41.0.3/32"}, {"c", "/30", "10.41.0.8/30"}} {
		w.made("POST", zoneB+"instances", with(x.name, x.asked))
		if got := doc.Str(doc.Objects(w.nic0(x.name), "aliasIpRanges")[0], "ipCidrRange"); got != x.want {
			t.Errorf("%s of %s: %s, want %s", x.asked, x.name, got, x.want)
		}
	}
	for _, reserved := range []string{"10.41.0.0/32", "10.41.0.1/32", "10.41.0.14/32", "10.41.0.15/32"} {
		w.refused(400, "invalid", "POST", zoneB+"instances", with("d", reserved))
	}
}

// TestReservedAddressMoves is the way of the API's address to another user:
// it is taken until its access config is gone, then anyone's.
func TestReservedAddressMoves(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", regionW+"addresses", doc.Obj{"name": "m-ip", "labels": doc.Obj{"a": "b"}})
	ip := doc.Str(w.get(regionW+"addresses/m-ip"), "address")
	with := func(natIP string) doc.Obj {
		return doc.Obj{"networkInterfaces": []any{doc.Obj{"subnetwork": regionW + "subnetworks/s", "accessConfigs": []any{doc.Obj{"natIP": natIP, "name": "external-nat"}}}}}
	}
	w.made("POST", zoneB+"instances", instance("a", with(doc.Base+regionW+"addresses/m-ip")))
	if natIP(w.nic0("a")) != ip {
		t.Errorf("address by reference: %v", w.nic0("a"))
	}
	o := w.get(regionW + "addresses/m-ip")
	if doc.Str(o, "status") != "IN_USE" || doc.Strings(o, "users")[0] != doc.Base+zoneB+"instances/a" {
		t.Errorf("address in use: %v", o)
	}
	w.refused(400, "invalid", "POST", zoneB+"instances", instance("b", with(ip)))
	w.refused(400, "invalid", "POST", zoneB+"instances", instance("b", with("198.51.100.77")))
	w.made("POST", zoneB+"instances", instance("b", with("")))
	add := zoneB + "instances/b/addAccessConfig?networkInterface=nic0"
	w.refused(400, "badRequest", "POST", add, doc.Obj{"natIP": ip}) // has one
	w.made("POST", zoneB+"instances/b/deleteAccessConfig?networkInterface=nic0&accessConfig=external-nat", nil)
	w.refused(400, "invalid", "POST", add, doc.Obj{"natIP": ip}) // is a's
	w.made("POST", zoneB+"instances/a/deleteAccessConfig?networkInterface=nic0&accessConfig=external-nat", nil)
	if o := w.get(regionW + "addresses/m-ip"); doc.Str(o, "status") != "RESERVED" || doc.Has(o, "users") {
		t.Errorf("address let go: %v", o)
	}
	w.made("POST", add, doc.Obj{"natIP": ip, "name": "external-nat"})
	for _, m := range w.backend.net().Machines {
		if want := map[string]string{"b": ip}[m.Name]; m.NIC.External.IsValid() != (want != "") || want != "" && m.NIC.External.String() != want {
			t.Errorf("%s behind the API has %v", m.Name, m.NIC.External)
		}
	}
	w.made("POST", zoneB+"instances/b/stop", nil)
	if natIP(w.nic0("b")) != ip {
		t.Error("a stopped machine lost its reserved address")
	}
	// Its labels are a lock: compare and swap.
	o = w.get(regionW + "addresses/m-ip")
	set := doc.Obj{"labels": doc.Obj{"holder": "me"}, "labelFingerprint": o["labelFingerprint"]}
	w.made("POST", regionW+"addresses/m-ip/setLabels", set)
	w.refused(412, "conditionNotMet", "POST", regionW+"addresses/m-ip/setLabels", set)
}

func TestInternalAddress(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", regionW+"addresses", doc.Obj{"name": "inner", "addressType": "INTERNAL", "subnetwork": "regions/europe-west1/subnetworks/s", "address": "10.40.0.9"})
	nic := func(ip string) doc.Obj {
		return doc.Obj{"networkInterfaces": []any{doc.Obj{"subnetwork": regionW + "subnetworks/s", "networkIP": ip}}}
	}
	w.made("POST", zoneB+"instances", instance("a", nic("10.40.0.9")))
	w.refused(400, "resourceInUseByAnotherResource", "POST", zoneB+"instances", instance("b", nic("10.40.0.9")))
	w.made("POST", zoneB+"instances", instance("b", nic("10.40.0.3")))
	w.refused(409, "alreadyExists", "POST", zoneB+"instances", instance("c", nic("10.40.0.3")))
	for _, ip := range []string{"10.40.0.0", "10.40.0.1", "10.40.3.254", "10.40.3.255", "10.41.0.5"} {
		w.refused(400, "invalid", "POST", zoneB+"instances", instance("c", nic(ip)))
	}
	w.made("DELETE", zoneB+"instances/a", nil)
	w.made("DELETE", regionW+"addresses/inner", nil)
}

func TestDisksComeAndGo(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "20"})
	w.made("POST", zoneB+"instances", instance("m", nil))
	w.made("POST", zoneB+"instances/m/stop", nil)
	w.made("POST", zoneB+"instances/m/attachDisk", doc.Obj{"source": zoneB + "disks/d", "deviceName": "data"})
	w.refused(400, "resourceInUseByAnotherResource", "POST", zoneB+"instances", instance("n", doc.Obj{"disks": []any{doc.Obj{"boot": true, "source": "zones/europe-west1-b/disks/d"}}}))
	w.made("POST", zoneB+"instances/m/start", nil)
	w.made("POST", zoneB+"instances/m/reset", nil)
	if m := w.backend.net().Machines[0]; len(m.Disks) != 2 || m.Disks[1].Device != "data" || m.Disks[1].SizeGB != 20 {
		t.Errorf("disks behind the API: %+v", m.Disks)
	}
	w.made("POST", zoneB+"instances/m/setDiskAutoDelete?deviceName=persistent-disk-0&autoDelete=false", nil)
	w.made("POST", zoneB+"instances/m/setDiskAutoDelete?deviceName=data&autoDelete=true", nil)
	w.refused(400, "invalid", "POST", zoneB+"instances/m/setDiskAutoDelete?deviceName=x&autoDelete=true", nil)
	w.made("DELETE", zoneB+"instances/m", nil)
	w.refused(404, "notFound", "GET", zoneB+"disks/d", nil)
	// The boot disk stayed, and boots another machine.
	w.made("POST", zoneB+"instances", instance("m", doc.Obj{"disks": []any{doc.Obj{"boot": true, "source": "zones/europe-west1-b/disks/m"}}}))
	w.made("POST", zoneB+"instances/m/stop", nil)
	w.made("POST", zoneB+"instances/m/detachDisk?deviceName=persistent-disk-0", nil)
	w.made("DELETE", zoneB+"disks/m", nil)
	w.refused(404, "notFound", "POST", zoneB+"disks", doc.Obj{"name": "e", "sourceImage": "projects/debian-cloud/global/images/family/debian-1"})
	w.refused(400, "invalid", "POST", zoneB+"disks", doc.Obj{"name": "e", "type": "pd-floppy"})
	w.made("POST", zoneB+"disks", doc.Obj{"name": "e"})
	if s := doc.Str(w.get(zoneB+"disks/e"), "sizeGb"); s != "500" {
		t.Errorf("size when none is asked for: %s", s)
	}
}

func TestProtection(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"instances", instance("m", doc.Obj{"deletionProtection": true}))
	w.refused(400, "badRequest", "DELETE", zoneB+"instances/m", nil)
	w.made("POST", zoneB+"instances/m/setDeletionProtection?deletionProtection=false", nil)
	w.refused(400, "badRequest", "POST", zoneB+"instances/m/setMachineType", doc.Obj{"machineType": "zones/europe-west1-b/machineTypes/n1-standard-2"})
	id := doc.Str(w.get(zoneB+"instances/m"), "id")
	w.made("POST", zoneB+"instances/"+id+"/stop", nil) // by its number
	w.made("POST", zoneB+"instances/m/setMachineType", doc.Obj{"machineType": "zones/europe-west1-b/machineTypes/n1-standard-2"})
	w.made("DELETE", zoneB+"instances/m", nil)
}

func TestAutomaticNetwork(t *testing.T) {
	w := newWorld(t)
	w.made("POST", "projects/p/global/networks", doc.Obj{"name": "default"})
	if s := doc.Str(w.get("projects/p/regions/us-central1/subnetworks/default"), "ipCidrRange"); s != "10.128.0.0/20" {
		t.Errorf("range in us-central1: %s", s)
	}
	w.made("POST", zoneB+"instances", instance("m", doc.Obj{"networkInterfaces": []any{doc.Obj{}}}))
	if ip := doc.Str(w.nic0("m"), "networkIP"); ip != "10.132.0.2" {
		t.Errorf("address: %s", ip)
	}
	w.refused(400, "badRequest", "DELETE", regionW+"subnetworks/default", nil)
}

// TestRangesOfSubnetworks: a range that leads elsewhere, or nowhere, is refused.
func TestRangesOfSubnetworks(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"instances", instance("hop", doc.Obj{}))
	w.made("POST", "projects/p/global/routes", doc.Obj{"name": "vpn", "network": "global/networks/default", "destRange": "10.250.1.0/24", "priority": 900, "nextHopInstance": "zones/europe-west1-b/instances/hop"})
	w.made("POST", "projects/p/global/networks", doc.Obj{"name": "auto"})
	for _, x := range []struct{ network, ip, says string }{
		{"default", "10.250.0.0/16", "conflicts with existing route 'vpn'"},
		{"default", "10.250.1.0/24", "conflicts with existing route 'vpn'"},
		{"default", "169.254.1.0/24", "reserved range 169.254.0.0/16"},
		{"auto", "10.200.0.0/16", "conflicts with the range 10.128.0.0/9"},
	} {
		m := w.refused(400, "invalid", "POST", regionW+"subnetworks", doc.Obj{"name": "x", "network": "global/networks/" + x.network, "ipCidrRange": x.ip})
		if !strings.Contains(m, x.says) {
			t.Errorf("%s in %s: %s", x.ip, x.network, m)
		}
	}
	w.made("POST", regionW+"subnetworks", doc.Obj{"name": "x", "network": "global/networks/default", "ipCidrRange": "10.250.1.128/25"}) // narrower than the route
}

func TestGroupMembers(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.template("tmpl")
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "baseInstanceName": "n", "targetSize": 3, "versions": []any{doc.Obj{"instanceTemplate": "global/instanceTemplates/tmpl"}}})
	w.stable("g", 3)
	group := w.get(zoneB + "instanceGroups/g")
	if doc.Num(group, "size") != 3 {
		t.Errorf("mirrored group: %v", group)
	}
	_, members := w.send("POST", zoneB+"instanceGroups/g/listInstances", doc.Obj{"instanceState": "RUNNING"})
	if len(doc.List(members, "items")) != 3 {
		t.Fatalf("instances of the group: %v", members)
	}
	one := doc.RefOf(doc.Str(doc.Objects(members, "items")[0], "instance"))
	w.refused(400, "badRequest", "POST", string(one)+"/setDeletionProtection?deletionProtection=true", nil)
	o := w.get(string(one))
	meta := identity.MetadataMap(doc.Sub(o, "metadata"))
	if !strings.HasSuffix(meta["created-by"], "/zones/europe-west1-b/instanceGroupManagers/g") || !strings.HasSuffix(meta["instance-template"], "/global/instanceTemplates/tmpl") {
		t.Errorf("metadata of a member: %v", meta)
	}
	w.made("DELETE", string(one), nil) // behind the group's back
	w.stable("g", 3)
	if again := w.get(string(one)); again["id"] == o["id"] {
		t.Error("the group did not make its machine anew")
	}
	w.made("POST", zoneB+"instanceGroupManagers/g/recreateInstances", doc.Obj{"instances": []any{one.Link()}})
	w.stable("g", 3)
	w.made("POST", zoneB+"instanceGroupManagers/g/deleteInstances", doc.Obj{"instances": []any{one.Link()}})
	w.stable("g", 2)
	w.refused(404, "notFound", "GET", string(one), nil)
	w.made("PATCH", zoneB+"instanceGroupManagers/g", doc.Obj{"targetSize": 4})
	w.stable("g", 4)
	w.refused(400, "notImplemented", "PATCH", zoneB+"instanceGroupManagers/g", doc.Obj{"standbyPolicy": doc.Obj{"mode": "SCALE_OUT_POOL"}})
	if agg := doc.Sub(doc.Sub(w.get("projects/p/aggregated/instanceGroupManagers"), "items"), "zones/europe-west1-b"); len(doc.Objects(agg, "instanceGroupManagers")) != 1 {
		t.Errorf("aggregated: %v", agg)
	}
	if n := w.s.Objects(); n["instances"] != 4 || n["disks"] != 4 || n["instanceGroupManagers"] != 1 || n["instanceGroups"] != 0 {
		t.Errorf("objects: %v", n)
	}
	w.made("DELETE", zoneB+"instanceGroupManagers/g", nil)
	if n := w.s.Objects(); n["instances"] != 0 || n["disks"] != 0 {
		t.Errorf("objects after the group: %v", n)
	}
}

func TestCatalog(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		"projects/p/zones", "projects/p/zones/us-central1-f", "projects/p/regions", "projects/p/regions/europe-west4",
		zoneB + "machineTypes", zoneB + "machineTypes/e2-small", "projects/p/aggregated/machineTypes", zoneB + "diskTypes", zoneB + "diskTypes/pd-balanced", zoneB + "acceleratorTypes", zoneB + "acceleratorTypes/nvidia-tesla-t4",
		"projects/debian-cloud/global/images", "projects/debian-cloud/global/images/debian-12-bookworm-v20250610",
		"projects/debian-cloud/global/images/family/debian-12", "projects/debian-cloud/zones/-/imageFamilyViews/debian-12",
		"projects/debian-cloud/zones/europe-west1-b/imageFamilyViews/debian-12", "projects/p/global/images", "projects/p/zones/europe-west1-b/autoscalers",
		"projects/p/aggregated/addresses", "projects/p/global/addresses", "projects/p/aggregated/instanceGroups", "projects/p/aggregated/subnetworks",
	} {
		if o := w.get(path); len(o) == 0 {
			t.Errorf("%s: empty", path)
		}
	}
	w.refused(404, "notFound", "GET", zoneB+"machineTypes/n9-standard-1", nil)
	w.refused(404, "notFound", "GET", "projects/debian-cloud/global/images/family/debian-1", nil)
}
