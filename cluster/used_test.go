package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/cluster/plan"
	"hakube/gce/local/model"
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
	w, _ := modelWorld(t, model.New(t.TempDir(), used, func(o *etcdtest.Options) { o.Fault, o.Slow = c.ask, slow }))
	return w, c
}

// TestUsedClusterGrows: the learner of a ring that has lived and is quiet makes no
// proposal before the ring agrees on something, so each ring is given that, and no
// more than that; a newborn one is not.
func TestUsedClusterGrows(t *testing.T) {
	for _, newborn := range []bool{false, true} {
		t.Run(fmt.Sprintf("newborn=%t", newborn), func(t *testing.T) {
			clock := &askedClock{haste: newHaste(), agree: map[string]int{}}
			w, _ := modelWorld(t, model.New(t.TempDir(), used, func(o *etcdtest.Options) {
				if o.Fault = clock.ask; newborn {
					o.Used = etcdtest.Used{}
				}
			}))
			o := w.operator()
			w.mustUp(o)
			for n, zone := range []Zone{zoneC, zoneD} {
				before := map[string]int{}
				for _, ring := range ringNames {
					before[ring] = clock.agreed(ring)
				}
				s := w.mustUp(o.replica(zone))
				if got := mastersOf(t, s); len(got) != n+2 {
					t.Fatalf("masters are %v", got)
				}
				for _, ring := range ringNames {
					stirred := clock.agreed(ring) - before[ring] - 1 // and one before the vote
					if newborn && stirred != 0 || !newborn && (stirred < 1 || stirred > 5) {
						t.Errorf("%s: ring %s was given %d entries while its learner was waited for", zone, ring, stirred)
					}
				}
			}
			w.mustDown(o.again(func(s *Settings) { s.Zone = "" }))
		})
	}
}

// TestSlowLearner: a learner whose data come slowly is not taken back, however long
// that takes. One whose etcd or whose machine is dead is, when it has not come further
// for a minute, and it is said how far it had come.
func TestSlowLearner(t *testing.T) {
	const each = time.Second
	for _, x := range []struct {
		name string
		dies func(*etcdtest.Guest) error // half-way; nil: it is only slow
	}{
		{"slow", nil},
		{"its etcds are cut off", func(g *etcdtest.Guest) error { return g.Isolate(ringNames...) }},
		{"its machine is dead", func(g *etcdtest.Guest) error { return g.CutOff() }},
	} {
		t.Run(x.name, func(t *testing.T) {
			w, clock := newUsed(t, 1<<20)
			w.dial = reached(w.dial)
			clock.each = each
			o := w.operator()
			o.deps.SSH = replicate.NewRunner(replicate.Options{Signer: o.deps.Signer, Dial: w.dial, KeepAlive: 3 * time.Second})
			t.Cleanup(func() { o.deps.SSH.Close() })
			w.mustUp(o)
			var looks int
			var dead time.Duration // when it died
			var failed error
			clock.at = func(_ int, who string) {
				clock.mu.Lock()
				defer clock.mu.Unlock()
				if who == "kubernetes-master" {
					return
				}
				if looks++; looks == 50 && x.dies != nil {
					dead = clock.spent()
					g, err := w.models.Guest(who, string(zoneC))
					if err == nil {
						go func() { _ = x.dies(g) }() // the machine answers this question yet
					}
					failed = err
				}
			}
			begin := clock.spent()
			ctx := plan.WithAfter(context.Background(), clock.after)
			s, err := o.replica(zoneC).Up(ctx, w.events())
			took := clock.spent() - begin
			var back *RolledBack
			switch {
			case failed != nil:
				t.Fatal(failed)
			case x.dies == nil && err != nil:
				t.Fatal(err)
			case x.dies == nil:
				if got := mastersOf(t, s); len(got) != 2 || took <= stallLimit {
					t.Errorf("masters are %v, after %s", got, took)
				}
			case !errors.As(err, &back):
				t.Fatalf("ended with %v", err)
			default:
				if !strings.Contains(err.Error(), "nothing moved for 1m0s") {
					t.Errorf("it says %v", err)
				}
				if late := took - dead; late > 5*stallLimit {
					t.Errorf("it was taken back %s after it had died", late)
				}
			}
			t.Logf("after %s: %v", took, err)
			w.mustDown(o.again(func(s *Settings) { s.Zone = "" }))
		})
	}
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
	besideOthers(t)
	for _, verb := range []string{"up", "repair"} {
		t.Run(verb, func(t *testing.T) {
			c := newSick(t, 3)
			c.o = c.o.again(func(s *Settings) { s.InitTimeout = Seconds(5 * time.Minute) })
			c.must(c.Client.Instances(c.zones[2]).Stop(context.Background(), c.names[2]))
			for _, ring := range ringNames {
				c.must(c.guest(0).Agree(ring, 6000))
			}
			if verb == "repair" {
				_, err := c.o.Repair(context.Background(), "", c.events())
				c.must(err)
			} else {
				c.mustUp(c.o.replica(Zone(c.zones[2])))
			}
			c.whole(3)
			c.mustDown(c.o.again(func(s *Settings) { s.Zone = "" }))
		})
	}
}
