package cluster

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/replicate"
	"hakube/replicate/etcdtest"
)

// TestBusyVoter: the only voter of a ring, which agrees on nothing for a moment, is asked
// again before it is taken for dead. One that stays so is asked no longer, and nothing is
// changed then.
func TestBusyVoter(t *testing.T) {
	besideOthers(t)
	for _, x := range []struct {
		name    string
		looks   int32 // that find it busy
		refused bool
	}{{"busy", 2, false}, {"hung", 1 << 20, true}} {
		t.Run(x.name, func(t *testing.T) {
			besideOthers(t)
			var left atomic.Int32
			var c *sickCluster
			goesOn := func() {
				if err := errors.Join(c.guest(0).StopEtcd(replicate.RingEvents), c.guest(0).StartEtcd(replicate.RingEvents)); err != nil {
					t.Error(err)
				}
			}
			w := newWorld(t, func(o *etcdtest.Options) {
				o.Fault = func(a etcdtest.Asked) etcdtest.Fault {
					if a.Script == "etcd-status" && left.Add(-1) == 0 {
						goesOn()
					}
					return etcdtest.Fault{}
				}
			})
			c = sickOf(t, w, 1)
			before := c.objects()
			c.must(c.guest(0).StallEtcd(replicate.RingEvents))
			left.Store(x.looks)
			s, err := c.o.replica(zoneC).Up(t.Context(), c.events())
			if left.Load() > 0 != x.refused {
				t.Errorf("%d looks were to find it busy yet", left.Load())
			}
			if !x.refused {
				if err != nil || len(mastersOf(t, s)) != 2 {
					t.Fatalf("%+v, %v", s, err)
				}
				return
			}
			wantError(t, err, "etcd ring events takes no writes", "hakube repair")
			if len(c.objects()) != len(before) {
				t.Errorf("there are %d objects, there were %d", len(c.objects()), len(before))
			}
		})
	}
}

// TestSlowMaster: a master that is silent for longer than a question may take is asked again
// before anybody says that no master tells who is in the rings; one that stays silent is not
// asked for ever, and nothing is changed then.
func TestSlowMaster(t *testing.T) {
	besideOthers(t)
	for _, x := range []struct {
		name    string
		silent  int32 // so many times
		refused bool
	}{{"slow", 2, false}, {"silent", 1 << 20, true}} {
		t.Run(x.name, func(t *testing.T) {
			var left atomic.Int32
			w := newWorld(t, func(o *etcdtest.Options) {
				o.Fault = func(a etcdtest.Asked) etcdtest.Fault {
					return etcdtest.Fault{Hang: a.Script == "etcd-status" && left.Add(-1) >= 0}
				}
			})
			w.clock = func(d time.Duration) <-chan time.Time {
				if d == rings.AskLimit && left.Load() > 0 {
					d = 300 * time.Millisecond
				}
				return time.After(d)
			}
			o := w.operator()
			w.mustUp(o)
			before := w.objects()
			left.Store(x.silent)
			s, err := o.replica(zoneC).Up(t.Context(), w.events())
			if left.Load() > 0 != x.refused {
				t.Errorf("%d questions were to go unheard yet", left.Load())
			}
			var no *refusal.Refused
			if !x.refused {
				if err != nil || len(mastersOf(t, s)) != 2 {
					t.Fatalf("%+v, %v", s, err)
				}
				return
			}
			if !errors.As(err, &no) || !strings.Contains(err.Error(), "no master tells who is in etcd ring main") {
				t.Errorf("up ended with %v", err)
			}
			if len(w.objects()) != len(before) {
				t.Errorf("there are %d objects, there were %d", len(w.objects()), len(before))
			}
		})
	}
}
