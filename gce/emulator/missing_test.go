package emulator

import (
	"slices"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/discovery"
	"hakube/gce/emulator/internal/doc"
)

// TestMissingFirst asks for all that Google has and is not here, with requests
// that are wrong in other ways too: what they learn is that it is not written.
func TestMissingFirst(t *testing.T) {
	w := newWorld(t)
	fill := strings.NewReplacer("{project}", "p", "{zone}", "mars-1a", "{region}", "mars", "{", "", "}", "")
	methods := 0
	for id, m := range w.s.core.API.Methods {
		if w.s.core.Methods[id] != nil {
			continue
		}
		methods++
		body := any(nil)
		if m.HTTP != "GET" && m.HTTP != "DELETE" {
			body = `{"name":` // broken off
		}
		status, o := w.send(m.HTTP, fill.Replace(m.Path), body)
		if status != 400 || why(o) != "notImplemented" || !strings.Contains(message(o), id+" is not written") {
			t.Errorf("%s: %d %s", id, status, message(o))
		}
	}
	if methods < 700 {
		t.Errorf("only %d methods are not written", methods)
	}
	fields := 0
	for id, m := range w.s.core.API.Methods {
		for _, entry := range w.s.core.Lacking(id) {
			entry, _, _ := strings.Cut(entry, ": ")
			if entry[0] == '+' {
				continue // said of the others
			}
			fields++
			status, o := w.send(m.HTTP, fill.Replace(m.Path), request(w.s.core.API, m, entry))
			if status != 400 || why(o) != "notImplemented" || !strings.Contains(message(o), id+" with ") {
				t.Errorf("%s with %s: %d %s", id, entry, status, message(o))
			}
		}
	}
	if fields < 100 {
		t.Errorf("only %d fields are not written", fields)
	}
	// Projects whose images Google has and nobody here.
	const cos = "projects/cos-cloud/global/images"
	for _, path := range []string{cos, cos + "/cos-121-1", cos + "/family/cos-stable", "projects/ubuntu-os-cloud/global/images"} {
		if m := w.refused(400, "notImplemented", "GET", path, nil); !strings.Contains(m, "images of project ") {
			t.Error(m)
		}
	}
	w.refused(400, "notImplemented", "POST", zoneB+"disks", doc.Obj{"name": "cos", "sourceImage": cos + "/family/cos-stable"})
	w.refused(404, "notFound", "GET", "projects/debian-cloud/global/images/family/debian-11", nil)
	if l := w.get("projects/p/global/images"); doc.Has(l, "items") {
		t.Errorf("images of a project that made none: %v", l)
	}
	// What says no more than its absence is no use of a field.
	w.subnet()
	w.made("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "10", "replicaZones": []any{}, "diskEncryptionKey": doc.Obj{}, "sourceDisk": ""})
	w.made("POST", "projects/p/global/routes", doc.Obj{"name": "r", "network": "global/networks/default", "destRange": "192.168.1.0/24", "priority": 7,
		"nextHopInstance": w.machine("hop"), "tags": []any{}, "nextHopIp": ""})
	if r := w.get("projects/p/global/routes/r"); doc.Has(r, "tags") {
		t.Error("a route shows what was sent empty")
	}
	// Where only some fields are followed, any other is told by its name.
	if m := w.refused(400, "notImplemented", "PATCH", "projects/p/global/networks/default", doc.Obj{"description": "x"}); !strings.Contains(m, "networks.patch with description") {
		t.Error(m)
	}
}

// request is a body that asks for what an entry says is not written.
func request(api *discovery.API, m *discovery.Method, entry string) doc.Obj {
	body := doc.Obj{"name": 7}
	var v any = "x"
	at := entry
	if i := strings.IndexAny(entry, "=!>"); i >= 0 {
		at = entry[:i]
		values := strings.Split(entry[i+1:], "|")
		switch entry[i] {
		case '>':
			v = []any{doc.Obj{}, doc.Obj{}}
		case '=':
			v = strings.ReplaceAll(values[len(values)-1], "*", "x")
		case '!': // another one of Google's
			for _, other := range api.Field(m.Request, strings.Split(at, ".")).Enum {
				if !slices.Contains(values, other) {
					v = other
				}
			}
		}
	}
	path := strings.Split(at, ".")
	for i := len(path) - 1; i > 0; i-- {
		v = doc.Obj{path[i]: v}
	}
	body[path[0]] = v
	return body
}

// machine makes one in the zone the tests are in.
func (w *world) machine(name string) string {
	w.t.Helper()
	w.made("POST", zoneB+"instances", instance(name, nil))
	return zoneB + "instances/" + name
}
