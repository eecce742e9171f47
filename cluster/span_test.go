package cluster

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/gce/emulator"
)

// zones is the same operator, with one command for the whole cluster, in words as they
// are typed: HAKUBE_ZONES=… HAKUBE_PRUNE=true.
func (o *operator) zones(t testing.TB, words ...string) *operator {
	return o.again(func(s *settings.Settings) {
		*s = s.Said("NUM_NODES", false)
		for _, word := range words {
			name, value, _ := strings.Cut(word, "=")
			var err error
			switch name {
			case "zones":
				err = s.Zones.Decode(inFull(value))
			case "master-zones":
				err = s.MasterZones.Decode(inFull(value))
			case "master-count":
				err = s.MasterCount.Decode(value)
			case "node-count":
				err = s.NodeCount.Decode(value)
				*s = s.Said("HAKUBE_NODE_COUNT", true)
			case "num-nodes":
				err = s.NumNodes.Decode(value)
				*s = s.Said("NUM_NODES", true)
			case "zone":
				err = s.Zone.Decode(inFull(value))
			case "prune":
				s.Prune = true
			case "allow-even":
				s.AllowEven = true
			case "groups":
				*s, _ = s.Saying("HAKUBE_MASTER_GROUPS", value)
			default:
				t.Fatalf("no such word: %s", word)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// inFull writes zones out: b,c.
func inFull(letters string) string {
	var zones []string
	for z := range strings.SplitSeq(letters, ",") {
		zones = append(zones, "europe-west1-"+z)
	}
	return strings.Join(zones, ",")
}

// spanRecord is what the address keeps of how the cluster was begun.
var spanRecord = regexp.MustCompile(` (hakube-(span|nodes-[a-z0-9-]+)|HAKUBE_LOAD_BALANCER)=[^ "]*`)

// birthless is a picture without that: it says which command it was.
func birthless(picture []string) (list []string) {
	for _, line := range picture {
		list = append(list, spanRecord.ReplaceAllString(line, ""))
	}
	return list
}

// TestSpanIsTheSame: one command ends in the same picture of objects, rings and Nodes as
// the commands for each zone, whatever the zones are, and finds nothing to do then; both
// kinds mix from there on. Several masters are in groups of their own, where nobody says
// otherwise, as those are of a cluster that is begun with the balancer and with groups.
func TestSpanIsTheSame(t *testing.T) {
	long(t, "TestSpanBeside")
	besideOthers(t)
	pool := func(zone settings.Zone, n settings.Count) func(*operator) *operator {
		return func(o *operator) *operator { return o.pool(zone, n) }
	}
	master := func(zone settings.Zone) func(*operator) *operator {
		return func(o *operator) *operator { return o.replica(zone) }
	}
	create := func(n settings.Count) func(*operator) *operator {
		return func(o *operator) *operator {
			return o.again(func(s *settings.Settings) { s.NumNodes, s.CreateNodes = n, n > 0 })
		}
	}
	grouped := func(n settings.Count) func(*operator) *operator {
		return func(o *operator) *operator {
			return create(n)(o).again(func(s *settings.Settings) { s.LoadBalancer = settings.FromStart }).saysGroups(true)
		}
	}
	for _, x := range []struct {
		name  string
		words []string
		steps []func(*operator) *operator
	}{
		{"example 1", []string{"node-count=3", "zones=b,c,d", "master-zones=b,c,d"},
			[]func(*operator) *operator{grouped(1), master(zoneC), master(zoneD), pool(zoneC, 1), pool(zoneD, 1)}},
		{"example 1 without groups", []string{"node-count=3", "zones=b,c,d", "master-zones=b,c,d", "groups=false"},
			[]func(*operator) *operator{create(1), master(zoneC), master(zoneD), pool(zoneC, 1), pool(zoneD, 1)}},
		{"example 3", []string{"node-count=3", "master-count=3", "zones=b,c", "master-zones=b,c"},
			[]func(*operator) *operator{grouped(2), master(zoneB), master(zoneC), pool(zoneC, 1)}},
		{"workers elsewhere", []string{"num-nodes=1", "zones=c,d", "master-zones=b"},
			[]func(*operator) *operator{create(0), pool(zoneC, 1), pool(zoneD, 1)}},
		{"one master", []string{"num-nodes=1", "zones=b,c"}, []func(*operator) *operator{create(1), pool(zoneC, 1)}},
		{"fewer nodes than zones", []string{"node-count=1", "master-count=1", "zones=b,c"}, []func(*operator) *operator{create(1)}},
	} {
		if testing.Short() && !strings.HasPrefix(x.name, "example 1") {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			w, _ := newModelWorld(t)
			o := w.operator()
			for _, change := range x.steps {
				w.mustUp(change(o))
			}
			want := birthless(w.picture(o))

			w, _ = newModelWorld(t)
			o = w.operator()
			one := o.zones(t, x.words...)
			n, err := one.PreviewUp(context.Background(), nil)
			if err != nil || n < 20 {
				t.Errorf("plan of it: %d steps, %v", n, err)
			}
			empty := w.objects()
			s := w.mustUp(one)
			if diff := cmp.Diff(want, birthless(w.picture(o))); diff != "" {
				t.Errorf("(-step by step +at once):\n%s", shorter(want, birthless(w.picture(o))))
			}
			if s.Mode != settings.Span || len(s.Surplus) > 0 || s.Evidence == nil || slices.Contains(s.Warnings, status.TwoMasters) {
				t.Errorf("summary %+v", s)
			}
			if several := len(mastersOf(t, s)) > 1; several && (s.Dark == nil || s.Dark.Failed > 0) {
				t.Errorf("the API was dark, or nobody asked: %+v", s.Dark)
			}
			nothingToDo(t, w, one)
			nothingToDo(t, w, o.shell(t, nil))
			w.mustUp(o.pool(zoneD, 2))
			w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
			if diff := cmp.Diff(empty, w.objects()); diff != "" {
				t.Errorf("objects after down (-before +after):\n%s", diff)
			}
		})
	}
}

// TestSpanGrows: run again with other zones and counts it adds what is missing, names what
// is more and leaves it, and takes that away with --prune, one master after the other.
func TestSpanGrows(t *testing.T) {
	long(t, "TestSpanBeside")
	besideOthers(t)
	ctx := context.Background()
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o) // by the other kind of command
	s := w.mustUp(o.zones(t, "zones=b,c", "master-count=3", "num-nodes=2"))
	if got := len(mastersOf(t, s)); got != 3 || len(s.Surplus) > 0 {
		t.Fatalf("%d masters, surplus %q", got, s.Surplus)
	}
	before := w.objects()
	fewer := []string{"zones=c", "master-zones=c", "num-nodes=1"}
	s = w.mustUp(o.zones(t, fewer...))
	if want := []string{"2 of 2 masters in zone europe-west1-b"}; !slices.Contains(s.Surplus, want[0]) || len(s.Surplus) != 3 {
		t.Errorf("surplus %q", s.Surplus)
	}
	if diff := cmp.Diff(withoutTimes(before), withoutTimes(w.objects())); diff != "" {
		t.Errorf("it was to leave what is there (-before +after):\n%s", diff)
	}
	n, err := o.zones(t, append(fewer, "prune")...).PreviewUp(ctx, nil)
	if err != nil || n == 0 {
		t.Errorf("plan of pruning: %d steps, %v", n, err)
	}
	pruning, parts := o.zones(t, append(fewer, "prune")...), 0
	pruning.OnPart(func(verb settings.Verb, _ settings.Settings) {
		if verb == settings.Down {
			parts++
		}
	})
	s = w.mustUp(pruning)
	if len(s.Surplus) > 0 || parts != 3 {
		t.Errorf("surplus %q, and %d parts that take away", s.Surplus, parts)
	}
	if len(s.Evidence.Nodes) != 2 { // what it was seen to be before its masters went is no evidence
		t.Errorf("it ends with the evidence of %d nodes", len(s.Evidence.Nodes))
	}
	st, err := o.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Masters) != 1 || st.Masters[0].Zone != string(zoneC) || len(st.Pools) != 1 || st.Pools[0].Zone != string(zoneC) || len(st.Unfinished) > 0 {
		t.Errorf("after pruning: masters %+v, pools %+v, unfinished %+v", st.Masters, st.Pools, st.Unfinished)
	}
	nothingToDo(t, w, o.zones(t, append(fewer, "prune")...))
}

// TestSpanShrinks: pools that are only made smaller are steps of the plan, and each of
// them is told of; whoever is asked before says no to all of it.
func TestSpanShrinks(t *testing.T) {
	long(t, "TestSpanBeside")
	besideOthers(t)
	ctx := context.Background()
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o.zones(t, "zones=b,c", "num-nodes=2"))
	fewer := []string{"zones=b,c", "node-count=2", "prune"}
	changes, counted := map[string]int{}, 0
	n, err := o.zones(t, fewer...).PreviewUp(ctx, func(e plan.Event) {
		if e.Kind == plan.WouldMake || e.Kind == plan.WouldWait {
			changes[e.Step]++
			counted++
		}
	})
	want := map[string]int{"nodes that go are drained": 2, "group kubernetes-minion-group in europe-west1-b": 1, "group kubernetes-minion-group in europe-west1-c": 1}
	if diff := cmp.Diff(want, changes); err != nil || n != counted || diff != "" {
		t.Errorf("plan: %d steps, %v (-want +got):\n%s", n, err, diff)
	}
	before := w.objects()
	asked, no := o.zones(t, fewer...), errors.New("rather not")
	asked.OnSpan(func(Spanning) error { return no })
	if _, err := asked.Up(ctx, nil); !errors.Is(err, no) {
		t.Errorf("said no: %v", err)
	}
	if diff := cmp.Diff(withoutTimes(before), withoutTimes(w.objects())); diff != "" {
		t.Errorf("said no, and (-before +after):\n%s", diff)
	}
	s := w.mustUp(o.zones(t, fewer...))
	var went []string
	for _, x := range s.Reduced {
		if x.From != 2 || x.To != 1 || len(x.Nodes) != 1 {
			t.Errorf("%+v", x)
		}
		went = append(went, x.Zone)
	}
	if diff := cmp.Diff([]string{"europe-west1-b", "europe-west1-c"}, went); diff != "" || s.Smaller != nil {
		t.Errorf("one of several is %+v (-want +got):\n%s", s.Smaller, diff)
	}
	nothingToDo(t, w, o.zones(t, fewer...))
}

// TestSpanHalfRemoved: a master whose removal was cut after its votes went is not sent to
// again by the same command: it goes first, and nothing is said of it in the end.
func TestSpanHalfRemoved(t *testing.T) {
	long(t, "TestSpanBeside")
	besideOthers(t)
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o.zones(t, "zones=b,c", "master-zones=b,c,d", "num-nodes=1"))
	fewer := o.zones(t, "master-zones=b", "prune")
	name := fewer.want().Names.Replica(string(zoneC), 0)
	ctx, cut := context.WithCancel(t.Context())
	_, err := fewer.Up(ctx, func(e plan.Event) {
		if e.Step == "node "+name && e.Kind == plan.Removed {
			cut()
		}
	})
	if err == nil {
		t.Fatal("it was not cut")
	}
	s, err := fewer.Up(t.Context(), func(e plan.Event) {
		if e.Kind == plan.Making && strings.HasPrefix(e.Step, name) {
			t.Errorf("%s: %s", e.Step, e.Kind)
		}
	})
	if err != nil || len(s.Warnings) > 0 {
		t.Errorf("the same again: %+v, %v", s, err)
	}
	nothingToDo(t, w, fewer)
}

