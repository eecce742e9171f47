package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/kube"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce/gcetest"
)

const (
	zoneB = gcetest.Zone
	zoneC = "europe-west1-c"
	zoneD = "europe-west1-d"
)

// pool is the same operator, who speaks of a zone's pool only.
func (o *operator) pool(zone settings.Zone, n settings.Count) *operator {
	return o.again(func(s *settings.Settings) { s.Zone, s.NumNodes, s.UseExistingMaster = zone, n, true })
}

// objectsOf is what is in one zone or, of "", what is in none.
func (w *world) objectsOf(zone string) map[string]map[string]any {
	w.t.Helper()
	all := w.objects()
	for begin := time.Now(); !settled(all); all = w.objects() {
		if time.Since(begin) > 3*time.Minute {
			w.t.Fatal("machines are neither running nor stopped")
		}
		time.Sleep(time.Millisecond)
	}
	maps.DeleteFunc(all, func(path string, doc map[string]any) bool {
		// What lists its users changes with each of them.
		return zone != "" && !strings.Contains(path, "/zones/"+zone+"/") ||
			zone == "" && (strings.Contains(path, "/zones/") || strings.Contains(path, "/subnetworks/") || strings.Contains(path, "/networks/"))
	})
	return all
}

// settled tells that no machine is on the way: a node here is Ready a moment
// before Compute Engine calls its machine RUNNING.
func settled(all map[string]map[string]any) bool {
	for path, doc := range all {
		if st := doc["status"]; strings.Contains(path, "/instances/") && st != "RUNNING" && st != "TERMINATED" {
			return false
		}
	}
	return true
}

// zonesOf counts Ready nodes by zone.
func nodesByZone(s *Summary) map[string]int {
	n := map[string]int{}
	for _, x := range s.Evidence.Nodes {
		if x.Ready && !x.Master {
			n[x.Zone]++
		}
	}
	return n
}

