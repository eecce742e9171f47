package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/gce/emulator"
)

// A cut is what befalls the k-th changing call of a run.
type cut struct {
	name string
	// dies is set when the process is gone with that call: nothing it asks for
	// later reaches the cloud.
	dies  bool
	fault emulator.Fault
}

var cuts = []cut{
	{"before", true, emulator.Fault{CutBefore: true}},
	{"after", true, emulator.Fault{CutAfter: true}},
	{"operation", false, emulator.Fault{Operation: &emulator.OperationFault{Code: "QUOTA_EXCEEDED", Message: "Quota 'CPUS' exceeded.", Status: 403}}},
	{"busy", false, emulator.Fault{Status: http.StatusServiceUnavailable}},
}

var errKilled = errors.New("killed")

// cutAt lets c happen at the k-th changing call from now on. stop is called
// when the process dies; hit tells whether that many calls were made at all.
func (w *world) cutAt(k int64, c cut, stop func()) (hit func() bool) {
	var n atomic.Int64
	var dead atomic.Bool
	w.setFault(func(r *http.Request) emulator.Fault {
		switch {
		case dead.Load():
			return emulator.Fault{CutBefore: true}
		case emulator.IsChange(r) && n.Add(1) == k:
			if c.dies {
				dead.Store(true)
				stop()
			}
			return c.fault
		}
		return emulator.Fault{}
	})
	return func() bool { return n.Load() >= k }
}

func (w *world) setFault(f func(*http.Request) emulator.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// changing calls of one up and one down of the test's cluster, at most.
const mostChanges = 16

// eachCut runs f for every changing call and every kind of cut, or for a few
// of them in a short test.
func eachCut(t *testing.T, f func(t *testing.T, k int64, c cut)) {
	for k := int64(1); k <= mostChanges; k++ {
		for i, c := range cuts {
			if testing.Short() && (k+int64(i))%5 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("cut=%d/%s", k, c.name), func(t *testing.T) { f(t, k, c) })
		}
	}
}

// TestCutUp cuts an up anywhere; the next one finishes it, and down leaves
// nothing.
func TestCutUp(t *testing.T) {
	eachCut(t, func(t *testing.T, k int64, c cut) {
		w := newWorld(t)
		before := w.objects()
		o := w.operator()
		ctx, stop := context.WithCancelCause(context.Background())
		hit := w.cutAt(k, c, func() { stop(errKilled) })
		_, err := o.Up(ctx, nil)
		if !hit() {
			t.Skipf("an up makes fewer than %d changing calls", k)
		}
		if err == nil && c.dies {
			t.Skip("after its last change a run only gives back the lease")
		}
		if (err == nil) != (c.name == "busy") {
			t.Errorf("the cut up ended with: %v", err)
		}
		w.setFault(nil)
		w.mustUp(o)
		if n, err := o.PreviewUp(context.Background(), nil); err != nil || n != 0 {
			t.Errorf("there is still something to do: %d steps, %v", n, err)
		}
		w.mustDown(o)
		if s := w.mustDown(o); !s.Nothing {
			t.Errorf("the second down found something")
		}
		if diff := cmp.Diff(before, w.objects()); diff != "" {
			t.Errorf("objects after down (-before +after):\n%s", diff)
		}
	})
}

// TestCutDown cuts a down anywhere; the next one leaves nothing.
func TestCutDown(t *testing.T) {
	eachCut(t, func(t *testing.T, k int64, c cut) {
		w := newWorld(t)
		before := w.objects()
		o := w.operator()
		w.mustUp(o)
		ctx, stop := context.WithCancelCause(context.Background())
		hit := w.cutAt(k, c, func() { stop(errKilled) })
		_, err := o.Down(ctx, nil)
		if !hit() {
			t.Skipf("a down makes fewer than %d changing calls", k)
		}
		if (err == nil) != (c.name == "busy") {
			t.Errorf("the cut down ended with: %v", err)
		}
		w.setFault(nil)
		w.mustDown(o.again(func(s *Settings) {
			if k%2 == 0 { // with and without the zone
				s.Zone = ""
			}
		}))
		if diff := cmp.Diff(before, w.objects()); diff != "" {
			t.Errorf("objects after down (-before +after):\n%s", diff)
		}
		if s := w.mustDown(o); !s.Nothing {
			t.Errorf("the second down found something")
		}
	})
}

// TestCutUpThenDown takes a half-made cluster away without finishing it.
func TestCutUpThenDown(t *testing.T) {
	eachCut(t, func(t *testing.T, k int64, c cut) {
		if !c.dies {
			t.Skip("only where the process dies")
		}
		w := newWorld(t)
		before := w.objects()
		o := w.operator()
		ctx, stop := context.WithCancelCause(context.Background())
		hit := w.cutAt(k, c, func() { stop(errKilled) })
		if _, err := o.Up(ctx, nil); err == nil && hit() && k < 15 { // the last call gives back the lease
			t.Error("the cut up ended well")
		}
		w.setFault(nil)
		w.mustDown(o.again(func(s *Settings) {
			if k%2 == 0 {
				s.Zone = ""
			}
		}))
		if diff := cmp.Diff(before, w.objects()); diff != "" {
			t.Errorf("objects after down (-before +after):\n%s", diff)
		}
	})
}
