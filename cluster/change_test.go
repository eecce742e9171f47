package cluster

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/replicate/etcdtest"
)

// made is what the machines of a zone's pool are made from: their types, by name.
func (w *world) made(zone string) map[string]string {
	w.t.Helper()
	all, err := w.Client.Instances(zone).List(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	types := map[string]string{}
	for _, i := range all {
		if strings.Contains(i.GetName(), "-group-") {
			types[i.GetName()] = gce.Base(i.GetMachineType())
		}
	}
	return types
}

// templates are the names of all there are.
func (w *world) templates() (names []string) {
	w.t.Helper()
	all, err := w.Client.InstanceTemplates().List(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, x := range all {
		names = append(names, x.GetName())
	}
	slices.Sort(names)
	return names
}

// ofType is the same operator, whose nodes are to be of that machine type.
func (o *operator) ofType(name settings.Name) *operator {
	return o.again(func(s *settings.Settings) { s.NodeSize = name })
}

// TestPoolChanged is the seed's "adjust the type, adjust the number": another NODE_SIZE is
// planned with its reason, replaces the nodes of the zone and of no other, leaves nothing
// of before, and is as it is from then on for whoever names none.
func TestPoolChanged(t *testing.T) {
	besideOthers(t)
	w, b := newDrainWorld(t)
	before := w.objects()
	o := w.operator(func(s *settings.Settings) { s.NumNodes = 3 })
	w.mustUp(o)
	w.mustUp(o.pool(zoneC, 1))
	old, other := w.byAge(o, zoneB), w.made(zoneC)
	for _, n := range old {
		w.put(o, "web-"+n, n)
	}
	larger := o.ofType("e2-standard-4")

	var why string
	_, changes := w.counts(func() {
		if n, err := larger.PreviewUp(context.Background(), func(e plan.Event) {
			if strings.HasPrefix(e.Step, "nodes of kubernetes-minion-group in") {
				why += e.Why
			}
		}); err != nil || n == 0 {
			t.Errorf("plan: %d steps, %v", n, err)
		}
	})
	if want := "3 of 3 to be replaced, NODE_SIZE=e2-standard-2 (now it is e2-standard-4): " + old[0]; changes != 0 || !strings.Contains(why, "NODE_SIZE=e2-standard-2 (now it is e2-standard-4)") {
		t.Errorf("plan says %q with %d changes, want %q", why, changes, want)
	}

	most := 0
	b.from = func(string) error { most = max(most, len(w.made(zoneB))); return nil }
	s := w.mustUp(larger)
	if got := nodesByZone(s); got[zoneB] != 3 || got[zoneC] != 1 {
		t.Errorf("Ready are %v", got)
	}
	for name, of := range w.made(zoneB) {
		if of != "e2-standard-4" || slices.Contains(old, name) {
			t.Errorf("%s is an %s", name, of)
		}
	}
	if diff := cmp.Diff(other, w.made(zoneC)); diff != "" {
		t.Errorf("another zone's pool (-before +after):\n%s", diff)
	}
	if len(b.evicted) < 3 || most != 4 {
		t.Errorf("%d pods were evicted, of at most %d machines", len(b.evicted), most)
	}
	if n := len(w.nodes(o)); n != 5 {
		t.Errorf("%d Nodes", n)
	}
	for _, same := range []*operator{larger, o.again(func(s *settings.Settings) { *s = s.Said("NODE_SIZE", false).Said("NUM_NODES", false) })} {
		nothingToDo(t, w, same)
	}
	if got := w.templates(); len(got) != 2 {
		t.Errorf("templates %q", got)
	}
	w.mustUp(o.pool(zoneC, 1).ofType("e2-standard-4")) // the same as in b, so the first one goes
	if got := w.templates(); len(got) != 1 || got[0] == "kubernetes-minion-template" {
		t.Errorf("templates %q", got)
	}
	if s := w.mustUp(larger.again(func(s *settings.Settings) { s.NumNodes = 2 })); nodesByZone(s)[zoneB] != 2 {
		t.Errorf("Ready are %v", nodesByZone(s))
	}
	w.mustDown(o.pool(zoneC, 0))
	w.mustDown(o)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// newBrokenWorld is a drain's world in which no machine that boots gets its programs while
// broken is set. Whoever waits for such a one waits out his limit: it has to be long enough
// for a machine of a busy host to come to where it fails, or nobody is told why it did.
func newBrokenWorld(t *testing.T) (w *world, b *budgets, broken *atomic.Bool) {
	t.Helper()
	broken = &atomic.Bool{}
	w, b = newDrainWorld(t, func(o *etcdtest.Options) {
		o.Installing = func(string, func(string)) error {
			if broken.Load() {
				return errors.New("no space left on device")
			}
			return nil
		}
	})
	return w, b, broken
}

// TestPoolChangeStops: at the first new node that does not get Ready nothing old is
// touched, status names what is going on, whoever sets nothing goes on with it, and with
// the value of before it goes back to the machines there are.
func TestPoolChangeStops(t *testing.T) {
	long(t, "TestPoolChanged")
	besideOthers(t)
	w, b, broken := newBrokenWorld(t)
	o := w.operator()
	w.mustUp(o)
	old := w.made(zoneB)
	for n := range old {
		w.put(o, "db-"+n, n)
		b.keep("db-" + n)
	}
	larger := o.again(func(s *settings.Settings) {
		s.NodeSize, s.Surge, s.GroupTimeout, s.DrainTimeout = "e2-standard-4", 2, settings.Seconds(12*time.Second), settings.Seconds(2*time.Second)
	})

	broken.Store(true)
	_, err := larger.Up(context.Background(), w.events())
	if err == nil || !strings.Contains(err.Error(), "no space left on device") || !strings.Contains(err.Error(), "\tKUBE_GCE_ZONE=europe-west1-b KUBE_USE_EXISTING_MASTER=true NUM_NODES=2 hakube up") {
		t.Fatalf("new nodes that do not get Ready: %v", err)
	}
	for _, n := range w.nodes(o) {
		if n.Spec.Unschedulable {
			t.Errorf("%s is cordoned", n.Name)
		}
	}
	if s, err := o.Status(context.Background()); err != nil || len(s.Unfinished) == 0 {
		t.Errorf("status: %+v, %v", s, err)
	}
	broken.Store(false)
	larger = larger.again(func(s *settings.Settings) { s.GroupTimeout = settings.Seconds(time.Minute) }) // nothing waits in vain any more
	for n := range w.made(zoneB) {
		if old[n] == "" { // the group makes another one
			if err := w.Client.Instances(zoneB).Delete(context.Background(), n); err != nil {
				t.Fatal(err)
			}
		}
	}

	_, err = o.again(func(s *settings.Settings) {
		*s = larger.settings.Said("NODE_SIZE", false).Said("NUM_NODES", false)
		s.GroupTimeout = settings.Seconds(time.Minute)
	}).Up(context.Background(), w.events())
	if err == nil || !strings.Contains(err.Error(), "disruption budget") {
		t.Fatalf("budgets that do not give way: %v", err)
	}
	if len(b.evicted) > 0 {
		t.Errorf("evicted against their budget: %q", b.evicted)
	}
	now := w.made(zoneB)
	for n := range old {
		if now[n] == "" {
			t.Errorf("%s is gone, with a pod on it that may not leave", n)
		}
	}

	w.mustUp(o.again(func(s *settings.Settings) { *s = s.Said("NODE_SIZE", true) })) // its default, which is what there was
	if diff := cmp.Diff(old, w.made(zoneB)); diff != "" {
		t.Errorf("back to what there was (-before +after):\n%s", diff)
	}
	for _, n := range w.nodes(o) {
		if n.Spec.Unschedulable {
			t.Errorf("%s stays cordoned", n.Name)
		}
	}
	if got := w.templates(); len(got) != 1 {
		t.Errorf("templates %q", got)
	}
}

// TestPoolChangeNeedsRoom: machines that are replaced need addresses beside those that come
// first. Where there are none it is refused before the first change, and not waited for.
func TestPoolChangeNeedsRoom(t *testing.T) {
	w := newWorld(t)
	o := w.operator(func(s *settings.Settings) { s.NumNodes, s.NodeRange.Prefix = 3, netip.MustParsePrefix("10.40.0.0/29") })
	w.mustUp(o)
	w.unchanged(func() {
		_, err := o.ofType("e2-standard-4").Up(context.Background(), w.events())
		if err == nil || !strings.Contains(err.Error(), "NODE_IP_RANGE=10.40.0.0/29 of cluster kubernetes has room for 4 machines; 1 masters, 0 nodes in other pools and NUM_NODES=3, with 1 more while nodes are replaced (HAKUBE_SURGE), are 5") {
			t.Errorf("a fifth machine of four: %v", err)
		}
	})
	nothingToDo(t, w, o)
}
