package emulator

import (
	"testing"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

// TestNewProject: the first look at a project shows Google's default network, which
// what says nothing of a network is in; it counts as nobody's, can be taken down in
// Google's order, and does not come back.
func TestNewProject(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.NoDefaultNetwork = false })
	const global = "projects/p/global/"
	names := func(path string) (all []string) {
		for _, o := range doc.Objects(w.get(path), "items") {
			all = append(all, doc.Str(o, "name"))
		}
		return all
	}
	if got := names(global + "networks"); len(got) != 1 || got[0] != "default" {
		t.Fatalf("networks: %v", got)
	}
	n := w.get(global + "networks/default")
	if !doc.Bool(n, "autoCreateSubnetworks") || doc.Str(n, "description") != "Default network for the project" || len(doc.List(n, "subnetworks")) != len(doc.Places) {
		t.Errorf("the network: %v", n)
	}
	if s := w.get(regionW + "subnetworks/default"); doc.Str(s, "ipCidrRange") != "10.132.0.0/20" {
		t.Errorf("the subnetwork: %v", s)
	}
	for name, want := range map[string]string{"icmp": "0.0.0.0/0", "internal": "10.128.0.0/9", "rdp": "0.0.0.0/0", "ssh": "0.0.0.0/0"} {
		f := w.get(global + "firewalls/default-allow-" + name)
		if doc.Num(f, "priority") != 65534 || doc.Strings(f, "sourceRanges")[0] != want {
			t.Errorf("the rule: %v", f)
		}
	}
	if got := w.s.Objects(); len(got) != 0 {
		t.Errorf("made by users: %v", got)
	}
	w.get("projects/debian-cloud/global/images/family/debian-12")
	if got := w.s.Projects()["debian-cloud"]; len(got) != 0 || w.s.core.Store.Read("projects/debian-cloud/global/networks/default") != nil {
		t.Error("an image project got a network")
	}

	// A machine that names no network, as Google's samples make it.
	machine := instance("vm", doc.Obj{"networkInterfaces": []any{doc.Obj{"accessConfigs": []any{doc.Obj{}}}}})
	w.made("POST", zoneB+"instances", machine)
	nic := doc.Objects(w.get(zoneB+"instances/vm"), "networkInterfaces")[0]
	if nic["network"] != doc.Base+global+"networks/default" || nic["subnetwork"] != doc.Base+regionW+"subnetworks/default" {
		t.Errorf("the machine's network interface: %v", nic)
	}
	if c := doc.Objects(nic, "accessConfigs")[0]; doc.Str(c, "type") != "ONE_TO_ONE_NAT" || doc.Str(c, "name") != "External NAT" || doc.Str(c, "natIP") == "" {
		t.Errorf("its access config: %v", c)
	}
	// A subnetwork of one's own in it can be made and removed, one of its own not.
	w.made("POST", regionW+"subnetworks", doc.Obj{"name": "mine", "network": "global/networks/default", "ipCidrRange": "10.40.0.0/22"})
	w.refused(400, "invalid", "POST", regionW+"subnetworks", doc.Obj{"name": "other", "network": "global/networks/default", "ipCidrRange": "10.200.0.0/22"})
	w.refused(400, "badRequest", "DELETE", regionW+"subnetworks/default", nil)
	w.made("DELETE", regionW+"subnetworks/mine", nil)

	if op := w.do("DELETE", global+"networks/default", nil); !doc.Has(op, "error") {
		t.Error("a network with rules and a machine was removed")
	}
	w.made("DELETE", zoneB+"instances/vm", nil)
	for _, name := range names(global + "firewalls") {
		w.made("DELETE", global+"firewalls/"+name, nil)
	}
	w.made("DELETE", global+"networks/default", nil)
	w.reopen()
	for _, kind := range []string{"networks", "firewalls", "routes"} {
		if got := names(global + kind); len(got) != 0 {
			t.Errorf("%s that came back: %v", kind, got)
		}
	}
	w.refused(404, "notFound", "GET", regionW+"subnetworks/default", nil)
	w.made("POST", global+"networks", doc.Obj{"name": "default", "autoCreateSubnetworks": true})
	if got := w.s.Objects()["networks"]; got != 1 {
		t.Errorf("a network of the same name that somebody made counts as %d", got)
	}
}

// TestProjectFromBefore: a project of which the file knows, from a time when there
// were no default networks, gets none.
func TestProjectFromBefore(t *testing.T) {
	w := newWorld(t)
	w.made("POST", "projects/p/global/networks", doc.Obj{"name": "mine", "autoCreateSubnetworks": false})
	w.options = func(o *api.Options) { o.NoDefaultNetwork = false }
	w.reopen()
	w.refused(404, "notFound", "GET", "projects/p/global/networks/default", nil)
	w.get("projects/q/global/networks/default")
}
