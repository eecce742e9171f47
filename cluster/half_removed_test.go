package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/env"
	"hakube/cluster/refusal"
	"hakube/cluster/status"
	"hakube/scripts/cure"
)

// removals are of one master of three, in a group of its own or not.
func removals() []matrixMode {
	gone := func(o *operator) *operator { return o.replica(zoneD) }
	three := func(w *world, o *operator) *operator {
		w.mustUp(o)
		w.mustUp(o.replica(zoneC))
		w.mustUp(gone(o))
		return o
	}
	grouped := func(w *world, o *operator) *operator {
		w.mustUp(o.zones(w.t, "zones=b", "master-zones=b,c,d", "num-nodes=1"))
		return o
	}
	return []matrixMode{
		{name: "plain", prepare: three, run: down(gone), quorum: true, removes: true},
		{name: "grouped", prepare: grouped, run: down(gone), quorum: true, removes: true},
	}
}

// eachRemoval runs f for each change that a removal makes, or for some in a short test.
func eachRemoval(t *testing.T, some int, f func(t *testing.T, m matrixMode, at changing)) {
	besideOthers(t)
	for _, m := range removals() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for i, at := range m.undisturbed(t).calls {
				if testing.Short() && i%12 != some || shortForms && i%3 != some {
					continue
				}
				t.Run(fmt.Sprintf("call=%02d_%s", i+1, at.name), func(t *testing.T) {
					t.Parallel()
					f(t, m, at)
				})
			}
		})
	}
}

// halfRemoved is a cluster of which the removal of a master was killed after a change.
func (m matrixMode) halfRemoved(t *testing.T, at changing) (w *world, o *operator, q *quorumWatch) {
	w, s, q := matrixWorld(t)
	o = w.operator()
	o.deps.LetGo = 30 * time.Second
	m.prepare(w, o)
	_ = s.cut(t, at, troubles[1], func(ctx context.Context) error {
		_, err := m.run(ctx, o, w.events())
		return err
	})
	w.still(o)
	q.set(true)
	return w, o, q
}

// ends follows what status names until nothing is half done, at first what it names to take
// that back, if it does, and tells whether it did.
func (w *world) ends(t *testing.T, o *operator, q *quorumWatch, or bool) (named bool) {
	t.Helper()
	for round := 0; ; round++ {
		st, err := o.Status(t.Context())
		if err != nil {
			t.Fatalf("status: %v", err)
		}
		if len(st.Unfinished) == 0 {
			break
		}
		if round == 3 {
			t.Fatalf("still half done after three commands: %+v", st.Unfinished)
		}
		x := st.Unfinished[0]
		command := x.Command
		if x.Or != "" && or && round == 0 {
			command, named = x.Or, true
		}
		if err := w.follow(o, command); err != nil {
			t.Fatalf("%s: %s: %v", x.Step, command, err)
		}
	}
	if v, err := o.ValidateWithin(t.Context(), time.Minute, func(*status.Validity, error) {}); err != nil || len(v.Problems) > 0 {
		t.Errorf("it is not valid in the end: %+v, %v", v, err)
	}
	if lost := q.was(); len(lost) > 0 {
		t.Errorf("quorum was lost: %v", lost)
	}
	q.set(false)
	return named
}

// TestEitherWay: of a master whose removal was cut both of the commands that status names end
// what is half done, wherever it was cut: the one that goes on with it and the one that takes it
// back. A master of which rings have removed the member came back by neither.
func TestEitherWay(t *testing.T) {
	eachRemoval(t, 0, func(t *testing.T, m matrixMode, at changing) {
		w, o, q := m.halfRemoved(t, at)
		if w.ends(t, o, q, true) {
			w, o, q = m.halfRemoved(t, at)
			w.ends(t, o, q, false)
		}
	})
}

// TestBesideHalfRemoved: another master is not added of what a ring has removed, nothing is
// changed, and both ways out lead there; and a plain up beside it waits for nothing that comes
// no more, and says what ends that.
func TestBesideHalfRemoved(t *testing.T) {
	eachRemoval(t, 1, func(t *testing.T, m matrixMode, at changing) {
		w, o, q := m.halfRemoved(t, at)
		name := o.want().Names.Replica(string(zoneD), 0)
		before := w.picture(o)
		_, err := o.replica(zoneD).Up(t.Context(), w.events())
		var no *refusal.Refused
		switch {
		case err == nil: // the removal had not come far, or was through
			w.ends(t, o, q, false)
			w, o, q = m.halfRemoved(t, at)
		case !errors.As(err, &no):
			t.Errorf("another master: neither added nor refused: %v", err)
		default:
			if diff := cmp.Diff(before, w.picture(o)); diff != "" {
				t.Errorf("it was refused and changed something (-before +after):\n%s", diff)
			}
			for _, c := range []cure.Command{cure.Repair(name), cure.RemoveMaster(string(zoneD), name)} {
				if !strings.Contains(no.Cure, c.String()) {
					t.Errorf("nobody is told of %s: %s", c, no.Cure)
				}
			}
		}
		_, err = o.Up(t.Context(), w.events())
		var sick *env.Sick
		switch {
		case err == nil:
		case !errors.As(err, &sick):
			t.Errorf("up: %v", err)
		case strings.Contains(err.Error(), "not within"):
			t.Errorf("up waited for its limit: %v", err)
		case !strings.Contains(sick.Hint(), cure.RemoveMaster(string(zoneD), name).String()):
			t.Errorf("up does not say what ends it: %v: %s", err, sick.Hint())
		default:
			if err := w.follow(o, cure.RemoveMaster(string(zoneD), name).String()); err != nil {
				t.Errorf("what up named: %v", err)
			}
		}
		w.ends(t, o, q, false)
	})
}
