package step

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// Groups is the zone's pool of nodes, as managed instance groups of NUM_NODES
// machines in all. When removing it is what was found.
func Groups(r *task.Task) (steps []plan.Step) {
	if !r.Mode.Removes {
		for _, g := range r.PoolGroups() {
			steps = append(steps, group(r, g))
		}
		return steps
	}
	for _, o := range r.Or(inventory.ManagedGroup, inventory.Object{}) {
		steps = append(steps, group(r, task.PoolGroup{Object: o}))
	}
	return steps
}

func group(r *task.Task, g task.PoolGroup) plan.Step {
	name := "group " + g.Name + " in " + g.Zone // each zone may have one of the name
	groups := r.GCE.InstanceGroupManagers(g.Zone)
	e, removes, own := r.Env, r.Mode.Removes, r.OwnGroups()
	return Resource[*computepb.InstanceGroupManager]{
		poll: r.Poll, clock: r.Deps.Clock, before: new(observed[*computepb.InstanceGroupManager]),
		name:   name,
		of:     g.Object,
		get:    func(ctx context.Context) (*computepb.InstanceGroupManager, error) { return groups.Get(ctx, g.Name) },
		mine:   e.Owns,
		Check:  func(x *computepb.InstanceGroupManager) (plan.State, error) { return checkGroup(e, removes, name, g, x) },
		insert: func(ctx context.Context) (*computepb.InstanceGroupManager, error) { return insertGroup(ctx, e, g) },
		mend:   func(ctx context.Context) error { return mendGroup(ctx, e, g, own) },
		remove: func(ctx context.Context) error {
			defer e.Seen.ForgetManaged(g.Object)
			return groups.Delete(ctx, g.Name)
		},
	}
}

func checkGroup(r *env.Env, removes bool, name string, g task.PoolGroup, x *computepb.InstanceGroupManager) (plan.State, error) {
	if removes {
		return plan.Exists("")
	}
	var why []string
	if t, want := gce.Base(x.GetInstanceTemplate()), r.Want.NodeTemplate(); t != want {
		switch {
		case !r.Want.Names.IsTemplate(t):
			return plan.State{}, &refusal.Refused{
				Why:  fmt.Sprintf("%s makes its machines from template %s, not from %s", name, t, want),
				Cure: "set the group's template back, or take the cluster down first",
			}
		case !r.Want.ChangesPool() && t != g.Template: // what was concluded from the list does not hold
			return plan.State{}, &refusal.Refused{
				Why:  fmt.Sprintf("%s makes its machines from template %s, and was still listed with %s", name, t, cmp.Or(g.Template, "none")),
				Cure: cure.Hint("the list was behind; run it again", cure.Same()),
			}
		}
		why = append(why, fmt.Sprintf("makes its machines from template %s, is to from %s", t, want))
	}
	has := int(x.GetTargetSize())
	if has != g.Wants && !g.Leaves(has) {
		why = append(why, fmt.Sprintf("has %d machines, is to have %d", has, g.Wants))
	}
	if len(why) > 0 {
		return plan.State{Is: plan.Partial, Why: strings.Join(why, "; ")}, nil
	}
	text := fmt.Sprintf("%d machines", has)
	if g.Most > 0 {
		text += fmt.Sprintf(", left alone: the cluster autoscaler keeps them between %d and %d", g.Least, g.Most)
	}
	return plan.Exists(text)
}

// insertGroup makes the group.
func insertGroup(ctx context.Context, r *env.Env, g task.PoolGroup) (*computepb.InstanceGroupManager, error) {
	x := &computepb.InstanceGroupManager{
		Name:             &g.Name,
		Description:      new(r.Want.Mark.ForPool(inventory.RoleGroup, g.Pool) + " " + inventory.MostKey + "=" + strconv.Itoa(int(r.Want.Settings.MaxPerGroup))),
		BaseInstanceName: &g.Name, // as kube-up: machines are called group-xxxx
		InstanceTemplate: new(r.Want.Global("instanceTemplates", r.Want.NodeTemplate())),
		TargetSize:       new(int32(g.Wants)),
	}
	r.Seen.ForgetManaged(g.Object)
	return x, r.GCE.InstanceGroupManagers(g.Zone).Insert(ctx, x)
}

// mendGroup has the group there is make its machines from the template that is wanted,
// and brings it to its size: what it makes by then is not old when it comes.
func mendGroup(ctx context.Context, r *env.Env, g task.PoolGroup, own []inventory.Object) error {
	groups, want := r.GCE.InstanceGroupManagers(g.Zone), r.Want.NodeTemplate()
	x, err := groups.Get(ctx, g.Name)
	if err == nil && gce.Base(x.GetInstanceTemplate()) != want {
		err = groups.SetInstanceTemplate(ctx, g.Name, want)
	}
	if has := int(x.GetTargetSize()); err != nil || has == g.Wants || g.Leaves(has) {
		return err
	}
	return sizeGroup(ctx, r, g, own, int(x.GetTargetSize()))
}

// sizeGroup brings the group there is to its size. Machines that are too many are
// named: those that were drained, not those Compute Engine would pick.
func sizeGroup(ctx context.Context, r *env.Env, g task.PoolGroup, own []inventory.Object, has int) error {
	defer r.Seen.ForgetManaged(g.Object)
	groups := r.GCE.InstanceGroupManagers(g.Zone)
	surplus := has - g.Wants
	if surplus <= 0 {
		return groups.Resize(ctx, g.Name, g.Wants)
	}
	p, err := pool.Read(ctx, r, own)
	if err != nil {
		return fmt.Errorf("choosing the machines to go: %w", err)
	}
	if leavers := p.Leavers(g.Name, surplus); len(leavers) == surplus {
		return groups.DeleteInstances(ctx, g.Name, pool.NamesOf(leavers))
	}
	return groups.Resize(ctx, g.Name, g.Wants) // some are not even listed yet
}
