package elsewhere

import (
	"context"
	"fmt"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/task"
	"hakube/replicate"
)

// Addressed is the fact that the cluster tells of its API at the address that it has here:
// kube-proxy, whoever joins, and kubeadm's configuration, which is written last.
func Addressed(r *task.Task, of inventory.Object) plan.Step { return &addressed{r.Env, of} }

type addressed struct {
	env *env.Env
	of  inventory.Object
}

func (*addressed) String() string {
	return "kube-proxy, cluster-info and kubeadm's configuration are of this address"
}
func (a *addressed) About() plan.Thing { return task.Thing(a.of) }

func (a *addressed) Observe(ctx context.Context) (plan.State, error) {
	ip, err := a.env.Address(ctx)
	if err != nil {
		return plan.State{}, err
	}
	client, err := a.env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	has, err := client.Endpoint(ctx)
	switch {
	case err != nil:
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	case has != ip:
		return plan.State{Is: plan.Partial, Why: "they are of " + has}, nil
	}
	return plan.Exists(has)
}

func (a *addressed) Do(ctx context.Context) error {
	ip, err := a.env.Address(ctx)
	if err != nil {
		return err
	}
	return a.env.OverSSH(ctx, a.of, a.env.Want.Settings.InitTimeout.Duration(), func(ctx context.Context, h replicate.Host) error {
		if err := a.env.Gate.Ask(ctx); err != nil {
			return err
		}
		if err := replicate.SettleAddress(ctx, a.env.Deps.SSH, h, ip); err != nil {
			return fmt.Errorf("having the cluster tell of its address %s: %w", ip, err)
		}
		return nil
	})
}

// Undo is never asked for.
func (*addressed) Undo(context.Context) error { return nil }
