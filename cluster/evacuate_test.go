package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/status"
)

// evacuate has a zone left, and looks that all of it is.
func (w *world) evacuate(o *operator, zone, to string) *Summary {
	w.t.Helper()
	s, err := o.Evacuate(context.Background(), zone, to, w.events())
	if err != nil {
		w.t.Fatalf("evacuating %s: %v", zone, err)
	}
	for path := range w.objects() {
		if strings.Contains(path, "/zones/"+zone+"/") && !strings.Contains(path, "/operations/") {
			w.t.Errorf("%s is left", path)
		}
	}
	return s
}

// shape is how many masters and nodes a cluster has by zone: b1 c2 | c3 d1.
func (w *world) shape(o *operator) string {
	w.t.Helper()
	s, err := o.Status(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if len(s.Unfinished) > 0 {
		w.t.Errorf("unfinished: %+v", s.Unfinished)
	}
	masters, pools := map[string]int{}, map[string]int{}
	for _, m := range s.Masters {
		masters[m.Zone]++
	}
	for _, p := range s.Pools {
		pools[p.Zone] += p.Nodes
	}
	return inLetters(masters) + "| " + inLetters(pools)
}

func inLetters(of map[string]int) (text string) {
	for _, z := range []settings.Zone{zoneB, zoneC, zoneD} {
		if n, is := of[string(z)]; is {
			text += string(z[len(z)-1:]) + string(rune('0'+n)) + " "
		}
	}
	return text
}

// fails takes a zone away: its masters halt, and no kubelet there says anything more.
func (w *world) fails(zone settings.Zone) {
	w.t.Helper()
	for path := range w.objects() {
		if name, is := strings.CutPrefix(path, "projects/local/zones/"+string(zone)+"/instances/"); is {
			w.halt(string(zone), name)
		}
	}
}

// TestEvacuate: what a zone has goes to the others, as many of each as before; the others
// keep what they have, however unequal; never fewer voters, nor nodes, on the way; and the
// same for another zone is the way back.
func TestEvacuate(t *testing.T) {
	besideOthers(t)
	for _, x := range []struct {
		name         string
		words        []string // of the cluster
		pools        map[settings.Zone]settings.Count
		leave        settings.Zone
		to           string
		is, back     string
		leastMasters int
	}{
		{name: "one of three", words: []string{"zones=b,c,d", "master-zones=b,c,d", "num-nodes=1"}, pools: map[settings.Zone]settings.Count{zoneC: 3},
			leave: zoneB, is: "c2 d1 | c3 d2 ", leastMasters: 3},
		{name: "the only master", words: []string{"zones=b", "num-nodes=1"}, leave: zoneB, to: string(zoneC), is: "c1 | c1 ", back: "b1 | b1 ", leastMasters: 1},
		{name: "pools only", words: []string{"zones=b,c", "num-nodes=2"}, leave: zoneC, is: "b1 | b4 ", leastMasters: 1},
		{name: "an even number", words: []string{"zones=b,c", "master-zones=b,c", "num-nodes=1", "allow-even"}, leave: zoneB, is: "c2 | c2 ", leastMasters: 2},
	} {
		if testing.Short() && x.name != "one of three" {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			w, _ := newModelWorld(t)
			o := w.operator()
			w.mustUp(o.zones(t, x.words...))
			for zone, n := range x.pools {
				w.mustUp(o.pool(zone, n))
			}
			n, err := o.PreviewEvacuate(context.Background(), string(x.leave), x.to, nil)
			if err != nil || n < 5 {
				t.Errorf("plan of it: %d steps, %v", n, err)
			}
			var told Spanning
			least := 0 // voters alive
			one := o.again(func(*settings.Settings) {})
			one.OnSpan(func(s Spanning) error { told = s; return nil })
			one.OnPart(func(settings.Verb, settings.Settings) {
				s, err := o.Status(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				for _, q := range s.Quorum {
					if least == 0 || q.Alive < least {
						least = q.Alive
					}
				}
			})
			s := w.evacuate(one, string(x.leave), x.to)
			if got := w.shape(o); got != x.is {
				t.Errorf("it is %q, not %q", got, x.is)
			}
			if told.Leaves != string(x.leave) || len(told.Surplus) == 0 || told.Only != (x.name == "the only master") || len(told.Claims) > 0 {
				t.Errorf("it told %+v", told)
			}
			if s.Mode != settings.Evacuate || s.Evidence == nil || least < x.leastMasters {
				t.Errorf("summary %+v, with %d voters alive at least", s, least)
			}
			if s, err := o.Evacuate(context.Background(), string(x.leave), x.to, w.events()); err != nil || !s.Nothing {
				t.Errorf("once more: %+v, %v", s, err)
			}
			if x.back != "" {
				w.evacuate(o, x.to, string(x.leave))
				if got := w.shape(o); got != x.back {
					t.Errorf("back it is %q, not %q", got, x.back)
				}
			}
		})
	}
}

// TestEvacuateFailed: a zone whose machines are all halted is left, and nothing waits for
// the dead: their votes go first, while the others have quorum.
func TestEvacuateFailed(t *testing.T) {
	long(t, "TestEvacuate")
	besideOthers(t)
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o.zones(t, "zones=b,c,d", "master-zones=b,c,d", "num-nodes=1", "groups=false"))
	w.fails(zoneB) // of the first-born
	if _, err := o.PreviewEvacuate(t.Context(), string(zoneB), "", nil); err != nil {
		t.Errorf("plan of it: %v", err)
	}
	var order []string
	one := o.again(func(*settings.Settings) {})
	one.OnPart(func(verb settings.Verb, s settings.Settings) {
		order = append(order, string(s.Mode(verb))+" "+string(s.Zone[len(s.Zone)-1:]))
	})
	w.evacuate(one, string(zoneB), "")
	if got := w.shape(o); got != "c2 d1 | c2 d1 " {
		t.Errorf("it is %q", got)
	}
	if diff := cmp.Diff([]string{"remove replica b", "add replica c", "add pool c", "remove pool b"}, order); diff != "" {
		t.Errorf("its parts (-want +got):\n%s", diff)
	}
}

