package emulator

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

// beta asks compute/beta.
func (w *world) beta(verb, path string, body any) (int, doc.Obj) {
	w.t.Helper()
	return w.send(verb, "/compute/beta/"+path, body)
}

// TestBeta: what there is of compute/v1 is there as compute/beta too, with its links.
func TestBeta(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	const betaBase = "https://www.googleapis.com/compute/beta/"
	fill := strings.NewReplacer("{project}", "p", "{zone}", "europe-west1-b", "{region}", "europe-west1", "{", "", "}", "")
	asked := 0
	for id, m := range w.s.core.API.Methods {
		if m.HTTP != "GET" || strings.HasSuffix(id, "getFromFamily") {
			continue
		}
		asked++
		status, o := w.send("GET", fill.Replace(m.Path), nil)
		betaStatus, b := w.beta("GET", fill.Replace(m.Path), nil)
		if status != betaStatus || message(o) != message(b) || strings.HasPrefix(doc.Str(b, "selfLink"), doc.Base) {
			t.Errorf("%s: v1 %d %s, beta %d %s %s", id, status, message(o), betaStatus, message(b), doc.Str(b, "selfLink"))
		}
	}
	if asked < 300 {
		t.Errorf("only %d methods were asked", asked)
	}
	// As the driver of persistent disks does: links of beta go in and come out, and v1 has its own.
	status, op := w.beta("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "10", "type": betaBase + zoneB + "diskTypes/pd-ssd"})
	if status != 200 || !strings.HasPrefix(doc.Str(op, "selfLink"), betaBase) || !strings.HasPrefix(doc.Str(op, "targetLink"), betaBase) {
		t.Fatalf("insert: %d %v", status, op)
	}
	path := strings.TrimPrefix(doc.Str(op, "selfLink"), betaBase)
	if _, op = w.beta("POST", path+"/wait", nil); doc.Str(op, "status") != "DONE" {
		t.Errorf("waiting: %v", op)
	}
	_, b := w.beta("GET", zoneB+"disks/d", nil)
	o := w.get(zoneB + "disks/d")
	if doc.Str(b, "type") != betaBase+zoneB+"diskTypes/pd-ssd" || doc.Str(o, "type") != doc.Base+zoneB+"diskTypes/pd-ssd" {
		t.Errorf("types: beta %s, v1 %s", doc.Str(b, "type"), doc.Str(o, "type"))
	}
	if status, none := w.beta("GET", regionW+"disks", nil); status != 200 || doc.Has(none, "items") {
		t.Errorf("disks of a region, which it lists too: %d %v", status, none)
	}
	m := w.machine("m")
	w.made("POST", m+"/attachDisk", doc.Obj{"source": betaBase + zoneB + "disks/d"})
	_, list := w.beta("GET", zoneB+"disks?filter=type%3D%22"+betaBase+zoneB+"diskTypes/pd-ssd%22", nil)
	if l := doc.Objects(list, "items"); len(l) != 1 || doc.Str(l[0], "selfLink") != betaBase+zoneB+"disks/d" {
		t.Errorf("filtered by a link of beta: %v", list)
	}
	// What beta has more is refused by its name, and metadata is nobody's to change.
	if status, o := w.beta("POST", zoneB+"disks", doc.Obj{"name": "e", "eraseWindowsVssSignature": true}); status != 400 || !strings.Contains(message(o), "eraseWindowsVssSignature is not written") {
		t.Errorf("a field of beta alone: %d %s", status, message(o))
	}
	text := betaBase + "projects/p"
	w.made("POST", zoneB+"instances", instance("n", doc.Obj{"metadata": doc.Obj{"items": []any{doc.Obj{"key": "k", "value": text}}}}))
	if got := doc.Str(doc.Objects(doc.Sub(w.get(zoneB+"instances/n"), "metadata"), "items")[0], "value"); got != text {
		t.Errorf("metadata: %s", got)
	}
}

// TestGcloudBeta: gcloud's beta commands work at either path.
func TestGcloudBeta(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	betas := 0
	w := newWorld(t, func(o *api.Options) {
		o.Fault = func(r *http.Request) (f api.Fault) {
			mu.Lock()
			defer mu.Unlock()
			if strings.HasPrefix(r.URL.Path, "/compute/beta/") {
				betas++
			}
			return f
		}
	})
	g := w.long()
	g.track = "beta"
	g.env = append(g.env, "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE="+w.web.URL+"/compute/beta/")
	g.do("disks create d --size=20GB --type=pd-ssd")
	g.do("disks resize d --size=30GB")
	g.prints("disks list", "NAME LOCATION LOCATION_SCOPE SIZE_GB TYPE STATUS\nd europe-west1-b zone 30 pd-ssd READY")
	g.do("disks delete d")
	if betas == 0 {
		t.Error("gcloud beta did not ask compute/beta")
	}
}
