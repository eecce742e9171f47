package live

import (
	"context"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/task"
)

// NodeReady is the wait for a master's Node.
type NodeReady struct {
	Env     *env.Env
	Of      inventory.Object
	Rejoins *pool.Rejoining
}

func (n NodeReady) String() string { return "node " + n.Of.Name + " is Ready" }

func (NodeReady) Waits() {}

func (n NodeReady) About() plan.Thing { return task.Thing(n.Of) }

func (n NodeReady) Observe(ctx context.Context) (plan.State, error) {
	client, err := n.Env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	nodes, err := client.ListNodes(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	for i := range nodes {
		if nodes[i].Name == n.Of.Name {
			if why := kube.NotReady(&nodes[i]); why != "" {
				return plan.State{Is: plan.Partial, Why: why}, nil
			}
			return plan.Exists("")
		}
	}
	return plan.State{Is: plan.Absent, Why: noNodeYet}, nil
}

const noNodeYet = "it is no node yet"

func (n NodeReady) Do(ctx context.Context) error {
	return n.Env.Until(ctx, plan.Condition{
		For: n.String(), Every: n.Env.Poll, Limit: validateLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			s, err := n.Observe(ctx)
			if err == nil && s.Why == noNodeYet {
				s.Why, err = register(ctx, n.Env, n.Of, n.Rejoins)
				s.Why = n.Of.Name + " " + s.Why
			}
			return err == nil && s.Is == plan.Present, s.Why, err
		},
	})
}

func (NodeReady) Undo(context.Context) error { return nil } // never unwanted
