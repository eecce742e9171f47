package emulator

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

// held keeps operations of changes from beginning while it is on.
type held struct {
	mu sync.Mutex
	ch chan struct{}
}

func (h *held) options(o *api.Options) {
	o.Fault = func(r *http.Request) (f api.Fault) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.ch != nil && api.IsChange(r) {
			f.Stuck = h.ch
		}
		return f
	}
}

// on holds what is accepted from now on until the result is called.
func (h *held) on() (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := make(chan struct{})
	h.ch = ch
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ch = nil
		close(ch)
	})
}

// TestUnderWay: an object of any kind that is being made or removed is there, and can
// be neither changed nor removed until that is done.
func TestUnderWay(t *testing.T) {
	var h held
	w := newWorld(t, h.options)
	for name, x := range w.things() {
		t.Run(name, func(t *testing.T) {
			v := *w
			v.t = t
			body := doc.Clone(x.body)
			body["name"] = "x"
			release := h.on()
			status, op := v.send("POST", x.collection, body)
			if status != 200 || doc.Str(op, "status") != "RUNNING" || !doc.Has(op, "startTime") {
				t.Fatalf("making it: %d %v", status, op)
			}
			it := x.collection + "/x"
			v.get(it)
			if m := v.refused(400, "resourceNotReady", "DELETE", it, nil); m != "The resource '"+it+"' is not ready" {
				t.Error(m)
			}
			v.refused(409, "alreadyExists", "POST", x.collection, body)
			release()
			if o := v.wait(op); doc.Has(o, "error") {
				t.Fatalf("making it: %v", o["error"])
			}
			release = h.on()
			if status, op = v.send("DELETE", it, nil); status != 200 {
				t.Fatalf("removing it: %d %v", status, op)
			}
			v.get(it)
			v.refused(400, "resourceNotReady", "DELETE", it, nil)
			release()
			if o := v.wait(op); doc.Has(o, "error") {
				t.Fatalf("removing it: %v", o["error"])
			}
			v.refused(404, "notFound", "DELETE", it, nil)
		})
	}
}

// TestUnderWayReferred: nor can another object refer to it, whatever the field is.
func TestUnderWayReferred(t *testing.T) {
	var h held
	w := newWorld(t, h.options)
	w.subnet()
	const global = "projects/p/global/"
	machine := instance("i", nil)
	for _, x := range []struct {
		name, collection string
		body             doc.Obj
		path             string // of who refers to it
		refers           doc.Obj
	}{
		{"subnetwork of a network", global + "networks", doc.Obj{"autoCreateSubnetworks": false},
			regionW + "subnetworks", doc.Obj{"name": "r", "network": "global/networks/x", "ipCidrRange": "10.77.0.0/24"}},
		{"firewall of a network", global + "networks", doc.Obj{"autoCreateSubnetworks": false},
			global + "firewalls", doc.Obj{"name": "r", "network": "global/networks/x", "allowed": []any{doc.Obj{"IPProtocol": "tcp"}}}},
		{"machine in a subnetwork", regionW + "subnetworks", doc.Obj{"network": "global/networks/default", "ipCidrRange": "10.88.0.0/24"},
			zoneB + "instances", instance("r", doc.Obj{"networkInterfaces": []any{doc.Obj{"subnetwork": regionW + "subnetworks/x"}}})},
		{"machine with a disk", zoneB + "disks", doc.Obj{"sizeGb": "10"},
			zoneB + "instances", instance("r", doc.Obj{"disks": []any{doc.Obj{"boot": true, "source": zoneB + "disks/x"}}})},
		{"service with a check", regionW + "healthChecks", doc.Obj{"type": "TCP"},
			regionW + "backendServices", doc.Obj{"name": "r", "healthChecks": []any{regionW + "healthChecks/x"}}},
		{"group of a template", global + "instanceTemplates", doc.Obj{"properties": propertiesOf(machine)},
			zoneB + "instanceGroupManagers", doc.Obj{"name": "r", "targetSize": 0, "instanceTemplate": "global/instanceTemplates/x"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			v := *w
			v.t = t
			body := doc.Clone(x.body)
			body["name"] = "x"
			release := h.on()
			defer release()
			_, op := v.send("POST", x.collection, body)
			if m := v.refused(400, "resourceNotReady", "POST", x.path, x.refers); !strings.Contains(m, x.collection+"/x'") {
				t.Error(m)
			}
			release()
			v.wait(op)
			v.made("POST", x.path, x.refers)
			v.made("DELETE", x.path+"/r", nil)
			v.made("DELETE", x.collection+"/x", nil)
		})
	}
}

// propertiesOf are those of a template for machines like one.
func propertiesOf(machine doc.Obj) doc.Obj {
	p := doc.Clone(machine)
	delete(p, "name")
	p["machineType"] = "n1-standard-1"
	p["networkInterfaces"] = []any{doc.Obj{"network": "global/networks/default", "subnetwork": regionW + "subnetworks/s"}}
	return p
}

