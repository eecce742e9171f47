package emulator

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/groups"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/store"
)

// TestKilledAtEachWrite takes a copy of the store after each change it makes,
// which is all that a kill -9 at any instant can leave, and goes on from each:
// everything acknowledged must come to its end.
func TestKilledAtEachWrite(t *testing.T) {
	w := newWorld(t)
	dir, copies := t.TempDir(), []string{}
	wake := w.s.core.Store.Applied
	w.s.core.Store.Applied = func(changed []doc.Ref) {
		wake(changed)
		path := filepath.Join(dir, fmt.Sprintf("%03d.db", len(copies)))
		if err := w.s.core.Store.Copy(path); err != nil {
			t.Error(err)
		}
		copies = append(copies, path)
	}
	w.subnet()
	w.made("POST", regionW+"addresses", doc.Obj{"name": "m-ip"})
	ip := doc.Str(w.get(regionW+"addresses/m-ip"), "address")
	w.made("POST", zoneB+"disks", doc.Obj{"name": "m-pd", "sizeGb": "20"})
	nic := []any{doc.Obj{"subnetwork": regionW + "subnetworks/s", "accessConfigs": []any{doc.Obj{"natIP": ip, "name": "external-nat"}}}}
	w.made("POST", zoneB+"instances", instance("m", doc.Obj{"networkInterfaces": nic}))
	w.made("POST", zoneB+"instances/m/stop", nil)
	w.made("POST", zoneB+"instances/m/start", nil)
	w.made("POST", zoneB+"instances/m/deleteAccessConfig?accessConfig=external-nat&networkInterface=nic0", nil)
	w.made("POST", zoneB+"instanceGroups", doc.Obj{"name": "masters"})
	w.made("POST", zoneB+"instanceGroups/masters/addInstances", these("m"))
	w.made("POST", regionW+"healthChecks", doc.Obj{"name": "hc", "type": "TCP"})
	w.made("POST", regionW+"backendServices", doc.Obj{"name": "bs", "healthChecks": []any{checkW}, "backends": []any{doc.Obj{"group": zoneB + "instanceGroups/masters"}}})
	w.made("POST", regionW+"forwardingRules", rule(ip))
	w.made("DELETE", ruleW, nil)
	w.made("DELETE", serviceW, nil)
	w.template("tmpl")
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 2, "instanceTemplate": "global/instanceTemplates/tmpl"})
	w.stable("g", 2)
	w.made("DELETE", zoneB+"instanceGroupManagers/g", nil)
	w.made("DELETE", zoneB+"instances/m", nil)
	w.made("DELETE", zoneB+"instanceGroups/masters", nil)
	w.made("DELETE", regionW+"addresses/m-ip", nil)
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(copies) < 40 {
		t.Fatalf("only %d changes", len(copies))
	}
	for _, path := range copies {
		goOn(t, path)
	}
}

