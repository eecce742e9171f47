package plan_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"hakube/cluster/plan"
)

// A world is a cloud that is a map: what exists, and what a step needs to be
// there before it. It counts changes and can be told to fail at one of them.
type world struct {
	mu      sync.Mutex
	there   map[string]plan.Presence
	log     []string // changes that took hold, "+a" "-a"
	changes int      // asked for so far

	cutAt    int  // number of the change at which the process dies; 0 never
	cutAfter bool // after it took hold
}

var errCut = errors.New("the process was killed")

func newWorld() *world { return &world{there: map[string]plan.Presence{}} }

// change is a call that makes or removes one thing.
func (w *world) change(ctx context.Context, name string, to plan.Presence, needs ...string) error {
	w.mu.Lock()
	w.changes++
	n := w.changes
	w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if n == w.cutAt && !w.cutAfter {
		return errCut
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, need := range needs {
		if to != plan.Absent && w.there[need] != plan.Present {
			return fmt.Errorf("%s needs %s", name, need)
		}
		if to == plan.Absent && w.there[need] != 0 {
			return fmt.Errorf("%s is in use by %s", name, need)
		}
	}
	sign := "+"
	if to == plan.Absent {
		sign = "-"
		delete(w.there, name)
	} else {
		w.there[name] = to
	}
	w.log = append(w.log, sign+name)
	if n == w.cutAt {
		return errCut
	}
	return nil
}

func (w *world) names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.there))
}

// A thing is a step about one name of the world.
type thing struct {
	w      *world
	name   string
	needs  []string // must be there before it
	usedBy []string // must be gone before it goes
}

func (t thing) String() string { return t.name }

func (t thing) Observe(context.Context) (plan.State, error) {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	if t.w.cutAt != 0 && t.w.changes >= t.w.cutAt {
		return plan.State{}, errCut // a dead process does not look again
	}
	s := t.w.there[t.name]
	if s == plan.Unknown {
		s = plan.Absent
	}
	return plan.State{Is: s, Why: "seen"}, nil
}

func (t thing) Do(ctx context.Context) error {
	return t.w.change(ctx, t.name, plan.Present, t.needs...)
}

func (t thing) Undo(ctx context.Context) error {
	return t.w.change(ctx, t.name, plan.Absent, t.usedBy...)
}

// house is a list with a batch in the middle.
func house(w *world, want bool) []plan.Item {
	return []plan.Item{
		{Step: thing{w: w, name: "ground", usedBy: []string{"wall", "well", "fence"}}, Want: want},
		{Step: thing{w: w, name: "wall", needs: []string{"ground"}, usedBy: []string{"roof"}}, Want: want},
		{Step: thing{w: w, name: "well", needs: []string{"ground"}}, Want: want, Beside: true},
		{Step: thing{w: w, name: "fence", needs: []string{"ground"}}, Want: want, Beside: true},
		{Step: thing{w: w, name: "roof", needs: []string{"wall"}, usedBy: []string{"flag"}}, Want: want},
		{Step: thing{w: w, name: "flag", needs: []string{"roof"}}, Want: want},
	}
}
