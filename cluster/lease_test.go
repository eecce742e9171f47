package cluster

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
)

// alive is an operator whose process is not taken for dead: runs of two of them
// are kept apart by the lease, which is as long as given.
func (o *operator) alive(length time.Duration) *operator {
	c := *o.Cluster
	c.deps.PID, c.deps.Lease = os.Getpid(), length
	return &operator{Cluster: &c, kubeconfig: o.kubeconfig}
}

// waits collects for whom a run waited.
func waits(report func(plan.Event)) (func(plan.Event), func() string) {
	var mu sync.Mutex
	var list []string
	return func(e plan.Event) {
			report(e)
			mu.Lock()
			defer mu.Unlock()
			if e.Step == (&lease.Wait{}).String() && e.Kind == plan.Waiting {
				list = append(list, e.Why)
			}
		}, func() string {
			mu.Lock()
			defer mu.Unlock()
			return strings.Join(slices.Compact(slices.Sorted(slices.Values(list))), "\n")
		}
}

// TestTwoAtOnce starts masters for two zones at the same time: both come, one
// after the other, and the one that waits says for whom. The first does not go on
// from its first change before the second waits: on a busy host it could be through
// when that one begins.
func TestTwoAtOnce(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	first := w.operator()
	w.mustUp(first)
	report, said := waits(w.events())
	began, waiting := make(chan struct{}), make(chan struct{})
	begins, waited := sync.OnceFunc(func() { close(began) }), sync.OnceFunc(func() { close(waiting) })
	var wg sync.WaitGroup
	wg.Go(func() {
		defer begins()
		_, err := first.replica(zoneC).alive(lease.DefaultLength).Up(context.Background(), func(e plan.Event) {
			if e.Kind == plan.Made {
				begins()
				<-waiting
			}
		})
		if err != nil {
			t.Errorf("the first: %v", err)
		}
	})
	wg.Go(func() {
		defer waited()
		<-began
		_, err := first.replica(zoneD).alive(lease.DefaultLength).Up(context.Background(), func(e plan.Event) {
			report(e)
			if e.Kind == plan.Waiting {
				waited()
			}
		})
		if err != nil {
			t.Errorf("the second: %v", err)
		}
	})
	wg.Wait()
	if got := mastersOf(t, w.mustUp(first)); len(got) != 3 {
		t.Errorf("masters are %v", got)
	}
	if all := said(); !strings.Contains(all, "me on ") || !strings.Contains(all, "add replica in europe-west1-c") {
		t.Errorf("nobody said for whom it waited: %q", all)
	}
}

// TestTwoCreate: of two that create one cluster, one comes first, and the other
// one finds it made.
func TestTwoCreate(t *testing.T) {
	w := newWorld(t)
	before := w.objects()
	first := w.operator()
	var wg sync.WaitGroup
	for _, o := range []*operator{first, w.operator()} {
		wg.Go(func() {
			if _, err := o.alive(lease.DefaultLength).Up(context.Background(), w.events()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.mustDown(first)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// TestKilledHolder kills a run that has the lease. On the same host the next one
// sees that the process is dead; elsewhere it waits for the lease to end.
func TestKilledHolder(t *testing.T) {
	besideOthers(t)
	for _, test := range []struct {
		name  string
		pid   int
		waits bool
	}{{"same host", deadPID, false}, {"other host", os.Getpid(), true}} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			o := w.operator().alive(time.Minute) // of the clock of who waits the shorter one below counts
			o.deps.PID = test.pid
			ctx, stop := context.WithCancelCause(context.Background())
			w.cutAt(5, cuts[0], func() { stop(errKilled) })
			if _, err := o.Up(ctx, nil); err == nil {
				t.Fatal("the killed run ended well")
			}
			w.setFault(nil)
			if s, err := o.Status(context.Background()); err != nil || s.Run == nil || !strings.HasSuffix(s.Run.By, "create in europe-west1-b") || s.Run.Alive != test.waits {
				t.Errorf("status %+v, %v", s, err)
			}
			report, said := waits(w.events())
			if _, err := o.alive(3*time.Second).Up(context.Background(), report); err != nil {
				t.Fatal(err)
			}
			if got := said() != ""; got != test.waits {
				t.Errorf("waited: %v, want %v", got, test.waits)
			}
		})
	}
}

// blocked lets the first request that matches wait until it is released; reached
// is closed when it is there.
func (w *world) blocked(match func(*http.Request) bool) (reached chan struct{}, release func()) {
	reached = make(chan struct{})
	done := make(chan struct{})
	var once sync.Once
	w.setFault(func(r *http.Request) emulator.Fault {
		if match(r) {
			mine := false
			once.Do(func() { mine = true; close(reached) })
			if mine {
				<-done
			}
		}
		return emulator.Fault{}
	})
	return reached, sync.OnceFunc(func() { close(done) })
}

// TestBreakLock takes a cluster over from a run that hangs. That one changes
// nothing more when it goes on, and run again it finishes.
func TestBreakLock(t *testing.T) {
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o)
	name := settings.NamesOf(&o.settings).Replica(zoneC, 0)
	began := false // with its first change, under the lease
	reached, release := w.blocked(func(r *http.Request) bool {
		began = began || r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/disks")
		return began && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/instances/"+name)
	})
	defer release()
	const length = 4 * time.Second
	ended := make(chan error, 1)
	hung := o.replica(zoneC).alive(length)
	go func() {
		_, err := hung.Up(context.Background(), w.events())
		ended <- err
	}()
	<-reached
	report, said := waits(w.events())
	b := o.alive(length).again(func(s *settings.Settings) { s.BreakLock = true }).pool(zoneD, 1)
	if _, err := b.Up(context.Background(), report); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said(), "the run that had it to notice") {
		t.Errorf("it did not wait until the other one had noticed: %q", said())
	}
	now := w.objects()
	release()
	var lost *lease.LostError
	if err := <-ended; !errors.As(err, &lost) || !strings.Contains(err.Error(), "add pool in europe-west1-d") {
		t.Errorf("the broken run ended with: %v", err)
	}
	if diff := cmp.Diff(now, w.objects()); diff != "" {
		t.Errorf("it changed something (-before +after):\n%s", diff)
	}
	w.mustUp(hung)
	if got := mastersOf(t, w.mustUp(o)); len(got) != 2 {
		t.Errorf("masters are %v", got)
	}
}
