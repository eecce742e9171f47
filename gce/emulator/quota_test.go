package emulator

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"hakube/gce"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/projects"
)

// quota reads one of a document's quotas.
func quota(t *testing.T, o doc.Obj, metric string) (limit, usage float64) {
	t.Helper()
	for _, q := range doc.Objects(o, "quotas") {
		if doc.Str(q, "metric") == metric {
			return q["limit"].(float64), q["usage"].(float64)
		}
	}
	t.Errorf("no quota %s in %v", metric, o["quotas"])
	return 0, 0
}

func TestQuotas(t *testing.T) {
	w := newWorld(t, func(o *api.Options) {
		o.Quotas = map[string]float64{"europe-west1/CPUS": 4, "us-east1/CPUS": 0, "STATIC_ADDRESSES": 1, "NETWORKS": 1, "DISKS_TOTAL_GB": 45}
	})
	w.subnet() // the one network there may be
	check := func(path, metric string, limit, used float64) {
		t.Helper()
		if l, u := quota(t, w.get(path), metric); l != limit || u != used {
			t.Errorf("%s is %v of %v, want %v of %v", metric, u, l, used, limit)
		}
	}
	region := strings.TrimSuffix(regionW, "/")
	check(region, "CPUS", 4, 0)
	check("projects/p", "NETWORKS", 1, 1)
	w.refused(403, "quotaExceeded", "POST", "projects/p/global/networks", doc.Obj{"name": "second", "autoCreateSubnetworks": false})
	w.made("POST", regionW+"addresses", doc.Obj{"name": "a"})
	status, o := w.send("POST", regionW+"addresses", doc.Obj{"name": "b"})
	if status != 403 || message(o) != "Quota 'STATIC_ADDRESSES' exceeded.  Limit: 1.0 in region europe-west1." {
		t.Errorf("%d %s", status, message(o))
	}
	w.made("POST", "projects/p/regions/us-east1/addresses", doc.Obj{"name": "b"}) // of each region its own

	w.made("POST", zoneB+"instances", instance("m1", doc.Obj{"machineType": "zones/europe-west1-b/machineTypes/e2-standard-4"}))
	check(region, "CPUS", 4, 4)
	check("projects/p", "CPUS_ALL_REGIONS", projects.Plenty, 4)
	check(region, "INSTANCES", projects.Plenty, 1)
	check(region, "DISKS_TOTAL_GB", 45, 10)
	op := w.do("POST", zoneB+"instances", instance("m2", nil))
	e := doc.Objects(doc.Sub(op, "error"), "errors")
	if len(e) != 1 || doc.Str(e[0], "code") != "QUOTA_EXCEEDED" || doc.Num(op, "httpErrorStatusCode") != 403 {
		t.Fatalf("operation: %v", op)
	}
	if info := doc.Sub(doc.Objects(e[0], "errorDetails")[0], "quotaInfo"); doc.Num(info, "limit") != 4 || doc.Str(info, "limitName") != "CPUS-per-project-region" {
		t.Errorf("details: %v", info)
	}
	w.refused(404, "notFound", "GET", zoneB+"instances/m2", nil)
	w.refused(404, "notFound", "GET", zoneB+"disks/m2", nil)
	w.made("POST", zoneB+"instances/m1/stop", nil) // gives its CPUs back
	check(region, "CPUS", 4, 0)
	w.made("POST", zoneB+"instances", instance("m2", nil))
	if op := w.do("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "30"}); !strings.Contains(message(doc.Obj{"error": doc.Objects(doc.Sub(op, "error"), "errors")[0]}), "DISKS_TOTAL_GB") {
		t.Errorf("operation: %v", op)
	}
	w.made("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "30", "type": "zones/europe-west1-b/diskTypes/pd-balanced"})
	check(region, "SSD_TOTAL_GB", projects.Plenty, 30)
}

// TestQuotaOfGroup: a machine too many is noted in the group and made when there is room.
func TestQuotaOfGroup(t *testing.T) {
	w := newWorld(t, func(o *api.Options) {
		o.Quotas = map[string]float64{"INSTANCES": 1}
		o.Now = skipping() // a group gives a machine up after ten seconds
	})
	w.subnet()
	w.template("tmpl")
	w.made("POST", zoneB+"instances", instance("m", nil))
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 1, "instanceTemplate": "global/instanceTemplates/tmpl"})
	for { // until the group has given up
		time.Sleep(20 * time.Millisecond)
		if err := w.s.groups.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, o := w.send("POST", zoneB+"instanceGroupManagers/g/listManagedInstances", nil)
		m := doc.Objects(o, "managedInstances")
		if len(m) != 1 {
			t.Fatalf("members: %v", m)
		}
		if e := doc.Objects(doc.Sub(doc.Sub(m[0], "lastAttempt"), "errors"), "errors"); len(e) > 0 {
			if doc.Str(e[0], "code") != "QUOTA_EXCEEDED" {
				t.Errorf("last attempt: %v", e)
			}
			break
		}
	}
	w.made("DELETE", zoneB+"instances/m", nil)
	w.stable("g", 1)
}

func TestTestIamPermissions(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.Withheld = []string{"compute.instances.create"} })
	ask := func(body string) (int, doc.Obj) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.web.URL+"/v1/projects/p:testIamPermissions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var o doc.Obj
		if err := json.NewDecoder(resp.Body).Decode(&o); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, o
	}
	if status, o := ask(`{"permissions":["compute.instances.create","compute.disks.create"]}`); status != 200 ||
		len(doc.List(o, "permissions")) != 1 || doc.List(o, "permissions")[0] != "compute.disks.create" {
		t.Errorf("%d %v", status, o)
	}
	if status, _ := ask(`[`); status != 400 {
		t.Errorf("malformed: %d", status)
	}
}

// TestEffectivePolicy: a policy of an organisation is on or off, as an option says.
func TestEffectivePolicy(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.Enforced = []string{"constraints/compute.requireOsLogin"} })
	client, err := gce.New(t.Context(), gce.Options{Project: "example.com:p", Region: "europe-west1", Endpoint: w.web.URL, HTTPClient: w.web.Client()})
	if err != nil {
		t.Fatal(err)
	}
	for constraint, want := range map[string]bool{"constraints/compute.requireOsLogin": true, "constraints/compute.requireShieldedVm": false} {
		if got, err := client.Enforced(t.Context(), constraint); got != want || err != nil {
			t.Errorf("%s is enforced: %t, %v", constraint, got, err)
		}
	}
}

// TestHoldLists: what is made is got and not listed, what is gone is listed and not got.
func TestHoldLists(t *testing.T) {
	w := newWorld(t)
	w.made("POST", regionW+"addresses", doc.Obj{"name": "old"})
	release := w.s.HoldLists()
	w.made("POST", regionW+"addresses", doc.Obj{"name": "new"})
	w.made("DELETE", regionW+"addresses/old", nil)
	w.get(regionW + "addresses/new")
	w.refused(404, "notFound", "GET", regionW+"addresses/old", nil)
	shown := func() (names []string) {
		for _, o := range doc.Objects(w.get(regionW+"addresses"), "items") {
			names = append(names, doc.Str(o, "name"))
		}
		return names
	}
	if got := shown(); len(got) != 1 || got[0] != "old" {
		t.Errorf("held: %v", got)
	}
	release()
	if got := shown(); len(got) != 1 || got[0] != "new" {
		t.Errorf("released: %v", got)
	}
}