// TestLabelsComeLater: an address and a forwarding rule have no labels from their
// insert, and get them at once by setLabels.
func TestLabelsComeLater(t *testing.T) {
	w := newWorld(t)
	things := w.things()
	for _, kind := range []string{"address", "forwarding rule"} {
		x := things[kind]
		body := doc.Clone(x.body)
		body["name"], body["labels"] = "x", doc.Obj{"a": "b"}
		w.made("POST", x.collection, body)
		o := w.get(x.collection + "/x")
		if doc.Has(o, "labels") || doc.Str(o, "labelFingerprint") != "42WmSpB8rSM=" {
			t.Errorf("%s has labels %v, fingerprint %q after its insert", kind, o["labels"], o["labelFingerprint"])
		}
		status, op := w.send("POST", x.collection+"/x/setLabels", doc.Obj{"labels": doc.Obj{"a": "b"}, "labelFingerprint": o["labelFingerprint"]})
		if status != 200 || doc.Str(op, "status") != "DONE" || doc.Num(op, "progress") != 100 || !doc.Has(op, "endTime") {
			t.Errorf("%s: labels are answered by %d %v", kind, status, op)
		}
		_, stale := w.send("POST", x.collection+"/x/setLabels", doc.Obj{"labels": doc.Obj{}, "labelFingerprint": o["labelFingerprint"]})
		if e := doc.Objects(doc.Sub(stale, "error"), "errors"); len(e) != 1 || doc.Str(e[0], "location") != "If-Match" || doc.Str(e[0], "locationType") != "header" {
			t.Errorf("%s: an old fingerprint is answered by %v", kind, stale)
		}
		if o := w.get(x.collection + "/x"); doc.Str(doc.Sub(o, "labels"), "a") != "b" {
			t.Errorf("%s has labels %v", kind, o["labels"])
		}
	}
	if id := doc.Str(w.get(things["address"].collection+"/x"), "id"); len(id) < 17 || len(id) > 19 {
		t.Errorf("id %s has %d digits", id, len(id))
	}
}

// TestGlobalNames: in a project with global DNS names a machine has none with its zone,
// unless its own metadata say so, and whoever makes one is warned.
func TestGlobalNames(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	project := w.get("projects/p")
	if project["vmDnsSetting"] != "ZONAL_ONLY" {
		t.Errorf("a new project is %v", project["vmDnsSetting"])
	}
	w.made("POST", "projects/p/setCommonInstanceMetadata", doc.Obj{
		"fingerprint": doc.Sub(project, "commonInstanceMetadata")["fingerprint"], "items": []any{doc.Obj{"key": "VmDnsSetting", "value": "GlobalDefault"}},
	})
	if project = w.get("projects/p"); project["vmDnsSetting"] != "GLOBAL_DEFAULT" {
		t.Errorf("the project is %v", project["vmDnsSetting"])
	}
	for name, own := range map[string]string{"global": "", "zonal": "ZonalOnly"} {
		body := instance(name, nil)
		if own != "" {
			body["metadata"] = doc.Obj{"items": []any{doc.Obj{"key": "VmDnsSetting", "value": own}}}
		}
		op := w.made("POST", zoneB+"instances", body)
		if warned := len(doc.Objects(op, "warnings")) > 0; warned != (name == "global") {
			t.Errorf("%s: warnings %v", name, op["warnings"])
		}
		for _, m := range w.backend.net().Machines {
			want := map[string]string{"global": "global.c.p.internal", "zonal": "zonal.europe-west1-b.c.p.internal"}[m.Name]
			if m.Hostname != want {
				t.Errorf("%s is %s, want %s", m.Name, m.Hostname, want)
			}
		}
	}
}

// TestRegionWithoutQuotas: where they cannot be told a region has none, and says so.
func TestRegionWithoutQuotas(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.QuotasUnknown = true })
	if o := w.get("projects/p/regions/europe-west1"); doc.Has(o, "quotas") || doc.Str(doc.Sub(o, "quotaStatusWarning"), "message") == "" {
		t.Errorf("region %v", o)
	}
	if q := doc.Objects(w.get("projects/p"), "quotas"); len(q) == 0 {
		t.Error("the project has no quotas")
	}
}

// TestSentBackAsRead: what an object shows can be sent back with a change of anything
// else, whatever it says of what is not done here.
func TestSentBackAsRead(t *testing.T) {
	w := newWorld(t)
	things := w.things()
	for kind, verb := range map[string]string{
		"network": "PATCH", "firewall": "PUT", "health check": "PUT", "regional health check": "PUT", "regional back. service": "PUT",
		"managed group": "PATCH", "subnetwork": "PATCH", "forwarding rule": "PATCH",
	} {
		x := things[kind]
		body := doc.Clone(x.body)
		body["name"] = "x"
		w.made("POST", x.collection, body)
		before := w.get(x.collection + "/x")
		w.made(verb, x.collection+"/x", before)
		after := w.get(x.collection + "/x")
		for k := range before {
			if !doc.Has(after, k) {
				t.Errorf("%s lost %s", kind, k)
			}
		}
		if kind == "regional back. service" && doc.Bool(doc.Sub(after, "iap"), "enabled") {
			t.Errorf("iap of a service that was given none: %v", after["iap"])
		}
	}
}
