package cluster

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/replicate/etcdtest"
)

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
