package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/replicate"
	"hakube/replicate/etcdtest"
)

const giga = 1 << 30

// readOnly are states of a cluster in which all its parts answer, and in which it takes
// no writes or is about to take none.
var readOnly = []struct {
	name   string
	happen func(*sickCluster, *etcdtest.Guest)
	says   string // in the line of the master that is to be looked after
	at     int    // which that is: 0 the patient, 1 whoever leads
}{
	{"full of what is outdated", func(c *sickCluster, g *etcdtest.Guest) { c.must(g.FillEtcd(replicate.RingMain, 0, 5*giga)) },
		"not ready: etcd main: it takes no writes: alarm NOSPACE of", 0},
	{"events full of what is outdated", func(c *sickCluster, g *etcdtest.Guest) { c.must(g.FillEtcd(replicate.RingEvents, 0, 5*giga)) },
		"not ready: etcd events: it takes no writes: alarm NOSPACE of", 0},
	{"alarm of one that is gone", func(c *sickCluster, g *etcdtest.Guest) {
		c.must(g.RaiseAlarm(replicate.RingMain, replicate.AlarmSpace, "gone"))
	}, "not ready: etcd main: it takes no writes: alarm NOSPACE of member dead, which is gone", 1},
	{"leader that takes no proposals", func(c *sickCluster, _ *etcdtest.Guest) {
		for i := range c.names { // whoever leads is among them
			c.must(c.guest(i).StallEtcd(replicate.RingMain))
			if i == 0 {
				break
			}
		}
	}, "not ready: etcd main: it answers questions and takes no writes: etcdserver: request timed out", 1},
	{"clock ahead", func(_ *sickCluster, g *etcdtest.Guest) { g.SkewClock(90 * time.Second) }, "not ready: its clock is 1m", 0},
	{"clock behind", func(_ *sickCluster, g *etcdtest.Guest) { g.SkewClock(-time.Hour) }, "behind Compute Engine's", 0},
}

// TestReadOnly lets a cluster of one, two and three masters get into each of them. All
// that only reads finds it well. Status names it with the command, validate fails, no
// master is added or removed, nothing being changed, and repair ends it.
func TestReadOnly(t *testing.T) {
	long(t, "TestFullDisk")
	besideOthers(t)
	for masters := 1; masters <= 3; masters++ {
		for i, f := range readOnly {
			if testing.Short() && (i+masters)%8 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("masters=%d/%s", masters, f.name), func(t *testing.T) {
				c := newSick(t, masters)
				f.happen(c, c.guest(c.patient))
				if st, err := c.o.Status(context.Background()); err != nil || !st.Address.Ready || st.Quorum["main"].Alive != masters {
					t.Errorf("what only reads does not find it well: %+v, %v", st, err)
				}
				c.unwell(f.says)
				c.keptOut(masters, masters > 2 || !strings.Contains(f.name, "clock"))
				s, err := c.o.Repair(context.Background(), "", c.events())
				c.must(err)
				if len(s.Repaired) == 0 {
					t.Errorf("repaired %v", s.Repaired)
				}
				c.whole(masters)
				c.nothingMore()
			})
		}
	}
}

// nothingMore: a repair of what was repaired finds nothing to do, or on a busy host, where a
// master that is well is silent for longer than the model's second, one soon after does.
func (c *sickCluster) nothingMore() {
	c.t.Helper()
	for i := 1; ; i++ {
		s, err := c.o.Repair(context.Background(), "", nil)
		if err == nil && s.Nothing {
			return
		}
		if i == 5 {
			c.t.Fatalf("once more: %+v, %v", s, err)
		}
	}
}

