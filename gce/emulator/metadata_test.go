package emulator

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/doc"
)

// ask asks a machine's metadata server.
func ask(h http.Handler, verb, path, body string) (int, string, http.Header) {
	r := httptest.NewRequest(verb, "http://169.254.169.254/computeMetadata/v1/"+path, strings.NewReader(body))
	r.Header.Set("Metadata-Flavor", "Google")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	text, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(text), w.Header()
}

func TestMetadataServer(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"instances", instance("m", doc.Obj{"tags": doc.Obj{"items": []any{"a"}}}))
	m := w.backend.net().Machines[0]
	h, ok := w.s.MetadataFor(m.MachineKey)
	if !ok {
		t.Fatal("no metadata for the machine")
	}
	for path, want := range map[string]string{
		"instance/name":                    "m",
		"instance/hostname":                "m.europe-west1-b.c.p.internal",
		"instance/network-interfaces/0/ip": m.NIC.Address.String(),
		"instance/network-interfaces/0/access-configs/0/external-ip": m.NIC.External.String(),
		"instance/network-interfaces/0/ip-aliases/0":                 m.NIC.Aliases[0].String(),
		"instance/network-interfaces/0/mtu":                          "1460",
		"instance/attributes/enable-guest-attributes":                "TRUE",
		"project/project-id":                                         "p",
	} {
		if code, text, _ := ask(h, "GET", path, ""); code != 200 || text != want {
			t.Errorf("%s: %d %q, want %q", path, code, text, want)
		}
	}
	w.refusedText(t, "The resource 'hostkeys/' of type 'Guest Attribute' was not found.", zoneB+"instances/m/getGuestAttributes?queryPath=hostkeys/")
	if code, text, _ := ask(h, "PUT", "instance/guest-attributes/hakube/phase", "running"); code != 200 {
		t.Fatalf("writing a guest attribute: %d %s", code, text)
	}
	got := w.get(zoneB + "instances/m/getGuestAttributes?queryPath=hakube/")
	items := doc.Objects(doc.Sub(got, "queryValue"), "items")
	if len(items) != 1 || doc.Str(items[0], "value") != "running" || doc.Str(items[0], "namespace") != "hakube" || doc.Str(items[0], "key") != "phase" {
		t.Errorf("guest attributes: %v", got)
	}
	if v := w.get(zoneB + "instances/m/getGuestAttributes?variableKey=hakube/phase"); doc.Str(v, "variableValue") != "running" {
		t.Errorf("guest attribute by key: %v", v)
	}
	if _, ok := w.s.MetadataFor(backend.MachineKey{Project: "p", Zone: "europe-west1-b", Name: "m", ID: m.ID + 1}); ok {
		t.Error("metadata for another machine of that name")
	}
	w.made("DELETE", zoneB+"instances/m", nil)
	if _, ok := w.s.MetadataFor(m.MachineKey); ok {
		t.Error("metadata for a machine that is gone")
	}
	if code, _, _ := ask(h, "GET", "instance/name", ""); code != 503 {
		t.Errorf("asking for a machine that is gone: %d", code)
	}
	w.made("POST", zoneB+"instances", instance("m", nil))
	w.refusedText(t, "was not found", zoneB+"instances/m/getGuestAttributes?queryPath=hakube/")
}

func (w *world) refusedText(t *testing.T, want, path string) {
	t.Helper()
	if got := w.refused(404, "notFound", "GET", path, nil); !strings.Contains(got, want) {
		t.Errorf("GET %s: %q, want %q", path, got, want)
	}
}

// TestMetadataWakes changes metadata of the instance and of the project while
// the machine waits for a change.
func TestMetadataWakes(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"instances", instance("m", nil))
	h, _ := w.s.MetadataFor(w.backend.net().Machines[0].MachineKey)
	wait := func(path string, change func()) string {
		_, _, head := ask(h, "GET", path, "")
		done := make(chan string, 1)
		go func() {
			_, text, _ := ask(h, "GET", path+"&wait_for_change=true&timeout_sec=60&last_etag="+head.Get("ETag"), "")
			done <- text
		}()
		change()
		return <-done
	}
	got := wait("instance/attributes/?recursive=true&alt=json", func() {
		m := doc.Sub(w.get(zoneB+"instances/m"), "metadata")
		w.made("POST", zoneB+"instances/m/setMetadata", doc.Obj{"fingerprint": m["fingerprint"], "items": []any{doc.Obj{"key": "a", "value": "1"}}})
		w.refused(412, "conditionNotMet", "POST", zoneB+"instances/m/setMetadata", doc.Obj{"fingerprint": m["fingerprint"]})
	})
	if !strings.Contains(got, `"a":"1"`) {
		t.Errorf("instance attributes: %s", got)
	}
	got = wait("project/attributes/?recursive=true&alt=json", func() {
		m := doc.Sub(w.get("projects/p"), "commonInstanceMetadata")
		w.made("POST", "projects/p/setCommonInstanceMetadata", doc.Obj{"fingerprint": m["fingerprint"], "items": []any{doc.Obj{"key": "b", "value": "2"}}})
	})
	if !strings.Contains(got, `"b":"2"`) {
		t.Errorf("project attributes: %s", got)
	}
}
