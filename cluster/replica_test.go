package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/cluster/step"
	"hakube/gce"
)

// replica is the same operator, who speaks of one more or one less master.
func (o *operator) replica(zone settings.Zone) *operator {
	return o.again(func(s *settings.Settings) { s.Zone, s.ReplicateMaster, s.DeleteNodes = zone, true, false })
}

// mastersOf are the masters that vote in both rings, by name.
func mastersOf(t *testing.T, s *Summary) (names []string) {
	t.Helper()
	for _, ring := range rings.Names {
		var here []string
		for _, m := range s.Evidence.Rings[ring].Members {
			if m.Learner {
				t.Errorf("%s is a learner in ring %s", m.Name, ring)
			}
			here = append(here, m.Name)
		}
		slices.Sort(here)
		if names != nil && !slices.Equal(names, here) {
			t.Errorf("rings have %v and %v", names, here)
		}
		names = here
	}
	return names
}

// TestGrowAndShrink goes from one master to three and back, and ends where it
// began.
func TestGrowAndShrink(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	before := w.objects()
	o := w.operator()
	w.mustUp(o)
	one := w.objects()

	two := w.mustUp(o.replica(zoneC))
	if got := mastersOf(t, two); len(got) != 2 || !strings.HasPrefix(two.Replica, "kubernetes-master-") || !slices.Contains(got, two.Replica) {
		t.Errorf("masters are %v, the new one is %s", got, two.Replica)
	}
	if !slices.Contains(two.Warnings, status.TwoMasters) {
		t.Errorf("no warning at two masters: %v", two.Warnings)
	}
	if two.Dark == nil || two.Dark.Probes == 0 {
		t.Errorf("nothing was probed: %+v", two.Dark)
	}
	three := w.mustUp(o.replica(zoneD))
	if got := mastersOf(t, three); len(got) != 3 || len(three.Warnings) != 0 {
		t.Errorf("masters are %v, warnings %v", got, three.Warnings)
	}
	if n, err := o.PreviewUp(context.Background(), nil); err != nil || n != 0 {
		t.Errorf("there is still something to do: %d steps, %v", n, err)
	}
	if got := w.backendsOf(o); len(got) != 3 {
		t.Errorf("backends are %v", got)
	}

	w.mustDown(o.replica(zoneC))
	last := w.mustDown(o.replica(zoneD))
	if len(last.Warnings) != 0 {
		t.Errorf("warnings at the end: %v", last.Warnings)
	}
	if diff := cmp.Diff(withoutTimes(one), withoutTimes(w.objects())); diff != "" {
		t.Errorf("objects after going up and down (-before +after):\n%s", diff)
	}
	if got := mastersOf(t, w.mustUp(o)); !slices.Equal(got, []string{"kubernetes-master"}) {
		t.Errorf("masters at the end are %v", got)
	}
	w.mustDown(o)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// withoutTimes is objects without what each change to them renews.
func withoutTimes(all map[string]map[string]any) map[string]map[string]any {
	for _, o := range all {
		delete(o, "fingerprint")
	}
	return all
}

func (w *world) backendsOf(o *operator) []step.Backend {
	w.t.Helper()
	r := o.runFor(settings.Up, hold{})
	all, err := step.Backends(context.Background(), r.Env)
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// TestTwoInOneZone: run twice, it makes two.
func TestTwoInOneZone(t *testing.T) {
	long(t, "TestGrowAndShrink")
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o)
	a, b := w.mustUp(o.replica(zoneB)), w.mustUp(o.replica(zoneB))
	if a.Replica == b.Replica || len(mastersOf(t, b)) != 3 {
		t.Errorf("replicas %s and %s, masters %v", a.Replica, b.Replica, mastersOf(t, b))
	}
	w.mustDown(o.replica(zoneB))
	w.mustDown(o.replica(zoneB))
	if got := mastersOf(t, w.mustUp(o)); len(got) != 1 {
		t.Errorf("masters at the end are %v", got)
	}
	w.mustDown(o)
}

// TestFirstBornLeaves: it is a master like any other.
func TestFirstBornLeaves(t *testing.T) {
	w, _ := newModelWorld(t)
	o := w.operator()
	address := w.mustUp(o).Address
	c := w.mustUp(o.replica(zoneC)).Replica
	gone := w.mustDown(o.replica(zoneB).again(func(s *settings.Settings) { s.ReplicaName = "kubernetes-master" }))
	if gone.Replica != "kubernetes-master" {
		t.Errorf("%s was removed", gone.Replica)
	}
	h, err := o.runFor(settings.Up, hold{}).Holder(context.Background())
	if err != nil || h.Machine != c || h.IP != address {
		t.Errorf("the address is held by %+v, %v; want %s", h, err, c)
	}
	var no *refusal.Refused
	if _, err := o.Up(context.Background(), nil); !errors.As(err, &no) || !strings.Contains(no.Cure, "KUBE_GCE_ZONE=europe-west1-c") {
		t.Errorf("up in the zone the cluster left: %v", err)
	}
	s := w.mustUp(o.again(func(s *settings.Settings) { s.Zone = zoneC; s.NumNodes = 1 }))
	if got := mastersOf(t, s); !slices.Equal(got, []string{c}) {
		t.Errorf("masters are %v", got)
	}
	w.mustUp(o.replica(zoneD))
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
	if s := w.mustDown(o); !s.Nothing {
		t.Error("something was left")
	}
}

// TestFromStart: the address is on the balancer from create on and never moves.
func TestFromStart(t *testing.T) {
	w, _ := newModelWorld(t)
	o := w.operator(func(s *settings.Settings) { s.LoadBalancer = settings.FromStart })
	w.mustUp(o)
	on := func(when string) {
		t.Helper()
		if h, err := o.runFor(settings.Up, hold{}).Holder(context.Background()); err != nil || h.Rule == "" {
			t.Errorf("%s the address is held by %+v, %v", when, h, err)
		}
	}
	on("after create")
	plain := o.shell(t, nil) // who does not set the variable later
	for _, s := range []*Summary{w.mustUp(plain.replica(zoneC)), w.mustDown(plain.replica(zoneC))} {
		if s.Dark.Failed != 0 {
			t.Errorf("%s: %d of %d probes failed", s.Mode, s.Dark.Failed, s.Dark.Probes)
		}
		on(string(s.Mode))
	}
	if n, err := plain.PreviewUp(context.Background(), nil); err != nil || n != 0 {
		t.Errorf("there is still something to do: %d steps, %v", n, err)
	}
	w.mustDown(plain)
}

// TestReplicaRefused: nothing changes.
func TestReplicaRefused(t *testing.T) {
	w, _ := newModelWorld(t)
	o := w.operator(func(s *settings.Settings) { s.Multizone = false })
	refused := func(what string, o *operator, verb settings.Verb, words ...string) {
		t.Helper()
		var err error
		_, changes := w.counts(func() {
			if verb == settings.Up {
				_, err = o.Up(context.Background(), nil)
			} else {
				_, err = o.Down(context.Background(), nil)
			}
		})
		if err == nil || changes != 0 {
			t.Errorf("%s: %d changes, %v", what, changes, err)
			return
		}
		for _, word := range words {
			if !strings.Contains(err.Error()+hintOf(err), word) {
				t.Errorf("%s: %q does not say %q; hint: %s", what, err, word, hintOf(err))
			}
		}
	}
	refused("no cluster", o.replica(zoneB), settings.Up, "has no master in project local", "KUBE_GCE_ZONE=europe-west1-b hakube up")
	w.mustUp(o)
	refused("one zone only", o.replica(zoneC), settings.Up, "MULTIZONE=false", "europe-west1-b")
	refused("no such zone", o.replica("europe-west1-x"), settings.Up, "there is no such zone")
	far := w.operator(func(s *settings.Settings) { s.Zone, s.ReplicateMaster = "us-east1-b", true })
	refused("another region", far, settings.Up, "is in region europe-west1")
	refused("the last", o.replica(zoneB), settings.Down, "is the last master", "remove the whole cluster:\n\thakube down")
	refused("another size", o.replica(zoneB).again(func(s *settings.Settings) { s.MasterSize = "e2-standard-8" }), settings.Up, "MASTER_SIZE=e2-standard-2")
	if s := w.mustDown(o.replica(zoneC)); !s.Nothing {
		t.Error("a master was removed from a zone that has none")
	}
	w.mustUp(o.replica(zoneB))
	if err := w.Client.Instances(zoneB).Stop(context.Background(), "kubernetes-master"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []settings.Name{"", "kubernetes-master"} {
		refused("one of two while the other is dead", o.replica(zoneB).again(func(s *settings.Settings) { s.ReplicaName = name }), settings.Down, "quorum")
	}
	w.mustUp(o) // starts it again
	w.mustDown(o)
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// TestRollBack: what fails before the new master votes leaves the cluster as it
// was, the address included.
func TestRollBack(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o)
	before := w.objects()
	for _, step := range []string{"/disks", "/instances", "/healthChecks", "/backendServices", "/forwardingRules", "/addInstances"} {
		if testing.Short() && step != "/instances" && step != "/addInstances" {
			continue // one before the replica is in the rings, one after
		}
		t.Run(strings.Trim(step, "/"), func(t *testing.T) {
			w.setFault(failing(step))
			_, err := o.replica(zoneC).Up(context.Background(), w.events())
			w.setFault(nil)
			var back *RolledBack
			if !errors.As(err, &back) || !strings.Contains(err.Error(), "Quota") {
				t.Fatalf("not rolled back: %v", err)
			}
			if diff := cmp.Diff(withoutTimes(before), withoutTimes(w.objects())); diff != "" {
				t.Errorf("objects (-before +after):\n%s", diff)
			}
			if got := mastersOf(t, w.mustUp(o)); len(got) != 1 {
				t.Errorf("masters are %v", got)
			}
		})
	}
	w.mustUp(o.replica(zoneC))
}

// TestDownOfTheDead: the cluster is removed in both forms though no master lives,
// balancer and all.
func TestDownOfTheDead(t *testing.T) {
	for name, zone := range map[string]settings.Zone{"by zone": zoneB, "wherever it is": ""} {
		t.Run(name, func(t *testing.T) {
			w, _ := newModelWorld(t)
			before := w.objects()
			o := w.operator()
			w.mustUp(o)
			in := settings.Zone(zoneC)
			if zone != "" {
				in = zoneB // that zone must hold all there is
			}
			second := w.mustUp(o.replica(in)).Replica
			for _, m := range []struct{ zone, name string }{{zoneB, "kubernetes-master"}, {string(in), second}} {
				if err := w.Client.Instances(m.zone).Stop(context.Background(), m.name); err != nil {
					t.Fatal(err)
				}
			}
			w.mustDown(o.again(func(s *settings.Settings) { s.Zone = zone }))
			if diff := cmp.Diff(before, w.objects()); diff != "" {
				t.Errorf("objects after down (-before +after):\n%s", diff)
			}
		})
	}
}

// TestNoVoteForTheDead: a learner that caught up and died gets no vote, which
// etcd itself would give it. The ring of one goes on.
func TestNoVoteForTheDead(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o)
	name := o.want().Names.Replica(zoneC, 0)
	clock, dead := impatient()
	_, err := o.replica(zoneC).by(clock).Up(context.Background(), func(e plan.Event) {
		if e.Step == "API answers through the balancer" && e.Kind.Final() {
			if err := w.Client.Instances(zoneC).Stop(context.Background(), name); err != nil {
				t.Error(err)
			}
			dead()
		}
	})
	var back *RolledBack
	if !errors.As(err, &back) {
		t.Fatalf("not rolled back: %v", err)
	}
	if got := mastersOf(t, w.mustUp(o)); len(got) != 1 {
		t.Errorf("masters are %v", got)
	}
	w.mustDown(o)
}

// impatient gives limits that are over after five seconds, from dead on: what waits
// for a machine that cannot answer any more does not wait for its whole minute.
func impatient() (_ plan.Clock, dead func()) {
	var gone atomic.Bool
	return func(d time.Duration) <-chan time.Time {
		if gone.Load() {
			d = min(d, 5*time.Second)
		}
		return time.After(d)
	}, func() { gone.Store(true) }
}

func (o *operator) want() *settings.Spec { return &o.runFor(settings.Up, hold{}).Want }

// TestInterruptedMove: whoever interrupts a run while the address is on its way
// does not leave the API dark; run again, it ends well.
func TestInterruptedMove(t *testing.T) {
	besideOthers(t)
	for _, m := range []struct {
		name string
		at   string
		Kind plan.Kind
		run  func(context.Context, *operator, func(plan.Event)) error
	}{
		{"there", "address kubernetes-master-ip off the master", plan.Made, func(ctx context.Context, o *operator, report func(plan.Event)) error {
			_, err := o.replica(zoneC).Up(ctx, report)
			return err
		}},
		{"and back", "forwarding rule kubernetes-master", plan.Removed, func(ctx context.Context, o *operator, report func(plan.Event)) error {
			_, err := o.replica(zoneC).Down(ctx, report)
			return err
		}},
	} {
		t.Run(m.name, func(t *testing.T) {
			w, _ := newModelWorld(t)
			o := w.operator()
			w.mustUp(o)
			if m.Kind == plan.Removed {
				w.mustUp(o.replica(zoneC))
			}
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			err := m.run(ctx, o, func(e plan.Event) {
				if e.Step == m.at && e.Kind == m.Kind {
					stop()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("the interrupted run ended with: %v", err)
			}
			r := o.runFor(settings.Up, hold{})
			h, err := r.Holder(context.Background())
			if err != nil || h.Machine != "kubernetes-master" {
				t.Errorf("the address is held by %+v, %v", h, err)
			}
			if why := r.Ready(context.Background(), h.IP); why != "" {
				t.Errorf("the API: %s", why)
			}
			if err := m.run(context.Background(), o, nil); err != nil {
				t.Errorf("again: %v", err)
			}
			w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
		})
	}
}

// TestDeadReplicaLeaves: it is the first to go, through a living one.
func TestDeadReplicaLeaves(t *testing.T) {
	long(t, "TestRepair")
	besideOthers(t)
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o)
	dead := w.mustUp(o.replica(zoneC)).Replica
	w.mustUp(o.replica(zoneC))
	if err := w.Client.Instances(zoneC).Stop(context.Background(), dead); err != nil {
		t.Fatal(err)
	}
	if s := w.mustDown(o.replica(zoneC)); s.Replica != dead {
		t.Errorf("%s was removed, %s is dead", s.Replica, dead)
	}
	if _, err := w.Client.Instances(zoneC).Get(context.Background(), dead); !gce.IsNotFound(err) {
		t.Errorf("its machine: %v", err)
	}
	if got := mastersOf(t, w.mustUp(o)); len(got) != 2 || slices.Contains(got, dead) {
		t.Errorf("masters are %v", got)
	}
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
}