// TestSpanStopped: a stopped master is planned to be started, by either kind of command,
// and one that is to go goes, without a wait for a cluster that is not valid with it.
func TestSpanStopped(t *testing.T) {
	long(t, "TestSpanBeside")
	besideOthers(t)
	ctx := t.Context()
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o.zones(t, "zones=b,c", "master-zones=b,c,d", "num-nodes=1", "groups=false"))
	name := o.want().Names.Replica(string(zoneC), 0)
	if err := w.Client.Instances(string(zoneC)).Stop(ctx, name); err != nil {
		t.Fatal(err)
	}
	for what, one := range map[string]*operator{"one zone": o.replica(zoneC), "all zones": o.zones(t, "master-zones=b,c,d")} {
		if n, err := one.PreviewUp(ctx, nil); err != nil || n == 0 {
			t.Errorf("plan of %s: %d steps, %v", what, n, err)
		}
	}
	fewer := o.zones(t, "master-zones=b", "prune")
	s, err := fewer.Up(ctx, func(e plan.Event) {
		if e.Kind == plan.Waiting && strings.Contains(e.Why, name+": Kubelet") {
			t.Errorf("%s: waits for %s", e.Step, e.Why)
		}
	})
	if err != nil || len(mastersOf(t, s)) != 1 {
		t.Errorf("pruned: %+v, %v", s, err)
	}
	nothingToDo(t, w, fewer)
}

