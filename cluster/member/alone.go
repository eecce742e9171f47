package member

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/grouped"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/replicate"
)

// MachineGone is the machine of a master that is given up.
type MachineGone struct {
	Env *env.Env
	Of  inventory.Object
}

func (g MachineGone) String() string { return "machine " + g.Of.Name }

func (g MachineGone) About() plan.Thing { return task.Thing(g.Of) }

func (g MachineGone) Observe(ctx context.Context) (plan.State, error) {
	i, err := g.Env.GCE.Instances(g.Of.Zone).Get(ctx, g.Of.Name)
	switch {
	case gce.IsNotFound(err):
		return grouped.Makes(ctx, g.Env, g.Of)
	case err != nil:
		return plan.State{}, err
	case !g.Env.Owns(i.GetDescription()):
		return plan.State{}, inventory.Foreign(g.String(), g.Of, i.GetDescription())
	}
	return plan.Exists("")
}

func (MachineGone) Do(context.Context) error { return nil } // never wanted

// Undo deletes it; one that a group made goes with that, or it would come again.
func (g MachineGone) Undo(ctx context.Context) error {
	i, err := g.Env.GCE.Instances(g.Of.Zone).Get(ctx, g.Of.Name)
	switch {
	case gce.IsNotFound(err), err == nil && inventory.InstanceOf(i).Template != "":
		return grouped.Gone(ctx, g.Env, g.Of)
	case err != nil:
		return err
	}
	return g.Env.GCE.Instances(g.Of.Zone).Delete(ctx, g.Of.Name)
}

// RingAlone is a ring with the survivor as its only member.
type RingAlone struct {
	Env  *env.Env
	Of   inventory.Object
	Ring string
}

func (a RingAlone) String() string { return fmt.Sprintf("ring %s is %s alone", a.Ring, a.Of.Name) }

func (a RingAlone) About() plan.Thing { return task.Thing(a.Of) }

func (a RingAlone) Observe(ctx context.Context) (plan.State, error) {
	answers, err := a.Env.RingsOn(ctx, a.Of)
	if err != nil {
		return plan.State{}, err
	}
	x := answers[a.Ring]
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

func (a RingAlone) Do(ctx context.Context) error {
	return a.Env.OverSSH(ctx, a.Of, forceLimit, func(ctx context.Context, h replicate.Host) error {
		return replicate.ForceRing(ctx, a.Env.Deps.SSH, h, a.Ring)
	})
}

func (RingAlone) Undo(context.Context) error { return nil } // there is no way back