// TestEvacuateGone: the same when the machine and the disk of the master are gone, and only
// its votes are left.
func TestEvacuateGone(t *testing.T) {
	long(t, "TestEvacuate")
	besideOthers(t)
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o.zones(t, "zones=b,c", "master-zones=b,c,d", "num-nodes=1", "groups=false"))
	name := o.want().Names.Replica(string(zoneD), 0)
	if err := w.Client.Instances(string(zoneD)).Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := w.Client.Disks(string(zoneD)).Delete(t.Context(), o.want().Names.DiskOf(name)); err != nil {
		t.Fatal(err)
	}
	w.evacuate(o, string(zoneD), "")
	if got := w.shape(o); got != "b2 c1 | b1 c1 " {
		t.Errorf("it is %q", got)
	}
}

// TestEvacuateRefusals: what would be refused on the way is refused before, and a zone that
// has nothing is left already.
func TestEvacuateRefusals(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	o := w.operator()
	if _, err := o.Evacuate(t.Context(), string(zoneB), "", nil); !errors.As(err, new(*status.NoCluster)) {
		t.Errorf("there is no cluster: %v", err)
	}
	w.mustUp(o)
	before := w.objects()
	refused := func(zone, to, why, cures string) {
		t.Helper()
		for name, run := range map[string]func() error{
			"evacuate": func() error { _, err := o.Evacuate(t.Context(), zone, to, w.events()); return err },
			"plan":     func() error { _, err := o.PreviewEvacuate(t.Context(), zone, to, nil); return err },
		} {
			err := run()
			var hint string
			if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
				hint = h.Hint()
			}
			if err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(hint, cures) || name == "evacuate" && !errors.As(err, new(*Unchanged)) {
				t.Errorf("%s %s to %q: %v; %s", name, zone, to, err, hint)
			}
		}
		if diff := cmp.Diff(before, w.objects()); diff != "" {
			t.Errorf("refused, and (-before +after):\n%s", diff)
		}
	}
	refused(string(zoneB), "", "has no zone but europe-west1-b", "hakube evacuate --to=europe-west1-c europe-west1-b")
	refused("europe-west1-x", "", "there is no such zone", "")
	refused(string(zoneB), "europe-west1-x", "there is no such zone", "")
	if s, err := o.Evacuate(t.Context(), string(zoneC), "", w.events()); err != nil || !s.Nothing {
		t.Errorf("a zone that has nothing: %+v, %v", s, err)
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("nothing was to do, and (-before +after):\n%s", diff)
	}
	w.mustUp(o.replica(zoneC))
	w.halt(string(zoneB), o.want().Names.Master())
	before = w.objects()
	refused(string(zoneB), "", "has no quorum", "hakube repair --from-survivor "+o.want().Names.Replica(string(zoneC), 0))
}

// TestEvacuateCut: cut between two of its commands, status names the way on, which counts
// nothing twice; another zone has to wait for it.
func TestEvacuateCut(t *testing.T) {
	long(t, "TestEvacuate")
	besideOthers(t)
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o.zones(t, "zones=b,c", "master-zones=b,c,d", "num-nodes=1"))
	ctx, cut := context.WithCancel(t.Context())
	one := o.again(func(*settings.Settings) {})
	one.OnPart(func(verb settings.Verb, s settings.Settings) {
		if s.Mode(verb) == settings.RemoveReplica {
			cut()
		}
	})
	if _, err := one.Evacuate(ctx, string(zoneB), "", w.events()); err == nil {
		t.Fatal("it was not cut")
	}
	s, err := o.Status(t.Context())
	if err != nil || len(s.Unfinished) == 0 || s.Unfinished[0].Command != "hakube evacuate europe-west1-b" || len(s.Masters) != 4 {
		t.Fatalf("status after the cut: %+v, %v", s, err)
	}
	if _, err := o.Evacuate(t.Context(), string(zoneC), "", w.events()); err == nil || !strings.Contains(err.Error(), "the evacuation of zone europe-west1-b is not done") {
		t.Errorf("another zone meanwhile: %v", err)
	}
	if err := w.follow(o, s.Unfinished[0].Command); err != nil {
		t.Fatal(err)
	}
	if got := w.shape(o); got != "c1 d2 | c2 " && got != "c2 d1 | c2 " {
		t.Errorf("it is %q", got)
	}
}

// TestEvacuateAsked: whoever is asked and says no has changed nothing.
func TestEvacuateAsked(t *testing.T) {
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o)
	before, no := w.objects(), errors.New("rather not")
	o.OnSpan(func(Spanning) error { return no })
	if _, err := o.Evacuate(t.Context(), string(zoneB), string(zoneC), nil); !errors.Is(err, no) {
		t.Errorf("said no: %v", err)
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("said no, and (-before +after):\n%s", diff)
	}
	var kinds []plan.Kind
	if _, err := o.Evacuate(t.Context(), string(zoneB), string(zoneC), func(e plan.Event) { kinds = append(kinds, e.Kind) }); !errors.Is(err, no) || slices.Contains(kinds, plan.Making) {
		t.Errorf("said no: %v, %v", err, kinds)
	}
}