// TestSpanByDefault: pools of which nobody says a size have the default one, and nothing
// is said of a run that was cut.
func TestSpanByDefault(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	s := w.mustUp(w.operator().zones(t, "zones=b,c"))
	if len(s.Warnings) > 0 || len(s.Evidence.Nodes) != 5 {
		t.Errorf("warnings %q, %d nodes", s.Warnings, len(s.Evidence.Nodes))
	}
}

// TestSpanRefusals: what any of its steps would be refused for is said before the first
// change, with a way out.
func TestSpanRefusals(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	before := w.objects()
	for _, x := range []struct {
		name, why string
		words     []string
	}{
		{"even", "2 masters are an even number", []string{"zones=b,c", "master-zones=b,c"}},
		{"even count", "4 masters are an even number: 3 must live", []string{"zones=b,c,d", "master-count=4"}},
		{"no such zone", `HAKUBE_ZONES, HAKUBE_MASTER_ZONES="europe-west1-x": there is no such zone`, []string{"zones=b,x", "master-zones=b,c,d"}},
		{"no such zone of the first", "there is no such zone", []string{"zones=x,b"}},
		{"too many nodes", "has room for 1020 machines; 3 masters and 1200 nodes", []string{"zones=b,c,d", "master-count=3", "num-nodes=400"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			for name, run := range map[string]func(*operator) error{
				"up":      func(o *operator) error { _, err := o.Up(context.Background(), w.events()); return err },
				"plan up": func(o *operator) error { _, err := o.PreviewUp(context.Background(), nil); return err },
			} {
				err := run(o.zones(t, x.words...))
				var unchanged *Unchanged
				if err == nil || !strings.Contains(err.Error(), x.why) || name == "up" && !errors.As(err, &unchanged) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if diff := cmp.Diff(before, w.objects()); diff != "" {
				t.Errorf("refused, and (-before +after):\n%s", diff)
			}
		})
	}
	s := w.mustUp(o.zones(t, "zones=b,c", "master-zones=b,c", "num-nodes=1", "allow-even"))
	if got := len(mastersOf(t, s)); got != 2 || !slices.Contains(s.Warnings, status.TwoMasters) {
		t.Errorf("%d masters, warnings %q", got, s.Warnings)
	}
	if _, err := o.zones(t, "zones=b,c", "master-zones=c,d,b", "master-count=2").Up(context.Background(), nil); err == nil {
		t.Error("an even number that is there already is not refused")
	}
}

// TestSpanQuota: quotas are asked for all that all steps take, not for the first step.
func TestSpanQuota(t *testing.T) {
	w, _ := newModelWorldWith(t, func(o *emulator.Options) { o.Quotas = map[string]float64{"INSTANCES": 5} })
	o, before := w.operator(), w.objects()
	_, err := o.zones(t, "zones=b,c,d", "master-count=3", "num-nodes=1").Up(context.Background(), w.events())
	var unchanged *Unchanged
	if !errors.As(err, &unchanged) || !strings.Contains(err.Error(), "quota INSTANCES of region europe-west1: 6 more are needed, and 0 of 5 are used") {
		t.Errorf("up: %v", err)
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("refused, and (-before +after):\n%s", diff)
	}
	w.mustUp(o.zones(t, "zones=b,c", "master-count=3", "num-nodes=1"))
}

// TestSpanCrosses: before it changes anything it says what goes from zone to zone.
func TestSpanCrosses(t *testing.T) {
	w := newWorld(t)
	o := w.operator().zones(t, "zones=c,d", "master-zones=b", "num-nodes=1")
	var told Spanning
	o.OnSpan(func(s Spanning) error { told = s; return nil })
	if _, err := o.PreviewUp(context.Background(), func(plan.Event) {}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"all between the API and nodes in europe-west1-c, europe-west1-d, where no master is",
		"what pods say to pods and Services of another zone, of europe-west1-c, europe-west1-d",
	}
	if diff := cmp.Diff(want, told.Crossings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
