//go:build linux

package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/cluster"
)

// TestRealHA types the examples of kOps' page about high availability that need no private
// network, with hakube in kOps' place and Compute Engine's zones in Amazon's, on real
// machines: three masters in three zones, and three in two, of which one zone's loss is the
// API's. Each ends valid, tells what it survives, and goes with nothing left.
func TestRealHA(t *testing.T) {
	if shortForms {
		t.Skip("it takes five minutes: make long runs it")
	}
	w := newWalk(t)
	w.limit = 20 * time.Minute // three masters and three nodes at once, on a host that has other work
	w.env = slices.DeleteFunc(withoutZone(w.env), func(kv string) bool { return strings.HasPrefix(kv, "NUM_NODES=") })
	w.ok(t, "local", "start", "--machines=real")
	b, c, d := zoneB, zoneC, zoneD
	for _, x := range []struct {
		name, typed string
		spread      []int // masters by zone
		zones       []string
	}{
		{"hacluster.example.com", "--node-count 3 --zones " + b + "," + c + "," + d + " --master-zones " + b + "," + c + "," + d, []int{1, 1, 1}, []string{b, c, d}},
		{"hacluster.k8s.local", "--node-count 3 --master-count 3 --zones " + b + "," + c + " --master-zones " + b + "," + c, []int{2, 1, 0}, []string{c}},
	} {
		if !t.Run(x.name, func(t *testing.T) {
			begin := time.Now()
			r := w.ok(t, append(append([]string{"up"}, strings.Fields(x.typed)...), x.name)...)
			report(t, "hakube up %s %s: valid after %.0f s", x.typed, x.name, time.Since(begin).Seconds())
			t.Log(r.stderr)
			w.machines(t)
			w.valid(t, x.name)
			var s cluster.Status
			decode(t, w.ok(t, "status", x.name, "--json").stdout, &s)
			for i, zone := range []string{b, c, d} {
				n := 0
				for _, m := range s.Masters {
					if m.Zone == zone && m.State == cluster.StateReady {
						n++
					}
				}
				if n != x.spread[i] {
					t.Errorf("%d masters are ready in %s, want %d: %+v", n, zone, x.spread[i], s.Masters)
				}
			}
			if s.Survives == nil || s.Survives.Masters != 1 || !slices.Equal(s.Survives.Zones, x.zones) {
				t.Errorf("it survives %+v, want one master, or zone %v", s.Survives, x.zones)
			}
			ready := 0
			for _, p := range s.Pools {
				if p.Ready != nil {
					ready += *p.Ready
				}
			}
			if ready != 3 {
				t.Errorf("%d nodes are Ready, want 3: %+v", ready, s.Pools)
			}
			t.Log(w.ok(t, "status", x.name).stdout)
			w.ok(t, "down", "--yes", x.name)
			if s := w.status(t); len(s.Objects) != 0 {
				t.Errorf("down left %v", s.Objects)
			}
		}) {
			t.FailNow()
		}
	}
	w.nothingLeft(t)
}