// goOn opens a store that a killed process left and lets it come to rest.
func goOn(t *testing.T, path string) {
	b := newMachines()
	s, err := New(api.Options{Path: path, NoSync: true, Backend: b})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for !s.atRest() {
		if err := s.groups.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.core.Net.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := b.net()
	s.core.Store.View(func(tx *store.Tx) {
		for _, o := range append(tx.All("p", "operations"), tx.List("projects/p/global/operations")...) {
			if doc.Has(o, "error") {
				t.Errorf("%s: %s of %s failed: %v", path, o["operationType"], o["targetLink"], o["error"])
			}
		}
		var alive []string
		for _, o := range tx.All("p", "instances") {
			if st := doc.Str(o, "status"); st != "RUNNING" && st != "TERMINATED" {
				t.Errorf("%s: instance %s is %s for ever", path, doc.Str(o, "name"), st)
			} else if st == "RUNNING" {
				alive = append(alive, doc.Str(o, "name"))
			}
		}
		var runs, connected []string
		for k := range b.running {
			runs = append(runs, k.Name)
		}
		for _, m := range n.Machines {
			connected = append(connected, m.Name)
		}
		slices.Sort(runs)
		slices.Sort(connected)
		slices.Sort(alive)
		if !slices.Equal(runs, alive) || !slices.Equal(connected, alive) {
			t.Errorf("%s: API says %v run, %v do, %v are connected", path, alive, runs, connected)
		}
		for _, o := range tx.All("p", "disks") {
			if doc.Str(o, "status") != "READY" {
				t.Errorf("%s: disk %s is %s", path, doc.Str(o, "name"), doc.Str(o, "status"))
			}
			for _, u := range doc.Strings(o, "users") {
				if tx.Get(doc.RefOf(u)) == nil {
					t.Errorf("%s: disk %s is used by %s, which is gone", path, doc.Str(o, "name"), u)
				}
			}
		}
		for _, o := range tx.All("p", "addresses") {
			if by := networks.AddressUser(o); by != "" && tx.Get(by) == nil {
				t.Errorf("%s: address is used by %s, which is gone", path, by)
			}
		}
		if rules, have := tx.All("p", "forwardingRules"), len(n.Balancers); len(rules) != have {
			t.Errorf("%s: %d forwarding rules, %d balancers", path, len(rules), have)
		}
		for _, g := range tx.All("p", "instanceGroups") {
			for _, i := range doc.Strings(g, "instances") {
				if tx.Get(doc.RefOf(i)) == nil {
					t.Errorf("%s: %s has a member %s, which is gone", path, doc.Str(g, "name"), i)
				}
			}
		}
		for _, kind := range []string{"~leaving/", "~jobs/"} {
			for r, o := range tx.Stored(kind) {
				t.Errorf("%s: left: %s %v", path, r, o)
			}
		}
	})
}

// atRest reports whether no operation is under way and each group has its size.
func (s *Server) atRest() (rest bool) {
	rest = s.Busy() == 0
	s.core.Store.View(func(t *store.Tx) {
		t.Each("", "instanceGroupManagers", func(o doc.Obj) {
			r := doc.RefOf(doc.Str(o, "selfLink"))
			rest = rest && doc.Bool(doc.Sub(groups.GroupView(t, r, o), "status"), "isStable")
		})
	})
	return rest
}

func (w *world) template(name string) {
	w.t.Helper()
	props := instance("x", doc.Obj{"machineType": "n1-standard-1"})
	delete(props, "name")
	props["networkInterfaces"].([]any)[0].(doc.Obj)["subnetwork"] = regionW + "subnetworks/s"
	w.made("POST", "projects/p/global/instanceTemplates", doc.Obj{"name": name, "properties": props})
}

func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"instances", instance("m", nil))
	before := w.s.Snapshot()
	w.backend.mu.Lock()
	w.backend.hold = make(chan struct{}) // machines of before the restart hang
	w.backend.mu.Unlock()
	id := uuid.NewString()
	status, op := w.send("POST", zoneB+"instances?requestId="+id, instance("late", nil))
	if status != 200 {
		t.Fatal(op)
	}
	if _, err := New(api.Options{Path: w.path}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("a second server on one store: %v", err)
	}
	w.backend.mu.Lock()
	running := w.backend.running
	w.backend.mu.Unlock()
	w.backend = newMachines()
	w.reopen()
	w.wait(op)
	if got := w.backend.starts; got != 2 || len(running) != 1 {
		t.Errorf("%d machines started after the restart, want one adopted and one made", got)
	}
	_, again := w.send("POST", zoneB+"instances?requestId="+id, instance("late", nil))
	if again["name"] != op["name"] {
		t.Errorf("request id after the restart: %v, want %v", again["name"], op["name"])
	}
	w.made("DELETE", zoneB+"instances/late", nil)
	if d := cmp.Diff(before, w.s.Snapshot()); d != "" {
		t.Errorf("objects after the restart:\n%s", d)
	}
}

func TestRequestIDs(t *testing.T) {
	w := newWorld(t)
	id := uuid.NewString()
	path := zoneB + "disks?requestId=" + id
	first := w.made("POST", path, doc.Obj{"name": "d"})
	status, again := w.send("POST", path, doc.Obj{"name": "d"})
	if status != 200 || again["name"] != first["name"] || again["status"] != "DONE" {
		t.Errorf("replay: %d %v", status, again)
	}
	w.refused(409, "alreadyExists", "POST", zoneB+"disks?requestId="+uuid.NewString(), doc.Obj{"name": "d"})
	del := zoneB + "disks/d?requestId=" + uuid.NewString()
	w.made("DELETE", del, nil)
	if status, again := w.send("DELETE", del, nil); status != 200 || again["operationType"] != "delete" {
		t.Errorf("replayed delete: %d %v", status, again)
	}
}
