package cluster

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCutAndUnset: a create with no setting at its default is killed at each of
// its changing calls, and gone on with in a shell that sets none: it ends as if
// it had not been disturbed. Only before its first change there is nothing to go
// on with.
func TestCutAndUnset(t *testing.T) {
	long(t, "TestUnsetIsAsItIs")
	made := valuesWithout("MULTIZONE", "KUBE_CREATE_NODES", "HAKUBE_SPOT_NODE")
	w, s, _ := matrixWorld(t)
	w.accounts()
	w.makeBucket("backups")
	o := w.operator()
	s.watch(changing{}, trouble{}, nil)
	w.mustUp(o.shell(t, made))
	_, calls := s.rest()
	want := w.picture(o.shell(t, nil))
	cuts := 0
	for k, c := range calls {
		for i, x := range troubles[:2] { // killed before, killed after
			if k+i == 0 || x.faults[c.way] == nil || testing.Short() && (k+i)%26 != 14 {
				continue
			}
			cuts++
			t.Run(fmt.Sprintf("call=%02d_%s/%s", k+1, c.name, x.name), func(t *testing.T) {
				t.Parallel()
				w, s, _ := matrixWorld(t)
				w.accounts()
				w.makeBucket("backups")
				o := w.operator()
				ctx, stop := context.WithCancel(context.Background())
				defer stop()
				s.watch(c, x, stop)
				_, err := o.shell(t, made).Up(ctx, w.events())
				hit, _ := s.rest()
				if last := k == len(calls)-1; !hit || (err == nil) != last { // which gives the lease back
					t.Fatalf("the call was met: %t, and up ended with %v", hit, err)
				}
				w.mustUp(o.shell(t, nil))
				now := w.picture(o.shell(t, nil)) // what groups do by themselves comes in its own time
				for begin := time.Now(); !cmp.Equal(want, now) && time.Since(begin) < 2*time.Minute; now = w.picture(o.shell(t, nil)) {
					time.Sleep(20 * time.Millisecond)
				}
				if !cmp.Equal(want, now) {
					t.Errorf("it ends otherwise (-undisturbed +cut):\n%s", shorter(want, now))
				}
			})
		}
	}
	t.Logf("%d changing calls, %d cuts", len(calls), cuts)
}

// everyMachine are all there are, by name.
func (w *world) everyMachine() (names []string) {
	w.t.Helper()
	all, err := w.Client.AggregatedInstances(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, x := range all {
		names = append(names, x.GetName())
	}
	slices.Sort(names)
	return names
}

// TestWithout: what is not there is not made because nobody says so: a cluster of
// one zone stays one, one without nodes gets none.
func TestWithout(t *testing.T) {
	long(t, "TestUnsetIsAsItIs")
	besideOthers(t)
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o.shell(t, map[string]string{"MULTIZONE": "false", "KUBE_CREATE_NODES": "false"}))
	nothingToDo(t, w, o.shell(t, nil))
	_, err := o.shell(t, map[string]string{"KUBE_GCE_ZONE": zoneC, "KUBE_USE_EXISTING_MASTER": "true"}).PreviewUp(context.Background(), nil)
	wantError(t, err, "was made with MULTIZONE=false")
	pool := o.shell(t, map[string]string{"KUBE_USE_EXISTING_MASTER": "true", "NUM_NODES": "4"})
	w.mustUp(pool)
	nothingToDo(t, w, o.shell(t, nil))
	if err := w.Client.InstanceGroupManagers(zoneB).Resize(context.Background(), "kubernetes-minion-group", 2); err != nil { // by hand
		t.Fatal(err)
	}
	w.calm()
	w.mustUp(o.shell(t, nil)) // Nodes of what went
	nothingToDo(t, w, o.shell(t, nil))
	nothingToDo(t, w, o.shell(t, map[string]string{"KUBE_CREATE_NODES": "false"})) // says what is made, not what goes
	machines := w.everyMachine()
	w.mustUp(o.shell(t, map[string]string{"MAX_INSTANCES_PER_MIG": "1"})) // is written down for the next growth, and moves none
	if diff := cmp.Diff(machines, w.everyMachine()); diff != "" {
		t.Errorf("machines (-before +after):\n%s", diff)
	}
	nothingToDo(t, w, o.shell(t, nil))
	w.mustDown(pool)
	nothingToDo(t, w, o.shell(t, nil)) // it was removed
	if s, err := o.shell(t, nil).Status(context.Background()); err != nil || len(s.Unfinished) > 0 {
		t.Errorf("status: %+v, %v", s.Unfinished, err)
	}
	w.mustDown(o)
}
