package cluster

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"hakube/gce/emulator"
)

// TestStillBeingMade: a create is killed while Compute Engine still makes what it asked
// for, which nothing may refer to before that is over. The next run waits for it.
func TestStillBeingMade(t *testing.T) {
	for _, method := range []string{"networks.insert", "subnetworks.insert", "firewalls.insert", "addresses.insert", "disks.insert", "instances.insert", "instanceTemplates.insert"} {
		if testing.Short() && method != "networks.insert" && method != "instances.insert" {
			continue // one of those that others wait for, and the one that takes longest
		}
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w, _ := newModelWorld(t)
			o := w.operator()
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			made := make(chan struct{})
			end := sync.OnceFunc(func() { close(made) })
			defer end()
			var killed atomic.Bool
			w.setFault(func(r *http.Request) (f emulator.Fault) {
				switch {
				case killed.Load():
					f.CutBefore = true
				case emulator.ChangeOf(r) == method:
					killed.Store(true)
					f.Stuck, f.CutAfter = made, true
					stop()
				}
				return f
			})
			if _, err := o.Up(ctx, nil); err == nil || !killed.Load() {
				t.Fatalf("it was not killed: %v", err)
			}
			var changes atomic.Int32 // the clock of retries is not the real one
			var asked sync.Map       // who waits asks the same again and again
			w.setFault(func(r *http.Request) emulator.Fault {
				times, _ := asked.LoadOrStore(r.Method+r.URL.Path, new(atomic.Int32))
				if n := times.(*atomic.Int32).Add(1); n == 20 || emulator.IsChange(r) && changes.Add(1) == 3 {
					end()
				}
				return emulator.Fault{}
			})
			w.mustUp(o)
			w.setFault(nil)
			w.mustDown(o)
		})
	}
}