// TestPools is the walkthrough's way of growing and shrinking by pools.
func TestPools(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	before := w.objects()
	o := w.operator()
	w.mustUp(o)
	home, global := w.objectsOf(zoneB), w.objectsOf("")

	up := func(zone settings.Zone, n settings.Count, want map[string]int) {
		t.Helper()
		if got := nodesByZone(w.mustUp(o.pool(zone, n))); !maps.Equal(got, want) {
			t.Errorf("%d nodes in %s: Ready are %v, want %v", n, zone, got, want)
		}
		if _, change := w.counts(func() { w.mustUp(o.pool(zone, n)) }); change != 0 {
			t.Errorf("%d nodes in %s: the second up made %d changing calls", n, zone, change)
		}
		if n, err := o.pool(zone, n).PreviewUp(context.Background(), nil); err != nil || n != 0 {
			t.Errorf("preview after it: %d steps, %v", n, err)
		}
	}
	up(zoneC, 3, map[string]int{zoneB: 2, zoneC: 3})
	c := w.objectsOf(zoneC)
	up(zoneD, 2, map[string]int{zoneB: 2, zoneC: 3, zoneD: 2})
	if diff := cmp.Diff(c, w.objectsOf(zoneC)); diff != "" {
		t.Errorf("a pool in d changed c (-before +after):\n%s", diff)
	}
	d := w.objectsOf(zoneD)
	up(zoneC, 5, map[string]int{zoneB: 2, zoneC: 5, zoneD: 2})
	up(zoneC, 2, map[string]int{zoneB: 2, zoneC: 2, zoneD: 2})
	if s := w.mustUp(o); len(s.Evidence.Nodes) != 7 {
		t.Errorf("up of the first zone sees %d nodes, want 7", len(s.Evidence.Nodes))
	}

	_, err := o.Down(context.Background(), nil)
	var no *refusal.Refused
	if !errors.As(err, &no) || !strings.Contains(no.Hint(), "KUBE_GCE_ZONE=europe-west1-c KUBE_USE_EXISTING_MASTER=true hakube down\n\t"+
		"KUBE_GCE_ZONE=europe-west1-d KUBE_USE_EXISTING_MASTER=true hakube down\n\tKUBE_GCE_ZONE=europe-west1-b hakube down\n") {
		t.Errorf("down while there are pools: %v", err)
	}

	if s := w.mustDown(o.pool(zoneC, 2)); s.Nothing || s.Mode != settings.RemovePool || len(s.Left) > 0 || len(s.Warnings) > 0 {
		t.Errorf("summary %+v", s)
	}
	if left := w.objectsOf(zoneC); len(left) > 0 {
		t.Errorf("left in c: %v", slices.Sorted(maps.Keys(left)))
	}
	for zone, was := range map[string]map[string]map[string]any{zoneB: home, zoneD: d, "": global} {
		if diff := cmp.Diff(was, w.objectsOf(zone)); diff != "" {
			t.Errorf("removing the pool of c changed %q (-before +after):\n%s", zone, diff)
		}
	}
	if n := len(w.nodes(o)); n != 5 {
		t.Errorf("%d nodes, want 5", n)
	}
	if _, change := w.counts(func() {
		if s := w.mustDown(o.pool(zoneC, 2)); !s.Nothing {
			t.Errorf("the second removal found something")
		}
	}); change != 0 {
		t.Errorf("the second removal made %d changing calls", change)
	}
	w.mustDown(o.pool(zoneD, 2))
	w.mustDown(o)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// TestPoolOfFirstZone: there too the modes are about the pool and no more.
func TestPoolOfFirstZone(t *testing.T) {
	w := newWorld(t)
	before := w.objects()
	o := w.operator()
	w.mustUp(o)
	if got := nodesByZone(w.mustUp(o.pool(zoneB, 3))); got[zoneB] != 3 {
		t.Errorf("nodes %v", got)
	}
	w.mustDown(o.pool(zoneB, 3))
	if n := w.nodes(o); len(n) != 1 || n[0].Name != "kubernetes-master" {
		t.Errorf("nodes %+v", n)
	}
	if got := nodesByZone(w.mustUp(o.pool(zoneB, 1))); got[zoneB] != 1 {
		t.Errorf("nodes after it was made again: %v", got)
	}
	w.mustDown(o)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// TestDownEveryZone: without a zone all pools go with the cluster.
func TestDownEveryZone(t *testing.T) {
	w := newWorld(t)
	before := w.objects()
	o := w.operator()
	w.mustUp(o)
	w.mustUp(o.pool(zoneC, 2))
	w.mustUp(o.pool(zoneD, 1))
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// TestSecondOperatorOfPool: kubectl works for whoever adds a pool.
func TestSecondOperatorOfPool(t *testing.T) {
	w := newWorld(t)
	w.mustUp(w.operator())
	other := w.operator()
	s := w.mustUp(other.pool(zoneC, 1))
	if config, err := kube.LoadFile(other.kubeconfig); err != nil || !kube.HasEntry(config, s.Context) {
		t.Errorf("no kubeconfig entry: %v", err)
	}
	third := w.operator()
	if s := w.mustDown(third.pool(zoneC, 1)); len(s.Warnings) > 0 {
		t.Errorf("somebody without credentials removed it undrained: %q", s.Warnings)
	}
	if n := len(w.nodes(other)); n != 3 {
		t.Errorf("%d nodes, want 3", n)
	}
}

// TestRemovePoolOfDeadCluster: it goes without being drained, which is said.
func TestRemovePoolOfDeadCluster(t *testing.T) {
	besideOthers(t)
	for name, kill := range map[string]func(context.Context, *world) error{
		"stopped": func(ctx context.Context, w *world) error {
			return w.Client.Instances(zoneB).Stop(ctx, "kubernetes-master")
		},
		"deleted": func(ctx context.Context, w *world) error {
			return w.Client.Instances(zoneB).Delete(ctx, "kubernetes-master")
		},
		"silent": func(_ context.Context, w *world) error {
			g, err := w.models.Guest("kubernetes-master", zoneB)
			if err != nil {
				return err
			}
			return g.CutOff()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			before := w.objects()
			o := w.operator()
			w.mustUp(o)
			w.mustUp(o.pool(zoneC, 2))
			if err := kill(context.Background(), w); err != nil {
				t.Fatal(err)
			}
			s := w.mustDown(o.pool(zoneC, 2))
			if len(s.Warnings) != 1 || !strings.HasPrefix(s.Warnings[0], "draining is not possible: ") {
				t.Errorf("warnings %q", s.Warnings)
			}
			if left := w.objectsOf(zoneC); len(left) > 0 {
				t.Errorf("left in c: %v", slices.Sorted(maps.Keys(left)))
			}
			w.mustDown(o)
			if diff := cmp.Diff(before, w.objects()); diff != "" {
				t.Errorf("objects after down (-before +after):\n%s", diff)
			}
		})
	}
}

// TestPoolWithoutTemplate: it is made again before the group that needs it.
func TestPoolWithoutTemplate(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	w.mustDown(o.pool(zoneB, 2))
	ctx := context.Background()
	was, err := w.Client.InstanceTemplates().Get(ctx, "kubernetes-minion-template")
	if err != nil {
		t.Fatalf("it went with the last pool: %v", err)
	}
	if err := w.Client.InstanceTemplates().Delete(ctx, "kubernetes-minion-template"); err != nil {
		t.Fatal(err)
	}
	if got := nodesByZone(w.mustUp(o.pool(zoneC, 1))); got[zoneC] != 1 {
		t.Errorf("nodes %v", got)
	}
	now, err := w.Client.InstanceTemplates().Get(ctx, "kubernetes-minion-template")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(was.GetProperties().String(), now.GetProperties().String()); diff != "" {
		t.Errorf("another template (-before +after):\n%s", diff)
	}
}

// TestGhostsOfEveryZone: what a removal without a master left is cleared by the
// next up of the cluster.
func TestGhostsOfEveryZone(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	w.mustUp(o.pool(zoneC, 1))
	w.mustUp(o.pool(zoneD, 1))
	ctx := context.Background()
	if err := w.Client.Instances(zoneB).Stop(ctx, "kubernetes-master"); err != nil {
		t.Fatal(err)
	}
	w.mustDown(o.pool(zoneC, 1))
	s := w.mustUp(o)
	if diff := cmp.Diff(map[string]int{zoneB: 2, zoneD: 1}, nodesByZone(s)); diff != "" || len(s.Evidence.Nodes) != 4 {
		t.Errorf("nodes %+v", s.Evidence.Nodes)
	}
}

// TestPoolRefused: each without a changing call, with the way out.
func TestPoolRefused(t *testing.T) {
	refused := func(w *world, o *operator, why, cure string) {
		w.t.Helper()
		var err error
		_, change := w.counts(func() { _, err = o.Up(context.Background(), nil) })
		var no *refusal.Refused
		if !errors.As(err, &no) || !strings.Contains(no.Why, why) || !strings.Contains(no.Cure, cure) || change != 0 {
			w.t.Errorf("%d changing calls, %v\nwant %q with the cure %q", change, err, why, cure)
		}
	}
	w := newWorld(t)
	ctx := context.Background()
	o := w.operator()
	refused(w, o.pool(zoneC, 1), "has no master in project local", "make the cluster first:\n\tKUBE_GCE_ZONE=europe-west1-c hakube up")
	w.mustUp(o)
	far := w.operator(func(s *settings.Settings) { s.Zone, s.UseExistingMaster = "us-east1-b", true })
	refused(w, far, "is in region europe-west1, and us-east1-b is a zone of another one", "name a zone of europe-west1")
	refused(w, o.pool(zoneC, 1).again(func(s *settings.Settings) { s.ClusterName = "prod" }), "CLUSTER_NAME=kubernetes (now it is prod)", "use the value")
	refused(w, o.pool(zoneC, 1018), "has room for 1020 machines; 1 masters, 2 nodes in other pools and NUM_NODES=1018 are 1021", "a smaller NUM_NODES")
	if _, err := o.pool("europe-west1-x", 1).Up(ctx, nil); err == nil || !strings.Contains(err.Error(), "there is no such zone") {
		t.Errorf("no zone: %v", err)
	}
	if _, err := o.pool("europe-west1-x", 1).Down(ctx, nil); err == nil || !strings.Contains(err.Error(), "there is no such zone") {
		t.Errorf("no zone: %v", err)
	}
	if err := w.Client.Instances(zoneB).Stop(ctx, "kubernetes-master"); err != nil {
		t.Fatal(err)
	}
	refused(w, o.pool(zoneC, 1), "kubernetes-master in europe-west1-b is TERMINATED", "\thakube repair")
	if err := w.Client.Instances(zoneB).Delete(ctx, "kubernetes-master"); err != nil {
		t.Fatal(err)
	}
	refused(w, o.pool(zoneC, 1), "there is only its disk", "\thakube repair")
}

// TestOneZoneOnly: MULTIZONE=false at create holds for good; its own zone may
// get more nodes.
func TestOneZoneOnly(t *testing.T) {
	w := newWorld(t)
	o := w.operator(func(s *settings.Settings) { s.Multizone = false })
	w.mustUp(o)
	for _, multizone := range []settings.Bool{true, false} {
		o := o.again(func(s *settings.Settings) { s.Multizone = multizone })
		_, err := o.pool(zoneC, 1).Up(context.Background(), nil)
		var no *refusal.Refused
		if !errors.As(err, &no) || !strings.Contains(no.Why, "was made with MULTIZONE=false: it has zone europe-west1-b and no other") {
			t.Errorf("MULTIZONE=%t: %v", multizone, err)
		}
		w.mustUp(o.pool(zoneB, 3))
	}
}
