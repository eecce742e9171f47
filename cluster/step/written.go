package step

import (
	"cmp"
	"context"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/task"
)

// Written sees to what is not written down when there is no other change.
func Written(r *task.Task) (steps []plan.Step) {
	for _, n := range r.Unwritten() {
		steps = append(steps, written{r.Env, n.Variable, n.Value, r.Have.Objects})
	}
	return steps
}

type written struct {
	env             *env.Env
	variable, value string
	beside          []inventory.Object // what was found: a pool's groups carry what they were made with
}

func (w written) String() string { return w.variable + "=" + w.value + " is written down" }

func (w written) Observe(ctx context.Context) (plan.State, error) {
	h, err := w.env.Holder(ctx)
	if err != nil {
		return plan.State{}, err
	}
	now := &inventory.Inventory{Holder: h, Objects: w.beside}
	if is := now.Said(w.variable, w.env.Want.Zone); is != w.value {
		return plan.State{Is: plan.Absent, Why: "it is " + cmp.Or(is, "nowhere")}, nil
	}
	return plan.Exists("")
}

// Do has nothing to add: the lease, which every change needs, has taken it along.
func (w written) Do(context.Context) error { return nil }

func (written) Undo(context.Context) error { return nil } // never unwanted