// unwell: a master's line and validate say so, and status names a repair.
func (c *sickCluster) unwell(says string) {
	c.t.Helper()
	st, err := c.o.Status(context.Background())
	c.must(err)
	found, named := false, false
	for _, m := range st.Masters {
		found = found || strings.Contains(m.State+": "+m.Why, says)
		c.t.Logf("%s: %s: %s", m.Name, m.State, m.Why)
	}
	for _, u := range st.Unfinished {
		c.t.Logf("unfinished: %s: %s or %s", u.Step, u.Command, u.Or)
		named = named || strings.HasPrefix(u.Command, "hakube repair")
	}
	if !found || !named {
		c.t.Errorf("status says %+v, want %q; unfinished %+v", st.Masters, says, st.Unfinished)
	}
	v, err := c.o.Validate(context.Background())
	c.must(err)
	_, words, _ := strings.Cut(says, ": ")
	if v.Valid || !slices.ContainsFunc(v.Problems, func(p status.Problem) bool { return strings.Contains(p.Why, words) }) {
		c.t.Errorf("valid %v: %+v", v.Valid, v.Problems)
	}
}

// keptOut: no master is added or removed, and nothing is changed. Who is sick himself may
// go.
func (c *sickCluster) keptOut(masters int, stays bool) {
	c.t.Helper()
	for name, run := range map[string]func() error{
		"added":   func() error { _, err := c.o.replica(zoneD).Up(context.Background(), nil); return err },
		"removed": func() error { _, err := c.o.replica(zoneC).Down(context.Background(), nil); return err },
	} {
		if name == "removed" && (masters < 2 || !stays) {
			continue
		}
		var err error
		_, changes := c.counts(func() { err = run() })
		var unchanged *Unchanged
		var hint interface{ Hint() string }
		if !errors.As(err, &unchanged) || changes != 0 || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "\thakube repair") {
			c.t.Errorf("a master was %s, or it is not said that nothing was changed and what helps: %v, %d changes", name, err, changes)
		}
		c.t.Logf("none was %s: %v", name, err)
	}
}

// TestStillFull: a ring that needs more than it may have is told with its figures, and
// what to do; once that is done the same command ends it.
func TestStillFull(t *testing.T) {
	long(t, "TestFullDisk")
	besideOthers(t)
	c := newSick(t, 2)
	c.must(c.guest(1).FillEtcd(replicate.RingMain, 5*giga, giga))
	_, err := c.o.Repair(context.Background(), "", c.events())
	var no *refusal.Refused
	if !errors.As(err, &no) || !strings.Contains(no.Why, "is full of what it needs") || !regexp.MustCompile(`has 5\d\d\d MiB, 5\d\d\d of them in use, and may have 4096`).MatchString(no.Why) || !strings.HasSuffix(no.Cure, "\thakube repair") {
		t.Fatalf("repair ended with %v", err)
	}
	t.Logf("%v\n%s", err, no.Cure)
	c.unwell("alarm NOSPACE of")
	c.must(c.guest(1).FillEtcd(replicate.RingMain, -5*giga, 5*giga)) // somebody deletes it
	c.must(repairAll(context.Background(), c, c.events()))
	c.whole(2)
}

// TestDefragmentsOneByOne: while one member gives back its room no other does, and when
// it does not come back none follows.
func TestDefragmentsOneByOne(t *testing.T) {
	long(t, "TestFullDisk")
	besideOthers(t)
	var c *sickCluster
	var mu sync.Mutex
	var order []string
	ends := true
	w, _ := modelWorld(t, modelsFor(t, used, func(o *etcdtest.Options) {
		o.Fault = func(a etcdtest.Asked) etcdtest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if a.Script == "etcd-space" {
				order = append(order, a.Args[0]+" "+a.Machine)
			} else if n := len(order); ends && n > 0 && strings.HasPrefix(order[n-1], "defragment ") { // through with it, it is gone
				ends = false
				c.must(c.guest(slices.Index(c.names, strings.TrimPrefix(order[n-1], "defragment "))).StopEtcd(replicate.RingMain))
			}
			return etcdtest.Fault{}
		}
	}))
	c = sickOf(t, w, 3)
	c.must(c.guest(2).FillEtcd(replicate.RingMain, 0, 5*giga))
	err := repairAll(context.Background(), c, c.events())
	if err == nil || len(order) != 2 || !strings.HasPrefix(order[0], "compact ") || !strings.HasPrefix(order[1], "defragment ") {
		t.Errorf("with one that did not come back it went on: %v, %q", err, order)
	}
	t.Logf("%v, %q", err, order)
	order = nil
	c.must(repairAll(context.Background(), c, c.events()))
	c.whole(3)
	if n := len(order); n < 4 || order[n-1] == order[n-2] || !strings.HasPrefix(order[n-1], "disarm ") {
		t.Errorf("done in this order: %q", order)
	}
}

