package live

import (
	"context"
	"fmt"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/step"
	"hakube/cluster/task"
)

// An opener is a removal's way to a cluster that lives, or lives no more.
type opener struct {
	env    *env.Env
	access []plan.Step      // ssh to masters, for credentials
	master inventory.Object // that is asked for them
	lives  bool             // the master, when the run began
}

func openerOf(r *task.Task) opener {
	return opener{env: r.Env, access: step.Access(r), master: r.Master(), lives: r.Have.Runs(r.Master())}
}

// open does what it takes to speak to the cluster that has a living API. A removal
// writes no kubeconfig: what a master lends is kept nowhere.
func (o opener) open(ctx context.Context) error {
	for _, s := range o.access {
		now, err := s.Observe(ctx)
		if err == nil && now.Is != plan.Present {
			err = s.Do(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	if _, err := o.env.Kube(ctx); err == nil {
		return nil
	}
	ip, err := o.env.Address(ctx)
	if err != nil {
		return err
	}
	e, err := o.env.Lend(ctx, o.master, ip, 0)
	if err != nil {
		return err
	}
	o.env.Borrow(e)
	return nil
}
