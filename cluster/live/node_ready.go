package live

import (
	"context"

	corev1 "k8s.io/api/core/v1"

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

// TakesPods is the fact that a master's Node is not cordoned by hakube any more, once its
// machine was made again.
type TakesPods struct {
	Env *env.Env
	Of  inventory.Object
}

func (n TakesPods) String() string    { return "node " + n.Of.Name + " takes pods" }
func (n TakesPods) About() plan.Thing { return task.Thing(n.Of) }

// node is nil where there is none, or somebody else wants it as it is.
func (n TakesPods) node(ctx context.Context) (*kube.Client, *corev1.Node, error) {
	client, err := n.Env.Kube(ctx)
	if err != nil {
		return nil, nil, err
	}
	nodes, err := client.ListNodes(ctx)
	if err != nil {
		return nil, nil, err
	}
	x := pool.Pool{Nodes: nodes}.Node(pool.Machine{Name: n.Of.Name, Zone: n.Of.Zone})
	if x == nil || !kube.IsLeaving(x) {
		return client, nil, nil
	}
	return client, x, nil
}

func (n TakesPods) Observe(ctx context.Context) (plan.State, error) {
	_, x, err := n.node(ctx)
	switch {
	case err != nil:
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	case x != nil:
		return plan.State{Is: plan.Partial, Why: "it is cordoned"}, nil
	}
	return plan.Exists("")
}

func (n TakesPods) Do(ctx context.Context) error {
	client, x, err := n.node(ctx)
	if err != nil || x == nil {
		return err
	}
	return client.Uncordon(ctx, x)
}

func (TakesPods) Undo(context.Context) error { return nil } // never unwanted

func (NodeReady) Undo(context.Context) error { return nil } // never unwanted
