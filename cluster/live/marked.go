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

// Marked is the fact that the pool's Nodes have the labels and taints that they registered
// with. A kubelet sets them once: what somebody takes away by hand nobody else brings back.
// Other ones are another template, and so other nodes (Replaced): taints that came upon
// running pods would end them without regard to their budgets. It is listed where there
// are any.
func Marked(r *task.Task) []plan.Step {
	marks := r.Marks()
	if marks.None() {
		return nil
	}
	return []plan.Step{marked{r.Env, r.OwnGroups(), marks}}
}

type marked struct {
	env    *env.Env
	groups []inventory.Object
	marks  pool.Marks
}

func (marked) String() string { return "nodes have their labels and taints" }

// unmarked reads the pool. Machines of another template are left to those who replace them.
func (m marked) unmarked(p pool.Pool) ([]pool.Machine, string) {
	return p.Unmarked(func(template string) pool.Marks {
		if template != "" && template != m.env.Want.NodeTemplate() {
			return pool.Marks{}
		}
		return m.marks
	})
}

func (m marked) Observe(ctx context.Context) (plan.State, error) {
	p, err := pool.Recent(ctx, m.env, m.groups)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	if _, why := m.unmarked(p); why != "" {
		return plan.State{Is: plan.Partial, Why: why}, nil
	}
	return plan.Exists("")
}

func (m marked) Do(ctx context.Context) error {
	p, err := pool.Read(ctx, m.env, m.groups)
	if err != nil {
		return err
	}
	client, err := m.env.Kube(ctx)
	if err != nil {
		return err
	}
	list, _ := m.unmarked(p)
	return kube.Each(len(list), func(i int) error { return client.Mark(ctx, p.Node(list[i]), m.marks.Labels, m.marks.Onto) })
}

func (marked) Undo(context.Context) error { return nil } // never unwanted
