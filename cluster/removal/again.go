package removal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/sweep"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// What is to go was listed while all was alive. A controller makes more of it until its
// machine is gone, and one that runs elsewhere goes on: so it is looked for again when
// the machines and what was listed are gone, before the network, which it would hold, and
// by the last look.

// sweptAgain is what was made since the list was read.
type sweptAgain struct {
	env    *env.Env
	look   func(context.Context) (*inventory.Inventory, error)
	swept  *inventory.Inventory // of the cluster, when the run began
	listed []*sweep.Judged      // which have steps of their own
}

// SweepAgain is the step that takes it, where what hakube did not make goes too.
func SweepAgain(r *task.Task) []plan.Step {
	if !r.Sweeping {
		return nil
	}
	return []plan.Step{sweptAgain{r.Env, r.LookForMarks, r.Have, r.Orphans}}
}

func (sweptAgain) String() string           { return "what Services and volumes made since" }
func (sweptAgain) Waits()                   {}
func (sweptAgain) Do(context.Context) error { return nil } // never wanted

func (s sweptAgain) Observe(ctx context.Context) (plan.State, error) {
	found, err := s.find(ctx)
	if err != nil || len(found) == 0 {
		return plan.State{Is: plan.Absent, Why: "nothing"}, err
	}
	return plan.Exists(namesOf(found))
}

// find is a look of its own: what the run has read so far is from before.
func (s sweptAgain) find(ctx context.Context) ([]*sweep.Judged, error) {
	if _, err := s.look(ctx); err != nil {
		return nil, err
	}
	found, _, err := sweep.Find(ctx, s.env.Reader, &s.env.Want, s.swept)
	return unknownTo(s.listed, found), err
}

// unknownTo are those that are not in a list.
func unknownTo(listed, found []*sweep.Judged) []*sweep.Judged {
	return slices.DeleteFunc(slices.Clone(found), func(o *sweep.Judged) bool {
		return slices.ContainsFunc(listed, func(x *sweep.Judged) bool { return x.Of == o.Of && x.Id == o.Id })
	})
}

// TellNew warns of what was made since what goes, or stays, was told.
func TellNew(r *task.Task, told []*sweep.Judged) {
	what := "stays"
	if r.Sweeping {
		what = "is removed"
	}
	for _, o := range unknownTo(told, r.Orphans) {
		r.Warn(fmt.Sprintf("%s was made while the cluster went, and %s too", o.Orphan, what))
	}
}

// Undo takes it as often as somebody makes it again, until two looks in a row find
// nothing: a controller that runs outside of the cluster's machines is told only by its
// API that its objects are gone, and makes them anew.
func (s sweptAgain) Undo(ctx context.Context) error {
	empty := 0
	err := s.env.Until(ctx, plan.Condition{
		For: "nobody to make them again", Every: s.env.Poll, Limit: againLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			found, err := s.find(ctx)
			if err == nil {
				err = take(ctx, s.env, found)
			}
			if err != nil || len(found) > 0 {
				empty = 0
				return false, "made again: " + namesOf(found), err
			}
			empty++
			return empty > 1, "one look found nothing", nil
		},
	})
	if err != nil && ctx.Err() == nil {
		return &madeAgain{err}
	}
	return err
}

// againLimit is how long somebody may go on making them again.
const againLimit = 30 * time.Second

// madeAgain is what a removal does not come to an end with.
type madeAgain struct{ error }

func (e *madeAgain) Unwrap() error { return e.error }

func (e *madeAgain) Hint() string {
	return cure.Hint("a program outside of the cluster's machines makes them: end that first, and run it again", cure.Same())
}

func namesOf(found []*sweep.Judged) string {
	var names []string
	for _, o := range found {
		names = append(names, o.String())
	}
	return strings.Join(names, ", ")
}

// take removes them, in the order in which Kubernetes would.
func take(ctx context.Context, e *env.Env, found []*sweep.Judged) error {
	for _, k := range slices.Backward(sweepOrder) {
		for _, o := range found {
			if o.Of != k {
				continue
			}
			e.Warn(fmt.Sprintf("%s was made while the cluster went, and is removed too", o.Orphan))
			if err := (orphanStep{e, o}).Undo(ctx); err != nil {
				return fmt.Errorf("removing %s: %w", o.Orphan, err)
			}
		}
	}
	return nil
}
