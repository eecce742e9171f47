//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hakube/cluster/drill"
)

// drillKilled kills a drill with signal 9 while its failure is there.
func (s *shell) drillKilled(t *testing.T, args ...string) {
	t.Helper()
	_, said, _ := s.signalled(t, syscall.SIGKILL, []string{`"why":"failed: `}, append(append([]string{"drill", "--json", "--yes", "--anyway", "--for=60"}, args...), "master-halted")...)
	if !strings.Contains(said, "failed: ") {
		t.Fatalf("it did not come to its failure:\n%s", said)
	}
}

// TestDrillSignals: ^C takes the failure back before hakube ends; after a kill status names
// the command that does, no drill is begun before that, and it leaves nothing.
func TestDrillSignals(t *testing.T) {
	if testing.Short() {
		t.Skip("make test has it; a drill is ended in cluster too, by TestDrills")
	}
	besideOthers(t)
	s := newShell(t)
	s.ok(t, "local", "start", "--machines=model")
	s.ok(t, "up", "--zone="+zoneB)
	code, said, _ := s.signalled(t, os.Interrupt, []string{`"why":"failed: `}, "drill", "--json", "--yes", "--for=60", "apiserver-killed")
	if code != exitInterrupted || !strings.Contains(said, "finishing drill apiserver-killed of kubernetes-master") || !strings.Contains(said, "taken back") {
		t.Errorf("^C ends it with %d:\n%s", code, said)
	}
	s.ok(t, "validate", "--wait=1m")
	s.drillKilled(t)
	if said := s.ok(t, "status"); !strings.Contains(said, "drill master-halted of kubernetes-master was not taken back") || !strings.Contains(said, "hakube drill undo") {
		t.Errorf("status does not tell of it:\n%s", said)
	}
	if out, code := s.typed(t, t.TempDir(), s.exe, "drill", "--yes", "kubelet-dead"); code != exitFailed || !strings.Contains(out, "was not taken back") || !strings.Contains(out, "nothing was changed") {
		t.Errorf("another is begun: %d\n%s", code, out)
	}
	s.ok(t, "drill", "undo")
	s.ok(t, "validate", "--wait=1m")
	if installed("kubectl") {
		if out, _ := s.typed(t, t.TempDir(), "kubectl", "get", "configmaps", "--namespace=default"); strings.Contains(out, "hakube-drill") {
			t.Errorf("what it made is left:\n%s", out)
		}
	}
	if said := s.ok(t, "drill", "undo"); !strings.Contains(said, "nothing of a drill is left") {
		t.Errorf("undo again says\n%s", said)
	}
}

// TestDrillPage: the page has all drills and their timelines, and needs nothing of anybody.
func TestDrillPage(t *testing.T) {
	r := &drill.Report{Cluster: "c<1>", Passed: false, Drills: []drill.Result{{
		Drill: "apiserver-killed", Title: "an API server is killed", On: "m", Whole: new(12.34), Names: &drill.Load{Asked: 40, Lost: 2}, Marks: []drill.Mark{{At: 0, What: "failed"}, {At: 2, What: "taken back"}},
		Seconds: []drill.Second{{At: -1, Writes: 9, Reads: 10}, {At: 0, Failed: 3}, {At: 1, Writes: 1}}, Checks: []drill.Check{{What: "the API goes on", Got: "9 s"}},
	}}, Skipped: []drill.Skip{{Drill: "kubelet-dead", Why: "there is no node"}}}
	path := filepath.Join(t.TempDir(), "r.html")
	if err := writePage(r, path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, has := range []string{"c&lt;1&gt;", `id="apiserver-killed"`, `class="write"`, `class="failed"`, "2.0 s taken back", "there is no node", "the API goes on", "<td>–<td>12.3 s<td>–<td>2 of 40 lost"} {
		if !strings.Contains(page, has) {
			t.Errorf("the page lacks %q", has)
		}
	}
	for _, asset := range []string{"http:", "https:", "src=", "<script", "@import", "url(", "%!"} {
		if strings.Contains(page, asset) {
			t.Errorf("the page has %q, which it must not", asset)
		}
	}
}
