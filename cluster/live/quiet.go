package live

import (
	"context"

	"hakube/cluster/env"
	"hakube/cluster/plan"
	"hakube/cluster/task"
)

// Versioned is the fact that the API says which version it is.
func Versioned(r *task.Task) plan.Step { return versioned{r.Env} }

type versioned struct{ env *env.Env }

func (versioned) String() string { return "API says its version" }
func (versioned) Waits()         {}

func (v versioned) Observe(ctx context.Context) (plan.State, error) {
	client, err := v.env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: err.Error()}, nil
	}
	nodes, err := client.ListNodes(ctx)
	if err != nil || len(nodes) == 0 {
		return plan.State{Is: plan.Absent}, err
	}
	return plan.Exists(nodes[0].Status.NodeInfo.KubeletVersion)
}

func (versioned) Do(context.Context) error   { return nil }
func (versioned) Undo(context.Context) error { return nil }
