package cluster

import (
	"context"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/task"
)

// nodeReady is the wait for a master's Node.
type nodeReady struct {
	env     *env.Env
	of      inventory.Object
	rejoins *pool.Rejoining
}

func (n nodeReady) String() string { return "node " + n.of.Name + " is Ready" }

func (nodeReady) Waits() {}

func (n nodeReady) About() plan.Thing { return task.Thing(n.of) }

func (n nodeReady) Observe(ctx context.Context) (plan.State, error) {
	client, err := n.env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	nodes, err := client.ListNodes(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	for i := range nodes {
		if nodes[i].Name == n.of.Name {
			if why := kube.NotReady(&nodes[i]); why != "" {
				return plan.State{Is: plan.Partial, Why: why}, nil
			}
			return plan.Exists("")
		}
	}
	return plan.State{Is: plan.Absent, Why: noNodeYet}, nil
}

const noNodeYet = "it is no node yet"

func (n nodeReady) Do(ctx context.Context) error {
	return plan.Until(ctx, plan.Condition{
		For: n.String(), Every: n.env.Poll, Limit: validateLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			s, err := n.Observe(ctx)
			if err == nil && s.Why == noNodeYet {
				s.Why, err = register(ctx, n.env, n.of, n.rejoins)
				s.Why = n.of.Name + " " + s.Why
			}
			return err == nil && s.Is == plan.Present, s.Why, err
		},
	})
}

func (nodeReady) Undo(context.Context) error { return nil } // never unwanted
