package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/scripts"
)

// rollZone makes the nodes of a zone's pool again.
func (w *world) rollZone(o *operator, zone settings.Zone, all bool) *Summary {
	w.t.Helper()
	s, err := o.RollPool(context.Background(), string(zone), all, w.events())
	if err != nil {
		w.t.Fatalf("roll of the pool of %s: %v", zone, err)
	}
	return s
}

// rolledZone looks that there is nothing to roll of a zone, and nothing that speaks of it.
func (w *world) rolledZone(o *operator, zone settings.Zone) {
	w.t.Helper()
	w.unchanged(func() {
		if n, err := o.PreviewRollPool(context.Background(), string(zone), false, nil); err != nil || n != 0 {
			w.t.Errorf("plan of it once more: %d steps, %v", n, err)
		}
		if s, err := o.RollPool(context.Background(), string(zone), false, w.events()); err != nil || !s.Nothing || len(s.RolledPools) > 0 {
			w.t.Errorf("once more: %+v, %v", s, err)
		}
	})
	if s, err := o.Status(context.Background()); err != nil || len(s.Unfinished) > 0 {
		w.t.Errorf("unfinished: %+v, %v", s.Unfinished, err)
	}
}

// TestRollPool: nodes of another type are planned with the reason, and replaced in their zone
// alone, some at a time, Ready before as many old ones are drained and go; NUM_NODES is none
// of it. It is as it is from then on, also for up; with all they are made again once more.
func TestRollPool(t *testing.T) {
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
	larger := o.ofType("e2-standard-4").again(func(s *settings.Settings) { s.NumNodes = 5 })
	var told Rolling
	larger.OnRoll(func(x Rolling) error { told = x; return nil })
	w.unchanged(func() {
		if n, err := larger.PreviewRollPool(t.Context(), zoneB, false, w.events()); err != nil || n < 3 {
			t.Errorf("plan: %d steps, %v", n, err)
		}
	})
	want := Rolling{Masters: []Rolled{}, Pools: []RolledPool{{Zone: zoneB, Nodes: 3, Why: "NODE_SIZE=e2-standard-2 (now it is e2-standard-4)"}}}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("it tells (-want +got):\n%s", diff)
	}

	most := 0
	b.from = func(string) error { most = max(most, len(w.made(zoneB))); return nil }
	s := w.rollZone(larger, zoneB, false)
	if diff := cmp.Diff(want.Pools, s.RolledPools); diff != "" || len(s.Rolled) > 0 {
		t.Errorf("made again: %v (-want +got):\n%s", s.Rolled, diff)
	}
	if !slices.ContainsFunc(s.Warnings, func(x string) bool {
		return strings.Contains(x, "NUM_NODES=5 has no effect on the pool of europe-west1-b")
	}) {
		t.Errorf("warnings %q", s.Warnings)
	}
	made := w.made(zoneB)
	for name, of := range made {
		if of != "e2-standard-4" || slices.Contains(old, name) {
			t.Errorf("%s is an %s", name, of)
		}
	}
	if len(made) != 3 || len(b.evicted) < 3 || most != 4 {
		t.Errorf("%d machines, %d pods were evicted, of at most %d machines", len(made), len(b.evicted), most)
	}
	if diff := cmp.Diff(other, w.made(zoneC)); diff != "" {
		t.Errorf("another zone's pool (-before +after):\n%s", diff)
	}
	w.rolledZone(larger, zoneB)
	bare := o.again(func(s *settings.Settings) { *s = s.Said("NUM_NODES", false) })
	w.rolledZone(bare, zoneB)
	nothingToDo(t, w, bare)

	w.rollZone(bare, zoneB, true)
	now := w.made(zoneB)
	for name, of := range now {
		if made[name] != "" || of != "e2-standard-4" {
			t.Errorf("with all of them %s is still there, an %s", name, of)
		}
	}
	if len(now) != 3 || len(w.templates()) != 2 {
		t.Errorf("machines %v, templates %q", now, w.templates())
	}
	w.rolledZone(bare, zoneB)
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// ofBefore has a zone's pool made from a template with a startup script of before.
func (w *world) ofBefore(o *operator, zone settings.Zone) {
	w.t.Helper()
	ctx := context.Background()
	t, err := w.Client.InstanceTemplates().Get(ctx, "kubernetes-minion-template")
	if err != nil {
		w.t.Fatal(err)
	}
	x := &computepb.InstanceTemplate{Name: new("kubernetes-minion-template-0ff1c"), Description: t.Description, Properties: proto.Clone(t.GetProperties()).(*computepb.InstanceProperties)}
	step.Set(x.Properties.Metadata, scripts.KeyStartupScript, scripts.Startup()+"# of before\n")
	x.Properties.Metadata.Fingerprint, x.Properties.Metadata.Kind = nil, nil // nobody sends what is only told
	for _, d := range x.Properties.Disks {
		d.Index, d.Kind = nil, nil
	}
	for _, n := range x.Properties.NetworkInterfaces {
		n.Fingerprint, n.Kind, n.Name = nil, nil, nil
		for _, c := range n.AccessConfigs {
			c.Kind = nil
		}
	}
	groups := w.Client.InstanceGroupManagers(string(zone))
	if err = w.Client.InstanceTemplates().Insert(ctx, x); err == nil {
		err = groups.SetInstanceTemplate(ctx, "kubernetes-minion-group", x.GetName())
	}
	for name := range w.made(string(zone)) {
		if err == nil {
			err = w.Client.Instances(string(zone)).Delete(ctx, name) // its group makes another one
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.mustUp(o)
}

// TestRollPoolOfAnotherScript: nodes of another hakube's startup script are made again, which
// up tells of; a setting of up alone leaves them as they are.
func TestRollPoolOfAnotherScript(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	w.ofBefore(o, zoneB)
	s := w.mustUp(o)
	if !slices.ContainsFunc(s.Warnings, func(x string) bool {
		return strings.Contains(x, "nodes of europe-west1-b: the startup script is of another hakube") && strings.Contains(x, "\thakube roll pool europe-west1-b")
	}) {
		t.Errorf("up warns of %q", s.Warnings)
	}
	old := w.made(zoneB)
	r := w.rollZone(o, zoneB, false)
	if len(r.RolledPools) != 1 || !strings.HasPrefix(r.RolledPools[0].Why, "the startup script is of another hakube (") {
		t.Errorf("made again: %+v", r.RolledPools)
	}
	for name := range w.made(zoneB) {
		if old[name] != "" {
			t.Errorf("%s was not made again", name)
		}
	}
	if s := w.mustUp(o); slices.ContainsFunc(s.Warnings, func(x string) bool { return strings.Contains(x, "of another hakube") }) {
		t.Errorf("up still warns of %q", s.Warnings)
	}
	w.rolledZone(o, zoneB)
}

// TestRollPoolStops: at the first new node that does not get Ready, and at the first old one
// whose pods may not leave, it stops; status names the way on, that ends it, and with the
// values of before it goes back. No other roll is begun meanwhile.
func TestRollPoolStops(t *testing.T) {
	long(t, "TestRollPool")
	besideOthers(t)
	w, b, broken := newBrokenWorld(t)
	o := w.operator()
	w.mustUp(o)
	old := w.made(zoneB)
	larger := o.again(func(s *settings.Settings) {
		s.NodeSize, s.GroupTimeout, s.DrainTimeout = "e2-standard-4", settings.Seconds(12*time.Second), settings.Seconds(2*time.Second)
	})
	broken.Store(true)
	_, err := larger.RollPool(t.Context(), zoneB, false, w.events())
	if err == nil || !strings.Contains(err.Error(), "no space left on device") || !strings.Contains(err.Error(), "no further node was touched") || strings.Contains(err.Error(), "hakube up") {
		t.Fatalf("new nodes that do not get Ready: %v", err)
	}
	for _, n := range w.nodes(o) {
		if n.Spec.Unschedulable {
			t.Errorf("%s is cordoned", n.Name)
		}
	}
	s, err := o.Status(t.Context())
	if err != nil || len(s.Unfinished) == 0 || s.Unfinished[0].Command != "NODE_SIZE=e2-standard-4 hakube roll pool europe-west1-b" ||
		!strings.Contains(s.Unfinished[0].Step, "a roll of the pool of europe-west1-b is not done: pool of europe-west1-b: 2 of 3 nodes were not replaced yet") {
		t.Fatalf("status: %+v, %v", s.Unfinished, err)
	}
	w.unchanged(func() {
		_, err := o.RollMasters(t.Context(), true, w.events())
		if h := (interface{ Hint() string })(nil); !errors.As(err, &h) || !strings.Contains(h.Hint(), "\tNODE_SIZE=e2-standard-4 hakube roll pool europe-west1-b") {
			t.Errorf("another roll meanwhile: %v", err)
		}
	})
	broken.Store(false)
	larger = larger.again(func(s *settings.Settings) { s.GroupTimeout = settings.Seconds(time.Minute) }) // nothing waits in vain any more
	for n := range w.made(zoneB) {
		if old[n] == "" { // the group makes another one
			if err := w.Client.Instances(zoneB).Delete(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
	}

	for n := range old {
		w.put(o, "db-"+n, n)
		b.keep("db-" + n)
	}
	patient := larger.again(func(s *settings.Settings) { s.GroupTimeout = settings.Seconds(time.Minute) })
	if _, err = patient.RollPool(t.Context(), zoneB, false, w.events()); err == nil || !strings.Contains(err.Error(), "disruption budget") {
		t.Fatalf("budgets that do not give way: %v", err)
	}
	now := w.made(zoneB)
	for n := range old {
		if now[n] == "" || len(b.evicted) > 0 {
			t.Errorf("%s is gone, or what may not leave was evicted: %q", n, b.evicted)
		}
	}
	w.rollZone(o.again(func(s *settings.Settings) { *s = s.Said("NODE_SIZE", true) }), zoneB, false) // its default, which is what there was
	if diff := cmp.Diff(old, w.made(zoneB)); diff != "" {
		t.Errorf("back to what there was (-before +after):\n%s", diff)
	}
	for _, n := range w.nodes(o) {
		if n.Spec.Unschedulable {
			t.Errorf("%s stays cordoned", n.Name)
		}
	}
	w.rolledZone(o, zoneB)
}

// TestRollAll: masters first, then the pools zone by zone, those of a name too; cut between
// two of them status names the whole with what it was begun with, a part of it may be typed
// alone, and the same again does the rest.
func TestRollAll(t *testing.T) {
	long(t, "TestRollPool")
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	w.mustUp(o.named("gpu", zoneB, 1, "dedicated=gpu:NoSchedule"))
	w.mustUp(o.pool(zoneC, 1))
	larger := o.withMasters("e2-standard-4").ofType("e2-standard-4")
	var told Rolling
	larger.OnRoll(func(x Rolling) error { told = x; return nil })
	w.unchanged(func() {
		if n, err := larger.PreviewRoll(t.Context(), false, w.events()); err != nil || n < 10 {
			t.Errorf("plan: %d steps, %v", n, err)
		}
	})
	why := "NODE_SIZE=e2-standard-2 (now it is e2-standard-4)"
	want := Rolling{
		Masters: []Rolled{{"kubernetes-master", zoneB, "MASTER_SIZE=e2-standard-2 (now it is e2-standard-4)"}}, Dark: true,
		Pools: []RolledPool{{zoneB, "", 2, why}, {zoneB, "gpu", 1, why}, {zoneC, "", 1, why}},
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("it tells (-want +got):\n%s", diff)
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	watch := w.events()
	if _, err := larger.Roll(ctx, false, func(e plan.Event) {
		if watch(e); e.Step == "group kubernetes-minion-gpu-group in europe-west1-b" && e.Kind == plan.Looking {
			stop()
		}
	}); err == nil {
		t.Fatal("it was not cut")
	}
	types := func() map[string]string {
		all := map[string]string{}
		for _, zone := range []string{zoneB, zoneC} {
			for name, of := range w.made(zone) {
				all[name[:strings.LastIndexByte(name, '-')]+" "+zone] = of
			}
		}
		return all
	}
	is := map[string]string{"kubernetes-minion-group europe-west1-b": "e2-standard-4", "kubernetes-minion-gpu-group europe-west1-b": "e2-standard-2", "kubernetes-minion-group europe-west1-c": "e2-standard-2"}
	if diff := cmp.Diff(is, types()); diff != "" {
		t.Errorf("nodes when it was cut (-want +got):\n%s", diff)
	}
	unfinished := func() string {
		s, err := o.Status(t.Context())
		if err != nil || len(s.Unfinished) == 0 {
			t.Fatalf("status: %+v, %v", s, err)
		}
		return s.Unfinished[0].Command
	}
	const command = "MASTER_SIZE=e2-standard-4 NODE_SIZE=e2-standard-4 hakube roll"
	if got := unfinished(); got != command {
		t.Errorf("status names %q", got)
	}
	w.rollZone(o, zoneC, false) // with what the whole was begun with
	is["kubernetes-minion-group europe-west1-c"] = "e2-standard-4"
	if diff := cmp.Diff(is, types()); diff != "" {
		t.Errorf("nodes after a part of it (-want +got):\n%s", diff)
	}
	if got := unfinished(); got != command {
		t.Errorf("status names %q after a part of it", got)
	}
	s, err := o.Roll(t.Context(), false, w.events())
	if err != nil || len(s.Rolled) > 0 || len(s.RolledPools) != 1 || s.RolledPools[0].Pool != "gpu" {
		t.Fatalf("the rest: %+v, %v", s, err)
	}
	for name, of := range types() {
		if of != "e2-standard-4" {
			t.Errorf("%s is of type %s", name, of)
		}
	}
	gpu := w.nodesOf(o, "gpu")
	if len(gpu) != 1 || !slices.Equal(taintsOf(gpu[0]), []string{"dedicated=gpu:NoSchedule"}) {
		t.Errorf("nodes of gpu are %+v", gpu)
	}
	w.rolledZone(o, zoneB)
	if s, err := o.Roll(t.Context(), false, w.events()); err != nil || !s.Nothing {
		t.Errorf("once more: %+v, %v", s, err)
	}

	before := w.made(zoneC)
	if s, err = o.Roll(t.Context(), true, w.events()); err != nil || len(s.Rolled) != 1 || len(s.RolledPools) != 3 {
		t.Fatalf("all of them: %+v, %v", s, err)
	}
	for name := range w.made(zoneC) {
		if before[name] != "" {
			t.Errorf("%s was not made again", name)
		}
	}
	if got := slices.Sorted(maps.Keys(w.made(zoneB))); len(got) != 3 {
		t.Errorf("machines %q", got)
	}
	w.rolledZone(o, zoneC)
}

// TestRollPoolRefusals: pools that are none, a name that is of one pool only, and what a roll
// does not change are refused with what helps, and nothing is changed.
func TestRollPoolRefusals(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	for _, x := range []struct {
		name      string
		run       func() error
		why, cure string
	}{
		{"no such zone", func() error { _, err := o.RollPool(t.Context(), zoneC, false, nil); return err }, "has no pool of europe-west1-c", "\thakube roll pool europe-west1-b"},
		{"no such pool", func() error {
			_, err := o.again(func(s *settings.Settings) { s.Pool = "gpu" }).PreviewRollPool(t.Context(), zoneB, false, nil)
			return err
		}, "has no pool gpu of europe-west1-b", "\thakube roll pool europe-west1-b"},
		{"a pool's name and all", func() error {
			_, err := o.again(func(s *settings.Settings) { s.Pool = "gpu" }).Roll(t.Context(), false, nil)
			return err
		}, "HAKUBE_POOL=gpu names one pool", "hakube again"},
		{"another version", func() error {
			_, err := o.again(func(s *settings.Settings) { s.KubeVersion = "v1.37.0" }).RollPool(t.Context(), zoneB, false, nil)
			return err
		}, "that does not change KUBE_VERSION=v1.37.0", "leave it out"},
		{"no such type", func() error {
			_, err := o.ofType("e2-standard-5").RollPool(t.Context(), zoneB, false, nil)
			return err
		}, `NODE_SIZE="e2-standard-5": zone europe-west1-b`, ""},
		{"no such type of one of all", func() error {
			_, err := o.withMasters("e2-standard-4").ofType("e2-standard-5").Roll(t.Context(), false, nil)
			return err
		}, `NODE_SIZE="e2-standard-5": zone europe-west1-b`, ""},
	} {
		w.unchanged(func() {
			err := x.run()
			hint := ""
			if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
				hint = h.Hint()
			}
			if err == nil || !strings.Contains(err.Error(), x.why) || !strings.Contains(hint, x.cure) {
				t.Errorf("%s: %v; %s", x.name, err, hint)
			}
		})
	}
}
