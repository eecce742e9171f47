package emulator

import (
	"testing"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/metadata"
)

// TestResetIsHard pulls the plug without a word to the guest, and what comes up
// is the same machine; a stop lets it end in its own way.
func TestResetIsHard(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"instances", instance("m", nil))
	before, starts := w.get(zoneB+"instances/m"), w.backend.starts
	w.made("POST", zoneB+"instances/m/reset", nil)
	after := w.get(zoneB + "instances/m")
	if len(w.backend.stops) != 1 || w.backend.stops[0] || w.backend.starts != starts+1 {
		t.Errorf("a reset stops gracefully %v and starts %d times, want [false] and once", w.backend.stops, w.backend.starts-starts)
	}
	for _, k := range []string{"id", "status", "networkInterfaces", "disks"} {
		if doc.Fingerprint(before[k]) != doc.Fingerprint(after[k]) {
			t.Errorf("%s was %v and is %v", k, before[k], after[k])
		}
	}
	w.made("POST", zoneB+"instances/m/stop", nil)
	if n := len(w.backend.stops); n != 2 || !w.backend.stops[1] {
		t.Errorf("a stop is graceful %v, want true at its end", w.backend.stops)
	}
	w.refused(400, "resourceNotReady", "POST", zoneB+"instances/m/reset", nil)
}

// TestConsole reads what the machine wrote to its console, from where the
// reader was; other ports have nothing on them.
func TestConsole(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"instances", instance("m", nil))
	for query, want := range map[string][2]string{
		"":                {"booting m\n", "10"},
		"?start=0&port=1": {"booting m\n", "10"},
		"?start=8":        {"m\n", "10"},
		"?start=10":       {"", "10"},
		"?port=2":         {"", "0"},
	} {
		o := w.get(zoneB + "instances/m/serialPort" + query)
		if doc.Str(o, "contents") != want[0] || doc.Str(o, "next") != want[1] {
			t.Errorf("serialPort%s is %v, want %q and next %s", query, o, want[0], want[1])
		}
	}
	w.refused(404, "notFound", "GET", zoneB+"instances/none/serialPort", nil)
	w.made("POST", zoneB+"instances/m/stop", nil)
	w.refused(400, "resourceNotReady", "GET", zoneB+"instances/m/serialPort", nil)
	w.made("POST", zoneB+"instances/m/start", nil)
	w.get(zoneB + "instances/m/serialPort")
	w.refused(400, "invalid", "GET", zoneB+"instances/m/serialPort?port=5", nil)
}

// TestGuestAttributes are as the guest wrote them, last one first, and of no
// other machine that has or had the name.
func TestGuestAttributes(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	enabled := doc.Obj{"metadata": doc.Obj{"items": []any{doc.Obj{"key": "enable-guest-attributes", "value": "TRUE"}}}}
	w.made("POST", zoneB+"instances", instance("m", enabled))
	w.made("POST", zoneB+"instances", instance("closed", doc.Obj{"metadata": doc.Obj{}}))
	const path = zoneB + "instances/m/getGuestAttributes"
	for _, kv := range [][3]string{{"hostkeys", "ssh-ed25519", "old"}, {"hostkeys", "ssh-ed25519", " AAAA=\n\"ü"}, {"hostkeys", "ssh-rsa", "BBBB"}, {"hakube", "phase", ""}} {
		if err := w.guest("m").PutGuestAttribute(kv[0], kv[1], kv[2]); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string][]string{
		"":                            {"hakube/phase=", "hostkeys/ssh-ed25519= AAAA=\n\"ü", "hostkeys/ssh-rsa=BBBB"},
		"?queryPath=hostkeys/":        {"hostkeys/ssh-ed25519= AAAA=\n\"ü", "hostkeys/ssh-rsa=BBBB"},
		"?queryPath=hostkeys/ssh-rsa": {"hostkeys/ssh-rsa=BBBB"},
	} {
		var got []string
		for _, i := range doc.Objects(doc.Sub(w.get(path+query), "queryValue"), "items") {
			got = append(got, doc.Str(i, "namespace")+"/"+doc.Str(i, "key")+"="+doc.Str(i, "value"))
		}
		if len(got) != len(want) {
			t.Errorf("getGuestAttributes%s has %q, want %q", query, got, want)
			continue
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("getGuestAttributes%s has %q, want %q", query, got, want)
			}
		}
	}
	if v := doc.Str(w.get(path+"?variableKey=hostkeys/ssh-rsa"), "variableValue"); v != "BBBB" {
		t.Errorf("one by its key: %q", v)
	}
	w.refused(404, "notFound", "GET", path+"?queryPath=none/", nil)
	w.refused(400, "badRequest", "GET", zoneB+"instances/closed/getGuestAttributes", nil)
	w.made("DELETE", zoneB+"instances/m", nil)
	w.made("POST", zoneB+"instances", instance("m", enabled))
	w.refused(404, "notFound", "GET", path+"?queryPath=hostkeys/", nil)
}

// guest is what a machine has of the server.
func (w *world) guest(name string) metadata.Source {
	w.t.Helper()
	for _, m := range w.backend.net().Machines {
		if m.Name == name {
			src, _ := w.s.guests.Source(m.MachineKey)
			return src
		}
	}
	w.t.Fatalf("there is no machine %s", name)
	return nil
}
