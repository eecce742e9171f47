package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/member"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/replicate"
	"hakube/replicate/etcdtest"
)

// An askedClock is the time that limits are taken from: it goes on by some seconds each
// time a master is asked about its rings.
type askedClock struct {
	*haste
	each  time.Duration
	mu    sync.Mutex
	asked int
	at    func(n int, who string) // is told of each time, if set
	agree map[string]int          // by ring: entries it was given to agree on
}

// ask is for [etcdtest.Options].
func (c *askedClock) ask(a etcdtest.Asked) etcdtest.Fault {
	c.mu.Lock()
	if a.Script == "etcd-member" && a.Args[0] == "agree" {
		c.agree[a.Args[1]]++
	}
	if a.Script == "etcd-status" {
		c.asked++
	}
	n, at := c.asked, c.at
	c.mu.Unlock()
	if a.Script == "etcd-status" {
		c.skip(c.each)
		if at != nil {
			at(n, a.Machine)
		}
	}
	return etcdtest.Fault{}
}

func (c *askedClock) agreed(ring string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agree[ring]
}

// skip lets time pass.
func (h *haste) skip(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.skipped += d
	h.fire()
}

// newUsed is a world of clusters that have been used, of which a member that joins is
// sent so many bytes a look.
func newUsed(t *testing.T, slow int64) (*world, *askedClock) {
	c := &askedClock{haste: newHaste(), agree: map[string]int{}}
	w, _ := modelWorld(t, modelsFor(t, used, func(o *etcdtest.Options) { o.Fault, o.Slow = c.ask, slow }))
	return w, c
}

// TestUsedClusterGrows: the learner of a ring that has lived and is quiet makes no
// proposal before the ring agrees on something, so each ring is given that, and no
// more than that; a newborn one is not.
func TestUsedClusterGrows(t *testing.T) {
	besideOthers(t)
	for _, newborn := range []bool{false, true} {
		t.Run(fmt.Sprintf("newborn=%t", newborn), func(t *testing.T) {
			clock := &askedClock{haste: newHaste(), agree: map[string]int{}}
			w, _ := modelWorld(t, modelsFor(t, used, func(o *etcdtest.Options) {
				if o.Fault = clock.ask; newborn {
					o.Used = etcdtest.Used{}
				}
			}))
			o := w.operator()
			w.mustUp(o)
			for n, zone := range []settings.Zone{zoneC, zoneD} {
				before := map[string]int{}
				for _, ring := range rings.Names {
					before[ring] = clock.agreed(ring)
				}
				s := w.mustUp(o.replica(zone))
				if got := mastersOf(t, s); len(got) != n+2 {
					t.Fatalf("masters are %v", got)
				}
				for _, ring := range rings.Names {
					stirred := clock.agreed(ring) - before[ring] - 1 // and one before the vote
					if newborn && stirred != 0 || !newborn && (stirred < 1 || stirred > 5) {
						t.Errorf("%s: ring %s was given %d entries while its learner was waited for", zone, ring, stirred)
					}
				}
			}
			w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
		})
	}
}

// TestSlowLearner: a learner whose data come slowly is not taken back, however long
// that takes. One whose etcd or whose machine is dead is, when it has not come further
// for a minute, and it is said how far it had come.
func TestSlowLearner(t *testing.T) {
	long(t, "TestUsedClusterGrows")
	besideOthers(t)
	for _, x := range []struct {
		name string
		dies func(*etcdtest.Guest) error // half-way; nil: it is only slow
	}{
		{"slow", nil},
		{"its etcds are cut off", func(g *etcdtest.Guest) error { return g.Isolate(rings.Names...) }},
		{"its machine is dead", func(g *etcdtest.Guest) error { return g.CutOff() }},
	} {
		t.Run(x.name, func(t *testing.T) {
			masters, took, late, err := slowLearner(t, x.dies)
			t.Logf("after %s: %v", took, err)
			var back *RolledBack
			switch {
			case x.dies == nil:
				if err != nil || masters != 2 || took <= member.StallLimit {
					t.Errorf("%d masters, after %s: %v", masters, took, err)
				}
			case !errors.As(err, &back) || !strings.Contains(err.Error(), "nothing moved for 1m0s"):
				t.Errorf("ended with %v", err)
			case late > 5*member.StallLimit:
				t.Errorf("it was taken back %s after it had died", late)
			}
		})
	}
}

// slowLearner adds a master that is sent 1 MiB a look, with a second for each, and
// that dies at the 50th, if it does. late is how long after that the run ended.
func slowLearner(t *testing.T, dies func(*etcdtest.Guest) error) (masters int, took, late time.Duration, err error) {
	w, clock := newUsed(t, 1<<20)
	w.dial = within(reach, w.dial)
	clock.each = time.Second
	o := w.operator()
	o.deps.SSH = replicate.NewRunner(replicate.Options{Signer: o.deps.Signer, Dial: w.dial, KeepAlive: 3 * time.Second})
	t.Cleanup(func() { o.deps.SSH.Close() })
	w.mustUp(o)
	var mu sync.Mutex
	var looks int
	var died time.Duration
	clock.at = func(_ int, who string) {
		mu.Lock()
		defer mu.Unlock()
		if who == "kubernetes-master" {
			return
		}
		if looks++; looks != 50 || dies == nil {
			return
		}
		died = clock.spent()
		g, err := w.models.Guest(who, string(zoneC))
		if err != nil {
			t.Error(err)
			return
		}
		go func() { _ = dies(g) }() // the machine answers this question yet
	}
	begin := clock.spent()
	s, err := o.replica(zoneC).by(clock.after).Up(context.Background(), w.events())
	end := clock.spent()
	if err == nil {
		masters = len(mastersOf(t, s))
	}
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
	mu.Lock()
	defer mu.Unlock()
	return masters, end - begin, end - died, err
}

