package cluster

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/replicate"
)

// machineGone is the machine of a master that is given up.
type machineGone struct {
	env *env.Env
	of  inventory.Object
}

func (g machineGone) String() string { return "machine " + g.of.Name }

func (g machineGone) About() plan.Thing { return task.Thing(g.of) }

func (g machineGone) Observe(ctx context.Context) (plan.State, error) {
	i, err := g.env.GCE.Instances(g.of.Zone).Get(ctx, g.of.Name)
	switch {
	case gce.IsNotFound(err):
		return plan.State{Is: plan.Absent}, nil
	case err != nil:
		return plan.State{}, err
	case !g.env.Owns(i.GetDescription()):
		return plan.State{}, inventory.Foreign(g.String(), g.of, i.GetDescription())
	}
	return plan.Exists("")
}

func (machineGone) Do(context.Context) error { return nil } // never wanted

func (g machineGone) Undo(ctx context.Context) error {
	return g.env.GCE.Instances(g.of.Zone).Delete(ctx, g.of.Name)
}

// ringAlone is a ring with the survivor as its only member.
type ringAlone struct {
	env  *env.Env
	of   inventory.Object
	ring string
}

func (a ringAlone) String() string { return fmt.Sprintf("ring %s is %s alone", a.ring, a.of.Name) }

func (a ringAlone) About() plan.Thing { return task.Thing(a.of) }

func (a ringAlone) Observe(ctx context.Context) (plan.State, error) {
	answers, err := a.env.RingsOn(ctx, a.of)
	if err != nil {
		return plan.State{}, err
	}
	x := answers[a.ring]
	switch {
	case !x.Healthy:
		return plan.State{Is: plan.Absent, Why: cmp.Or(x.Error, "not healthy")}, nil
	case len(x.Members) != 1:
		var names []string
		for _, m := range x.Members {
			name, _ := rings.MachineOf(m)
			names = append(names, name)
		}
		return plan.State{Is: plan.Absent, Why: "it has " + strings.Join(names, ", ")}, nil
	}
	return plan.Exists(fmt.Sprintf("revision %d", x.Revision))
}

// forceLimit is how long scripts/force-ring.sh may take: 120 s for the first start,
// 60 s for the second.
const forceLimit = 200 * time.Second

func (a ringAlone) Do(ctx context.Context) error {
	return a.env.OverSSH(ctx, a.of, forceLimit, func(ctx context.Context, h replicate.Host) error {
		return replicate.ForceRing(ctx, a.env.Deps.SSH, h, a.ring)
	})
}

func (ringAlone) Undo(context.Context) error { return nil } // there is no way back
