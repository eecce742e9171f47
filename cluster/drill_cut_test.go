package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/cluster/drill"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/gce/emulator"
)

// drillCuts are drills with each way in which something fails and is taken back.
var drillCuts = []string{"apiserver-killed", "master-halted", "machine-killed", "kubelet-dead", "disk-lost", "zone-cut-off"}

// TestDrillCut ends drills at each of their changing calls, and again in what takes them back: drill undo leaves
// the cluster as it was before, with nothing of a drill's.
func TestDrillCut(t *testing.T) {
	besideOthers(t)
	all, calls := 0, 0
	for row, name := range drillCuts {
		if testing.Short() && row != 1 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			list := undisturbedDrill(t, name)
			calls += len(list)
			for k, at := range list {
				for i, how := range []string{"killed_before", "killed_after", "interrupted"} {
					if (k+row)%3 != i || shortForms && (k+row)%2 != 0 || testing.Short() && k != len(list)/2 {
						continue
					}
					x := troubles[slices.IndexFunc(troubles, func(x trouble) bool { return x.name == how })]
					all++
					t.Run(fmt.Sprintf("call=%02d_%s.%d/%s", k+1, at.name, at.nth, how), func(t *testing.T) {
						t.Parallel()
						cutDrill(t, name, at, x)
					})
				}
			}
		})
	}
	fmt.Printf("REPORT TestDrillCut: %d drills, %d changing calls, %d cuts\n", len(drillCuts), calls, all)
}

func drillWorld(t *testing.T) (*sickCluster, *saboteur) {
	w, s, _ := matrixWorld(t)
	c := sickOf(t, w, 3)
	c.o.settings.InitTimeout, c.o.deps.LetGo = settings.Seconds(30*time.Second), 5*time.Second
	return c, s
}

func (c *sickCluster) drillOf(ctx context.Context, name string) error {
	_, err := c.o.Drill(ctx, drill.Options{Names: []string{name}, Pace: quick, Ask: drillsAgreed}, c.events())
	return err
}

// undisturbedDrill are the changing calls of a drill; of those that it makes again and again all the while some.
func undisturbedDrill(t *testing.T, name string) []changing {
	c, s := drillWorld(t)
	s.watch(changing{}, trouble{}, nil)
	if err := c.drillOf(context.Background(), name); err != nil {
		t.Fatalf("undisturbed: %v", err)
	}
	_, calls := s.rest()
	c.whole(3)
	return slices.DeleteFunc(calls, func(c changing) bool { return c.nth > 2 || strings.HasPrefix(c.name, "kubernetes.update") && c.nth > 1 })
}

func cutDrill(t *testing.T, name string, at changing, do trouble) {
	c, s := drillWorld(t)
	_ = s.cut(t, at, do, func(ctx context.Context) error { return c.drillOf(ctx, name) }) // what comes next tells
	c.calm()
	if _, err := c.o.UndoDrill(context.Background(), c.events()); err != nil {
		t.Fatalf("drill undo: %v", err)
	}
	c.whole(3)
	c.nothingOfDrills()
}

// A slowStop has machines whose stop takes until it is told.
type slowStop struct {
	emulator.Backend
	begun, until chan struct{}
}

func (s slowStop) Stop(ctx context.Context, x emulator.Machine, asked bool) error {
	close(s.begun)
	<-s.until
	return s.Backend.Stop(ctx, x, asked)
}

// TestDrillUndoWhileItStops: a drill was killed while its machine stopped. That is waited for, and it is
// started.
func TestDrillUndoWhileItStops(t *testing.T) {
	long(t, "TestDrills")
	besideOthers(t)
	stop := slowStop{begun: make(chan struct{}), until: make(chan struct{})}
	w, _ := modelWorld(t, modelsFor(t), func(o *emulator.Options) { stop.Backend, o.Backend = o.Backend, &stop })
	w.dial = within(time.Second, w.dial)
	c := sickOf(t, w, 3)
	ctx := context.Background()
	_, err := c.o.withLease(ctx, settings.DrillVerb, c.events(), func(ctx context.Context, h hold, report func(plan.Event)) error {
		f := c.o.field(h, drill.Options{Pace: quick}, report)
		if err := status.Find(ctx, f.Task); err != nil {
			return err
		}
		return f.Record(ctx, "master-halted", c.names[1])
	})
	c.must(err)
	stopped := make(chan error, 1)
	go func() { stopped <- c.Client.Instances(c.zones[1]).Stop(ctx, c.names[1]) }()
	<-stop.begun
	waits := make(chan struct{})
	var once sync.Once
	undone := make(chan error, 1)
	go func() {
		_, err := c.o.UndoDrill(ctx, func(e plan.Event) {
			if strings.Contains(e.Why, "to have stopped") {
				once.Do(func() { close(waits) })
			}
		})
		undone <- err
	}()
	select {
	case <-waits:
	case err := <-undone:
		t.Fatalf("it does not wait: %v", err)
	case <-time.After(time.Second): // nobody is told of it
	}
	close(stop.until)
	c.must(<-stopped)
	c.must(<-undone)
	c.whole(3)
	c.nothingOfDrills()
}