// TestVoteWaits: etcd calls a learner in sync that has nine tenths of the log. One
// that lacks the rest when it is asked before the vote is waited for, not taken back.
func TestVoteWaits(t *testing.T) {
	besideOthers(t)
	w, clock := newUsed(t, 0)
	clock.each = time.Second
	o := w.operator()
	w.mustUp(o)
	lags, since := false, 0 // from the question on, for some looks
	guest := func() *etcdtest.Guest {
		g, err := w.models.Guest("kubernetes-master-e71", string(zoneC))
		if err != nil {
			t.Error(err)
			return new(etcdtest.Guest)
		}
		return g
	}
	report := func(e plan.Event) {
		w.events()(e)
		if e.Kind == plan.Making && strings.Contains(e.Step, "votes in ring main") && !lags {
			clock.mu.Lock()
			lags, since = true, clock.asked
			clock.mu.Unlock()
			if err := guest().Isolate(replicate.RingMain); err != nil {
				t.Error(err)
			}
		}
	}
	clock.at = func(n int, _ string) {
		clock.mu.Lock()
		back := lags && n > since+30
		clock.mu.Unlock()
		if back {
			if err := guest().Rejoin(replicate.RingMain); err != nil {
				t.Error(err)
			}
		}
	}
	s, err := o.replica(zoneC).by(clock.after).Up(context.Background(), report)
	if err != nil {
		t.Fatal(err)
	}
	if got := mastersOf(t, s); len(got) != 2 || !lags {
		t.Errorf("masters are %v, it lagged: %t", got, lags)
	}
	clock.at = nil
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
}

// spent is how much time was skipped.
func (h *haste) spent() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.skipped
}

// TestStoppedForLong: a master comes back after its rings have agreed on more than
// their logs keep, and are quiet since: up and repair bring it back.
func TestStoppedForLong(t *testing.T) {
	long(t, "TestUsedClusterGrows")
	besideOthers(t)
	for _, verb := range []string{"up", "repair"} {
		t.Run(verb, func(t *testing.T) {
			c := newSick(t, 3)
			c.o = c.o.again(func(s *settings.Settings) { s.InitTimeout = settings.Seconds(5 * time.Minute) })
			c.must(c.Client.Instances(c.zones[2]).Stop(context.Background(), c.names[2]))
			for _, ring := range rings.Names {
				c.must(c.guest(0).Agree(ring, 6000))
			}
			if verb == "repair" {
				_, err := c.o.Repair(context.Background(), "", c.events())
				c.must(err)
			} else {
				c.mustUp(c.o.replica(settings.Zone(c.zones[2])))
			}
			c.whole(3)
			c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
		})
	}
}

// TestStalePhase: a master that was stopped for long has started and still says the phase
// of before, so nothing has waited for its etcds: that it has its data is found out all
// the same, though its rings are quiet.
func TestStalePhase(t *testing.T) {
	long(t, "TestUsedClusterGrows")
	besideOthers(t)
	ctx := context.Background()
	c := newSick(t, 3)
	instances := c.Client.Instances(c.zones[2])
	c.must(instances.Stop(ctx, c.names[2]))
	for _, ring := range rings.Names {
		c.must(c.guest(0).Agree(ring, 6000))
	}
	r := c.o.replica(settings.Zone(c.zones[2])).runFor(settings.Up, hold{})
	have, err := r.Look(ctx)
	c.must(err)
	r.Have = have
	c.must(instances.Start(ctx, c.names[2]))
	of := inventory.Object{Kind: inventory.Instance, Name: c.names[2], Zone: c.zones[2], Role: inventory.RoleMaster, Status: "RUNNING"}
	for _, s := range member.Started(r.Task, of) {
		c.must(s.(member.EtcdStarted).HasItsData(ctx))
	}
	c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
}

// TestAwayForLong: a voter that was cut off while its rings agreed on more than their
// logs keep runs and answers, and takes no writes in a quiet ring. Status names it, and
// repair ends that.
func TestAwayForLong(t *testing.T) {
	long(t, "TestUsedClusterGrows")
	besideOthers(t)
	c := newSick(t, 3)
	c.must(c.guest(2).Isolate(rings.Names...))
	for _, ring := range rings.Names {
		c.must(c.guest(0).Agree(ring, 6000))
	}
	c.must(c.guest(2).Rejoin(rings.Names...))
	st, err := c.o.Status(context.Background())
	c.must(err)
	want := "hakube repair " + c.names[2]
	if len(st.Unfinished) != 1 || st.Unfinished[0].Command != want {
		t.Errorf("status names %+v, want %s", st.Unfinished, want)
	}
	s, err := c.o.Repair(context.Background(), "", c.events())
	c.must(err)
	if len(s.Repaired) != 1 || s.Repaired[0] != c.names[2] {
		t.Errorf("repaired %v", s.Repaired)
	}
	c.whole(3)
	c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
}