// TestFullDisk: a data disk that is nearly full, in bytes or in inodes, is told with the
// command that makes it larger; after that the named repair grows what is on it.
func TestFullDisk(t *testing.T) {
	besideOthers(t)
	for name, left := range map[string][2]int64{"bytes": {giga, 1 << 20}, "inodes": {15 * giga, 100}} {
		t.Run(name, func(t *testing.T) {
			c := newSick(t, 2)
			c.must(c.guest(1).CrowdDisk(left[0], left[1]))
			c.unwell("not ready: its data disk is nearly full: ")
			c.keptOut(2, false)
			_, err := c.o.Repair(context.Background(), c.names[1], c.events())
			var no *refusal.Refused
			want := fmt.Sprintf("\tgcloud compute disks resize %s-pd --zone=%s --size=40GB --quiet\n\thakube repair %s", c.names[1], c.zones[1], c.names[1])
			if !errors.As(err, &no) || !strings.HasSuffix(no.Cure, want) {
				t.Fatalf("repair ended with %v\n%s", err, no.Cure)
			}
			c.post("zones/"+c.zones[1]+"/disks/"+c.names[1]+"-pd/resize", doc{"sizeGb": "40"})
			c.must(repairAll(context.Background(), c, c.events()))
			c.whole(2)
		})
	}
}

// TestCorrupt: a member whose data differ is taken out and joins again, with what others
// have; where nobody can tell whose are right it is refused, and a person chooses.
func TestCorrupt(t *testing.T) {
	long(t, "TestFullDisk")
	besideOthers(t)
	for _, x := range []struct {
		name    string
		masters int
		of      func(c *sickCluster) string
		refused bool
	}{
		{"replica of three", 3, func(c *sickCluster) string { return c.names[2] }, false},
		{"first-born of three", 3, func(c *sickCluster) string { return c.names[0] }, false},
		{"replica of two", 2, func(c *sickCluster) string { return c.names[1] }, false},
		{"alone", 1, func(c *sickCluster) string { return c.names[0] }, false},
		{"one that is gone", 2, func(*sickCluster) string { return "gone" }, false},
		{"nobody is named", 2, func(*sickCluster) string { return "" }, true},
	} {
		if testing.Short() && x.name != "replica of two" && !x.refused {
			continue
		}
		t.Run(strings.ReplaceAll(x.name, " ", "_"), func(t *testing.T) {
			c := newSick(t, x.masters)
			before := c.memberIDs()
			c.must(c.guest(c.patient).RaiseAlarm(replicate.RingMain, replicate.AlarmCorrupt, x.of(c)))
			c.unwell("alarm CORRUPT of")
			c.keptOut(x.masters, true)
			err := repairAll(context.Background(), c, c.events())
			if x.refused {
				var no *refusal.Refused
				var unchanged *Unchanged
				if !errors.As(err, &no) || !errors.As(err, &unchanged) || !strings.HasSuffix(no.Cure, "\thakube repair --from-survivor "+c.names[0]) {
					t.Fatalf("repair ended with %v", err)
				}
				c.must(fromFirst(context.Background(), c, c.events()))
				c.whole(1)
				return
			}
			c.must(err)
			c.whole(x.masters)
			for name, id := range c.memberIDs() {
				if again := name == x.of(c) && x.masters > 1; (id != before[name]) != again {
					t.Errorf("%s is member %s and was %s", name, id, before[name])
				}
			}
		})
	}
}

// memberIDs are those of ring main by machine.
func (c *sickCluster) memberIDs() map[string]replicate.MemberID {
	c.t.Helper()
	ids := map[string]replicate.MemberID{}
	r := c.o.runFor(settings.StatusVerb, hold{})
	have, err := r.Look(context.Background())
	c.must(err)
	for name, answers := range r.Survey(context.Background(), have.Masters(r.Want.Names)).Answers {
		ids[name] = answers[replicate.RingMain].ID
	}
	return ids
}

