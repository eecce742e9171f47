//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/cluster/drill"
)

// TestRealDrills makes drills on real machines: an API server killed and a kubelet dead with
// one master and two nodes, or for "make test-drills" all of them with three masters. Each
// passes, and nothing of it is left.
func TestRealDrills(t *testing.T) {
	w := newWalk(t)
	w.limit = 25 * time.Minute
	w.env = slices.DeleteFunc(withoutZone(w.env), func(kv string) bool { return strings.HasPrefix(kv, "NUM_NODES=") })
	w.ok(t, "local", "start", "--machines=real")
	names, masters, pages := []string{"apiserver-killed", "kubelet-dead"}, "1", t.TempDir()
	if said := strings.Fields(os.Getenv("HAKUBE_DRILLS")); len(said) > 1 { // how many masters, and which drills
		names, masters, pages = said[1:], said[0], filepath.Join("..", "..", "bin", "drills") // for who wants to look at them
		if err := os.MkdirAll(pages, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	zones := strings.Join([]string{zoneB, zoneC, zoneD}, ",")
	w.ok(t, "up", "--zones="+zones, "--master-count="+masters, "--node-count=2")
	w.machines(t)
	for _, name := range names {
		page := filepath.Join(pages, name+".html")
		ran, r := w.drilled(t, name, page)
		if !r.Passed { // a host that stands still for a while is no answer: what fails each time is
			t.Logf("made again: %s", ran.stderr)
			w.valid(t)
			ran, r = w.drilled(t, name, page)
		}
		for _, d := range r.Drills {
			report(t, "%s of %s: passed %t, longest stall of writes %.2f s, Node found out after %s, valid after %s, workload %s, names %s", d.Drill, d.On, d.Passed, d.Stall, inSeconds(d.NotReady), inSeconds(d.Whole), lostOf(d.Workload), lostOf(d.Names))
			t.Log(strings.Join(d.Text(), "\n"))
			for _, s := range d.Said {
				t.Logf("validate said: %s: %s", s.Why, s.Command)
			}
		}
		for _, x := range r.Skipped {
			report(t, "not made: %s: %s", x.Drill, x.Why)
		}
		if ran.code != 0 || !r.Passed || len(r.Drills) == 0 {
			t.Errorf("hakube drill %s exits with %d:\n%s", name, ran.code, ran.stderr)
		}
		if info, err := os.Stat(page); err != nil || info.Size() < 2000 {
			t.Errorf("the page is %v, %v", info, err)
		}
		w.valid(t)
	}
	w.ok(t, "down", "--yes")
	w.nothingLeft(t)
}

func (w *walk) drilled(t *testing.T, name, page string) (ran result, r drill.Report) {
	t.Helper()
	ran = w.run(t, "drill", "--json", "--yes", "--html="+page, name)
	decode(t, ran.stdout, &r)
	return ran, r
}

func lostOf(l *drill.Load) string {
	if l == nil {
		return "not asked"
	}
	return fmt.Sprintf("lost %d of %d", l.Lost, l.Asked)
}

func inSeconds(s *float64) string {
	if s == nil {
		return "never"
	}
	return time.Duration(*s * float64(time.Second)).Round(100 * time.Millisecond).String()
}
