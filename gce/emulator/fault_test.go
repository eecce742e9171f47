package emulator

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

// faultOn lets the n-th changing request suffer f.
func faultOn(n int64, f api.Fault) func(*api.Options) {
	var count atomic.Int64
	return func(o *api.Options) {
		o.Fault = func(r *http.Request) api.Fault {
			if api.IsChange(r) && count.Add(1) == n {
				return f
			}
			return api.Fault{}
		}
	}
}

func TestFaults(t *testing.T) {
	const disk = zoneB + "disks"
	t.Run("cut before", func(t *testing.T) {
		w := newWorld(t, faultOn(1, api.Fault{CutBefore: true}))
		if _, _, err := w.try("POST", disk, doc.Obj{"name": "d"}); err == nil {
			t.Error("an answer")
		}
		w.refused(404, "notFound", "GET", disk+"/d", nil)
	})
	t.Run("cut after", func(t *testing.T) {
		w := newWorld(t, faultOn(1, api.Fault{CutAfter: true}))
		path := disk + "?requestId=" + uuid.NewString()
		if _, _, err := w.try("POST", path, doc.Obj{"name": "d"}); err == nil {
			t.Error("an answer")
		}
		w.made("POST", path, doc.Obj{"name": "d"}) // the same request finds its operation
		w.refused(409, "alreadyExists", "POST", disk, doc.Obj{"name": "d"})
	})
	t.Run("status", func(t *testing.T) {
		w := newWorld(t, faultOn(1, api.Fault{Status: 503, RetryAfter: 1500 * time.Millisecond}))
		req, err := http.NewRequestWithContext(t.Context(), "DELETE", w.web.URL+"/compute/v1/"+disk+"/d", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "2" {
			t.Errorf("%s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
		}
	})
	t.Run("rate limit", func(t *testing.T) {
		w := newWorld(t, faultOn(1, api.Fault{Status: 403}))
		w.refused(403, "rateLimitExceeded", "POST", disk, doc.Obj{"name": "d"})
	})
	t.Run("operation", func(t *testing.T) {
		w := newWorld(t, faultOn(1, api.Fault{Operation: &api.OperationFault{Code: "ZONE_RESOURCE_POOL_EXHAUSTED", Message: "full"}}))
		op := w.do("POST", disk, doc.Obj{"name": "d"})
		if doc.Num(op, "httpErrorStatusCode") != 503 || doc.Str(op, "httpErrorMessage") != "SERVICE UNAVAILABLE" ||
			doc.Str(doc.Objects(doc.Sub(op, "error"), "errors")[0], "code") != "ZONE_RESOURCE_POOL_EXHAUSTED" {
			t.Errorf("operation: %v", op)
		}
		w.refused(404, "notFound", "GET", disk+"/d", nil)
		w.made("POST", disk, doc.Obj{"name": "d"})
	})
}

// TestMachineFails has the backend unable to start a machine.
func TestMachineFails(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.backend.fail = errors.New("no room")
	op := w.do("POST", zoneB+"instances", instance("m", nil))
	if doc.Num(op, "httpErrorStatusCode") != 500 {
		t.Errorf("operation: %v", op)
	}
	w.refused(404, "notFound", "GET", zoneB+"instances/m", nil)
	if len(w.backend.disks) != 0 {
		t.Errorf("disks left: %v", w.backend.disks)
	}
	w.made("POST", zoneB+"instances", instance("m", nil))
	w.made("POST", zoneB+"instances/m/stop", nil)
	w.backend.fail = errors.New("no room")
	if op := w.do("POST", zoneB+"instances/m/start", nil); !doc.Has(op, "error") {
		t.Error("a start that failed succeeded")
	}
	if o := w.get(zoneB + "instances/m"); doc.Str(o, "status") != "TERMINATED" {
		t.Errorf("status after a start that failed: %v", o["status"])
	}
}

// TestMachineEnds halts machines from inside.
func TestMachineEnds(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"instances", instance("m", nil))
	w.template("tmpl")
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 1, "instanceTemplate": "global/instanceTemplates/tmpl"})
	w.stable("g", 1)
	for _, m := range w.backend.net().Machines {
		w.backend.exited(m.MachineKey)
	}
	w.backend.exited(backend.MachineKey{Project: "p", Zone: "europe-west1-b", Name: "m", ID: 1}) // of another life
	for doc.Str(w.get(zoneB+"instances/m"), "status") != "TERMINATED" {
		if err := w.s.core.Net.Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if ac := doc.Objects(doc.Objects(w.get(zoneB+"instances/m"), "networkInterfaces")[0], "accessConfigs")[0]; doc.Has(ac, "natIP") {
		t.Error("a machine that ended keeps its ephemeral address")
	}
	for {
		var ids []uint64
		for _, m := range w.backend.net().Machines {
			ids = append(ids, m.ID)
		}
		if len(ids) == 1 && w.backend.net().Machines[0].Name != "m" && w.s.atRest() {
			break // the group made its machine anew
		}
		if err := w.s.groups.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.stable("g", 1)
	w.made("POST", zoneB+"instances/m/start", nil)
	if ac := doc.Objects(doc.Objects(w.get(zoneB+"instances/m"), "networkInterfaces")[0], "accessConfigs")[0]; !doc.Has(ac, "natIP") {
		t.Error("no address after the start")
	}
}
