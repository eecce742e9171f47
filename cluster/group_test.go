package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/settings"
)

// TestSeveralGroups: more nodes than a group may have are several groups, as
// with kube-up; they grow and shrink without one node going for another.
func TestSeveralGroups(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	before := w.objects()
	o := w.operator(func(s *settings.Settings) { s.NumNodes, s.MaxPerGroup = 5, 2 })
	if got := nodesByZone(w.mustUp(o)); got[zoneB] != 5 {
		t.Fatalf("nodes %v", got)
	}
	sizes := func() string {
		var all []string
		groups, err := w.Client.InstanceGroupManagers(zoneB).List(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			all = append(all, fmt.Sprintf("%s %d", strings.TrimPrefix(g.GetName(), "kubernetes-minion-"), g.GetTargetSize()))
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	if got := sizes(); got != "group 2, group-1 2, group-2 1" {
		t.Errorf("groups %s", got)
	}
	for _, n := range []settings.Count{2, 6, 7} {
		was := w.byAge(o, zoneB)
		w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes = n }))
		now := w.byAge(o, zoneB)
		both := slices.DeleteFunc(slices.Clone(was), func(m string) bool { return !slices.Contains(now, m) })
		if len(now) != int(n) || len(both) != min(len(was), int(n)) {
			t.Errorf("NUM_NODES=%d: %q became %q", n, was, now)
		}
	}
	if got := sizes(); got != "group 2, group-1 2, group-2 2, group-3 1" {
		t.Errorf("groups %s", got)
	}
	if _, change := w.counts(func() { w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes = 7 })) }); change != 0 {
		t.Errorf("%d changing calls", change)
	}
	w.mustDown(o)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}
