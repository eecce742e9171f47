package grouped

import (
	"context"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/gce"
)

// A group is a master's own. It is made without a machine, told to leave alone what comes
// into it, and goes with its machine and the addresses it has reserved; the data disk stays.
type group struct {
	env *env.Env
	of  inventory.Object
}

func groupOf(r *task.Task, m inventory.Object) group { return group{r.Env, m} }

func (g group) String() string { return "group of " + g.of.Name }
func (g group) Object() inventory.Object {
	return inventory.Object{Kind: inventory.OwnGroup, Name: g.of.Name, Zone: g.of.Zone}
}
func (g group) About() plan.Thing { return task.Thing(g.Object()) }

func (g group) Foresee(ctx context.Context, absent bool) (plan.State, error) {
	if absent {
		return plan.State{Is: plan.Absent}, nil
	}
	return g.Observe(ctx)
}

func (g group) Observe(ctx context.Context) (plan.State, error) {
	_, is, err := g.read(ctx)
	return is, err
}

// read is the group, and whether it is there and ours.
func (g group) read(ctx context.Context) (*computepb.InstanceGroupManager, plan.State, error) {
	x, err := g.env.GCE.InstanceGroupManagers(g.of.Zone).Get(ctx, g.of.Name)
	switch {
	case gce.IsNotFound(err):
		return nil, plan.State{Is: plan.Absent}, nil
	case err != nil:
		return nil, plan.State{}, err
	case !g.env.Owns(x.GetDescription()):
		return nil, plan.State{}, inventory.Foreign(g.String(), g.Object(), x.GetDescription())
	}
	return x, plan.State{Is: plan.Present}, nil
}

// nic0 is the interface of a machine, as groups call it.
const nic0 = "nic0"

func (g group) Do(ctx context.Context) error {
	kept := func() map[string]*computepb.StatefulPolicyPreservedStateNetworkIp {
		return map[string]*computepb.StatefulPolicyPreservedStateNetworkIp{nic0: {AutoDelete: new("ON_PERMANENT_INSTANCE_DELETION")}}
	}
	return g.env.GCE.InstanceGroupManagers(g.of.Zone).Insert(ctx, &computepb.InstanceGroupManager{
		Name:             &g.of.Name,
		Description:      new(g.env.Want.Mark.For(inventory.RoleOwnGroup)),
		BaseInstanceName: &g.of.Name,
		InstanceTemplate: new(g.env.Want.Global("instanceTemplates", g.of.Name)),
		TargetSize:       new(int32(0)),
		StatefulPolicy: &computepb.StatefulPolicy{PreservedState: &computepb.StatefulPolicyPreservedState{
			InternalIPs: kept(), ExternalIPs: kept(),
		}},
		InstanceLifecyclePolicy: &computepb.InstanceGroupManagerInstanceLifecyclePolicy{DefaultActionOnFailure: new(inventory.DoNothing)},
	})
}

// Undo deletes it with its machine.
func (g group) Undo(ctx context.Context) error {
	return g.env.LetGo(ctx, g.String(), func(ctx context.Context) error {
		return g.env.GCE.InstanceGroupManagers(g.of.Zone).Delete(ctx, g.of.Name)
	})
}

// Gone has a kept master's machine go for good, with its group, which leaves the balancer
// first.
func Gone(ctx context.Context, e *env.Env, m inventory.Object) error {
	if _, err := step.OwnBackend(e, m).Change(ctx, false); err != nil && !gce.IsNotFound(err) {
		return err
	}
	return group{e, m}.Undo(ctx)
}

// Makes tells of a master without a machine whether it has a group that would make one, with
// the votes it had: it is gone when that is.
func Makes(ctx context.Context, e *env.Env, m inventory.Object) (plan.State, error) {
	_, is, err := group{e, m}.read(ctx)
	if is.Is == plan.Present {
		is.Why = "its group would make it again"
	}
	return is, err
}

// Watches is the fact that a master's group makes its machine again when it is gone.
type Watches struct {
	Env *env.Env
	Of  inventory.Object
}

func (w Watches) String() string    { return "group of " + w.Of.Name + " makes it again" }
func (w Watches) About() plan.Thing { return task.Thing(w.Of) }

func (w Watches) Observe(ctx context.Context) (plan.State, error) {
	x, is, err := group{w.Env, w.Of}.read(ctx)
	if err == nil && is.Is == plan.Present && x.GetInstanceLifecyclePolicy().GetDefaultActionOnFailure() == inventory.DoNothing {
		return plan.State{Is: plan.Absent, Why: "it is told to leave it alone"}, nil
	}
	return is, err
}

func (w Watches) Do(ctx context.Context) error   { return w.tell(ctx, "REPAIR") }
func (w Watches) Undo(ctx context.Context) error { return w.tell(ctx, inventory.DoNothing) }

func (w Watches) tell(ctx context.Context, what string) error {
	return w.Env.GCE.InstanceGroupManagers(w.Of.Zone).Patch(ctx, w.Of.Name, &computepb.InstanceGroupManager{
		InstanceLifecyclePolicy: &computepb.InstanceGroupManagerInstanceLifecyclePolicy{DefaultActionOnFailure: &what},
	})
}
