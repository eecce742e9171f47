package cluster

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCutPool cuts the modes of a pool at each of their changing calls; running
// them again finishes it, touches no other zone, and down leaves nothing.
func TestCutPool(t *testing.T) {
	none := func(*world, *operator) {}
	three := func(w *world, o *operator) { w.mustUp(o.pool(zoneC, 3)) }
	for _, m := range []struct {
		name   string
		calls  int64 // changing ones
		before func(*world, *operator)
		run    func(context.Context, *operator) error
		again  func(*world, *operator)
	}{
		{"add", 2, none, func(ctx context.Context, o *operator) error {
			_, err := o.pool(zoneC, 2).Up(ctx, nil)
			return err
		}, func(w *world, o *operator) {
			if got := nodesByZone(w.mustUp(o.pool(zoneC, 2)))[zoneC]; got != 2 {
				w.t.Errorf("%d nodes in c", got)
			}
			if n, err := o.pool(zoneC, 2).PreviewUp(context.Background(), nil); err != nil || n != 0 {
				w.t.Errorf("there is still something to do: %d steps, %v", n, err)
			}
		}},
		{"add and remove", 2, none, func(ctx context.Context, o *operator) error {
			_, err := o.pool(zoneC, 2).Up(ctx, nil)
			return err
		}, func(w *world, o *operator) { w.mustDown(o.pool(zoneC, 2)) }},
		{"shrink", 1, three, func(ctx context.Context, o *operator) error {
			_, err := o.pool(zoneC, 1).Up(ctx, nil)
			return err
		}, func(w *world, o *operator) {
			if got := nodesByZone(w.mustUp(o.pool(zoneC, 1)))[zoneC]; got != 1 {
				w.t.Errorf("%d nodes in c", got)
			}
		}},
		{"shrink and grow", 1, three, func(ctx context.Context, o *operator) error {
			_, err := o.pool(zoneC, 1).Up(ctx, nil)
			return err
		}, func(w *world, o *operator) {
			if got := nodesByZone(w.mustUp(o.pool(zoneC, 4)))[zoneC]; got != 4 {
				w.t.Errorf("%d nodes in c", got)
			}
			for name, n := range w.plane().nodes {
				if n.Spec.Unschedulable {
					w.t.Errorf("%s is left cordoned", name)
				}
			}
		}},
		{"remove", 1, three, func(ctx context.Context, o *operator) error {
			_, err := o.pool(zoneC, 3).Down(ctx, nil)
			return err
		}, func(w *world, o *operator) {
			w.mustDown(o.pool(zoneC, 3))
			if n := len(w.plane().nodes); n != 4 {
				w.t.Errorf("%d nodes, want 4", n)
			}
		}},
	} {
		for k := int64(1); k <= m.calls; k++ {
			for i, c := range cuts {
				if testing.Short() && (k+int64(i))%2 != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s/cut=%d/%s", m.name, k, c.name), func(t *testing.T) {
					w := newWorld(t)
					before := w.objects()
					first := w.operator()
					w.mustUp(first)
					w.mustUp(first.pool(zoneD, 1))
					d := w.objectsOf(zoneD)
					o := first
					if m.calls > 1 { // somebody else's, whose ssh key is the first call
						o = w.operator()
					}
					m.before(w, o)
					ctx, stop := context.WithCancelCause(context.Background())
					hit := w.cutAt(k, c, func() { stop(errKilled) })
					err := m.run(ctx, o)
					if !hit() {
						t.Errorf("fewer than %d changing calls", k)
					}
					if (err == nil) != (c.name == "busy") {
						t.Errorf("the cut run ended with: %v", err)
					}
					w.setFault(nil)
					m.again(w, o)
					if diff := cmp.Diff(d, w.objectsOf(zoneD)); diff != "" {
						t.Errorf("zone d changed (-before +after):\n%s", diff)
					}
					w.mustDown(o.again(func(s *Settings) { s.Zone = "" }))
					if diff := cmp.Diff(before, w.objects()); diff != "" {
						t.Errorf("objects after down (-before +after):\n%s", diff)
					}
				})
			}
		}
	}
}