// TestAlarmOnTheWay: an alarm that comes while a master is being added ends that before
// it votes and before the address moves: the master is taken back.
func TestAlarmOnTheWay(t *testing.T) {
	long(t, "TestFullDisk")
	besideOthers(t)
	for name, at := range map[string]string{"address": "in the balancer's group", "vote": "API answers through the balancer"} {
		t.Run(name, func(t *testing.T) {
			c := newSick(t, 1)
			raised, moved := false, false
			_, err := c.o.replica(zoneC).Up(context.Background(), func(e plan.Event) {
				moved = moved || e.Kind == plan.Made && strings.Contains(e.Step, "off the master")
				if !raised && (e.Kind == plan.Made || e.Kind == plan.Kept) && strings.Contains(e.Step, at) {
					raised = true
					c.must(c.guest(0).FillEtcd(replicate.RingMain, 0, 5*giga))
				}
			})
			var back *RolledBack
			if !raised || !errors.As(err, &back) || !strings.Contains(err.Error(), "alarm NOSPACE") {
				t.Fatalf("raised %v, up ended with %v", raised, err)
			}
			if moved != (name == "vote") {
				t.Errorf("the address left the master: %v", moved)
			}
			if h, err := c.o.runFor(settings.Up, hold{}).Holder(context.Background()); err != nil || h.Machine != c.names[0] {
				t.Errorf("the address is held by %+v, %v", h, err)
			}
			c.must(repairAll(context.Background(), c, c.events()))
			c.whole(1)
		})
	}
}

// TestAlarmWithoutQuorum: a ring that is full and has lost quorum besides comes back
// whole: quorum first.
func TestAlarmWithoutQuorum(t *testing.T) {
	besideOthers(t)
	c := newSick(t, 2)
	c.must(c.guest(0).FillEtcd(replicate.RingMain, 0, 5*giga))
	c.must(c.Client.Instances(c.zones[1]).Stop(context.Background(), c.names[1]))
	c.unwell("alarm NOSPACE of " + c.names[0])
	c.must(repairAll(context.Background(), c, c.events()))
	c.whole(2)
}

// TestMastersCertificatesEnd: status has the ends of what masters show to others, warns
// from 30 days before, and a cluster whose masters show what ended is not valid.
func TestMastersCertificatesEnd(t *testing.T) {
	besideOthers(t)
	c := newSick(t, 2)
	ctx := context.Background()
	look := func(left time.Duration, valid bool, want string) *status.Status {
		t.Helper()
		c.guest(1).AgeCertificates(left)
		v, err := c.o.Validate(ctx)
		c.must(err)
		if v.Valid != valid || strings.Contains(strings.Join(v.Status.Warnings, "\n"), cmp.Or(want, "certificates of")) != (want != "") {
			t.Errorf("with %s left it is valid %t, problems %v, warnings %q", left, v.Valid, v.Problems, v.Status.Warnings)
		}
		if !valid && (len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Why, want)) {
			t.Errorf("with %s left the problems are %v", left, v.Problems)
		}
		return v.Status
	}
	s := look(31*24*time.Hour, true, "")
	if n := len(s.Certificates); n != 4 || s.Certificates[0].Name != "admin.conf" || s.Certificates[0].Master != c.names[1] {
		t.Errorf("certificates: %+v", s.Certificates)
	}
	s = look(29*24*time.Hour, true, "certificates of "+c.names[1]+" end: admin.conf on ")
	if !strings.Contains(strings.Join(s.Warnings, "\n"), "\thakube rotate certificates") {
		t.Errorf("it does not say what makes them anew: %q", s.Warnings)
	}
	c.guest(1).AgeAuthority(29 * 24 * time.Hour)
	s = look(29*24*time.Hour, true, "certificates of "+c.names[1]+" end: ")
	if all := strings.Join(s.Warnings, "\n"); strings.Contains(all, "hakube rotate certificates") || !strings.Contains(all, "\thakube rotate ca") {
		t.Errorf("it names what would be refused, or does not name what helps: %q", s.Warnings)
	}
	c.guest(1).AgeAuthority(3650 * 24 * time.Hour)
	look(-time.Second, false, "certificates of "+c.names[1]+" ended: admin.conf on ")
}
