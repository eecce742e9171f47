package emulator

import (
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestStateOfOld opens what an older version left when it was killed: two masters
// behind a rule, one of them draining, a managed group, a snapshot, what a guest
// wrote, and a machine on its way (testdata/state.txt). All of it is there, and
// what was under way comes to its end.
func TestStateOfOld(t *testing.T) {
	packed, err := os.Open("testdata/state.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	state, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.web.Close()
	w.s.Close()
	if err := os.WriteFile(w.path, state, 0o600); err != nil {
		t.Fatal(err)
	}
	w.open()
	var paths strings.Builder
	for _, o := range w.s.Snapshot() {
		paths.WriteString(o.Path + "\n")
	}
	want, err := os.ReadFile("testdata/state.txt")
	if err != nil {
		t.Fatal(err)
	}
	if paths.String() != string(want) {
		t.Errorf("there is\n%s, want\n%s", paths.String(), want)
	}
	_, late := w.send("POST", zoneB+"instances?requestId=6ba7b810-9dad-41d1-80b4-00c04fd430c8", instance("late", nil))
	w.wait(late)
	for _, name := range []string{zoneB + "instances/m1", zoneC + "instances/m2", zoneB + "instances/late"} {
		if got := doc.Str(w.get(name), "status"); got != "RUNNING" {
			t.Errorf("%s is %s, want RUNNING", name, got)
		}
	}
	w.stable("mg", 2)
	if all, err := w.guest("m1").GuestAttributes(); err != nil || all["hakube"]["phase"] != "up" {
		t.Errorf("the guest wrote %v, %v; want phase up", all, err)
	}
	if n := w.backend.net(); len(n.Machines) != 5 || len(n.Balancers) != 1 || len(n.Firewalls) != 1 {
		t.Errorf("behind the API are %d machines, %d balancers, %d rules, want 5, 1, 1", len(n.Machines), len(n.Balancers), len(n.Firewalls))
	}
	w.made("POST", zoneB+"disks/m1/createSnapshot", doc.Obj{"name": "another"})
	w.made("DELETE", zoneB+"instances/late", nil)
}
