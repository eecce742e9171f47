// Package removal is what is left after a removal, of the cluster and of what its
// Services and volumes made.
package removal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/sweep"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// NothingLeftOver is the last step of a removal: nothing in the project carries our
// mark any more, or nothing of the zone's pool or of the master does; and when
// what Services and volumes left was to go too, that is gone. What is to stay
// was said before ([Keep]).
//
// Lists may lag, either way: what was deleted may be listed for a moment still,
// and what is there may be missing from one list. So it is asked again for a
// while, and only two looks in a row that find nothing are believed.
func NothingLeftOver(r *task.Task) plan.Step {
	l := &LastLook{env: r.Env, name: "removal is complete", whose: "the cluster's mark", kept: r.Kept, keeps: r.Keeps}
	l.look = r.LookForMarks
	switch {
	case r.Mode.Nodes && !r.Mode.Whole:
		l.name, l.whose = r.Want.Pool().String()+" is gone", "the mark of the zone's pool"
		l.look = func(ctx context.Context) (*inventory.Inventory, error) {
			have, err := r.Look(ctx)
			return have.Pool(r.Want.Names, r.Want.Pool()), err
		}
	case r.Mode.One:
		l.name, l.whose = "master "+r.Replica.Name+" is gone", "the mark of the master"
		l.look = func(ctx context.Context) (*inventory.Inventory, error) {
			have, err := r.Look(ctx)
			return have.Master(r.Want.Names, r.Replica), err
		}
	}
	if r.Mode.Whole && r.Sweeping {
		l.swept = r.Have
	}
	return l
}

// A LastLook is that step.
type LastLook struct {
	env   *env.Env
	name  string
	look  func(context.Context) (*inventory.Inventory, error) // for what is of it
	whose string                                              // mark
	kept  []inventory.Object                                  // what is to stay
	keeps func(k inventory.Kind, name string) bool
	swept *inventory.Inventory // of the cluster, when what hakube did not make was to go too
	made  []*sweep.Judged      // since then, by the last look
	left  Undeleted            // by the last look
}

const lastLookLimit = 30 * time.Second

func (l *LastLook) String() string { return l.name }
func (*LastLook) Waits()           {}

// Observe is the two looks, or one that found something.
func (l *LastLook) Observe(ctx context.Context) (plan.State, error) {
	s, err := l.Glance(ctx)
	if err != nil || s.Is != plan.Present {
		return s, err
	}
	select {
	case <-time.After(l.env.Poll):
	case <-ctx.Done():
		return plan.State{}, context.Cause(ctx)
	}
	return l.Glance(ctx)
}

// Glance is one look.
func (l *LastLook) Glance(ctx context.Context) (plan.State, error) {
	have, err := l.look(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if have.Objects, err = l.env.AskAll(ctx, have.Objects); err != nil { // lists may show what is gone
		return plan.State{}, err
	}
	var left Undeleted
	for _, o := range have.Objects {
		if !l.keeps(o.Kind, o.Name) {
			left = append(left, o.String())
		}
	}
	marked := len(left)
	if l.swept != nil {
		again, _, err := sweep.Find(ctx, l.env.Reader, &l.env.Want, l.swept)
		if err != nil {
			return plan.State{}, err
		}
		l.made = again
		for _, s := range again {
			left = append(left, s.String())
		}
	}
	l.left = left
	if n := len(left); n > 0 {
		why := fmt.Sprintf("%d objects carry %s: ", n, l.whose)
		if marked < n {
			why = fmt.Sprintf("%d objects are still there: ", n)
		}
		why += strings.Join(left[:min(n, 3)], ", ")
		if n > 3 {
			why += fmt.Sprintf(" and %d more", n-3)
		}
		return plan.State{Is: plan.Absent, Why: why}, nil
	}
	why := "no object carries " + l.whose
	if len(l.kept) > 0 {
		why = "no object carries " + l.whose + " but what is to stay"
	}
	return plan.State{Is: plan.Present, Why: why}, nil
}

func (l *LastLook) Do(ctx context.Context) error {
	err := l.env.Until(ctx, plan.Condition{
		For: "the last objects to go", Every: l.env.Poll, Limit: lastLookLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			if err := take(ctx, l.env, l.made); err != nil {
				return false, "", err
			}
			s, err := l.Observe(ctx)
			return s.Is == plan.Present, s.Why, err
		},
	})
	if err != nil && ctx.Err() == nil && len(l.left) > 0 {
		return l.left
	}
	return err
}

func (*LastLook) Undo(context.Context) error { return nil } // never unwanted

// Undeleted are objects that a removal was to remove and that are still there.
type Undeleted []string

func (u Undeleted) Error() string {
	return fmt.Sprintf("%d objects of the cluster are still there: %s", len(u), strings.Join(u, ", "))
}

// Hint says what to do about them.
func (u Undeleted) Hint() string {
	return cure.Hint("what stays then is named above and can be deleted by hand; run it again", cure.Same())
}
