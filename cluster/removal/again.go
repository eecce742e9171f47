package removal

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/sweep"
	"hakube/cluster/task"
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
	listed []*sweep.Orphan      // which have steps of their own
}

// SweepAgain is the step that takes it, where what hakube did not make goes too.
func SweepAgain(r *task.Task) []plan.Step {
	if !r.Sweeping {
		return nil
	}
	return []plan.Step{sweptAgain{r.Env, r.LookForMarks, r.Have, r.Strays}}
}

func (sweptAgain) String() string           { return "what Services and volumes made since" }
func (sweptAgain) Waits()                   {}
func (sweptAgain) Do(context.Context) error { return nil } // never wanted

func (s sweptAgain) Observe(ctx context.Context) (plan.State, error) {
	found, err := s.find(ctx)
	if err != nil || len(found) == 0 {
		return plan.State{Is: plan.Absent, Why: "nothing"}, err
	}
	var names []string
	for _, o := range found {
		names = append(names, o.String())
	}
	return plan.Exists(strings.Join(names, ", "))
}

// find is a look of its own: what the run has read so far is from before.
func (s sweptAgain) find(ctx context.Context) ([]*sweep.Orphan, error) {
	if _, err := s.look(ctx); err != nil {
		return nil, err
	}
	found, _, err := sweep.Find(ctx, s.env.Reader, &s.env.Want, s.swept)
	return slices.DeleteFunc(found, func(o *sweep.Orphan) bool {
		return slices.ContainsFunc(s.listed, func(x *sweep.Orphan) bool { return x.Of == o.Of && x.Id == o.Id })
	}), err
}

func (s sweptAgain) Undo(ctx context.Context) error {
	found, err := s.find(ctx)
	if err != nil {
		return err
	}
	return take(ctx, s.env, found)
}

// take removes them, in the order in which Kubernetes would.
func take(ctx context.Context, e *env.Env, found []*sweep.Orphan) error {
	for _, k := range slices.Backward(sweepOrder) {
		for _, o := range found {
			if o.Of != k {
				continue
			}
			e.Warn(fmt.Sprintf("%s was made while the cluster went, and is removed too", o.Leftover))
			if err := (strayStep{e, o}).Undo(ctx); err != nil {
				return fmt.Errorf("removing %s: %w", o.Leftover, err)
			}
		}
	}
	return nil
}
