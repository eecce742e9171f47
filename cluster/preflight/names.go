package preflight

import (
	"context"
	"errors"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/gce"
)

// takenNames looks at all objects at the same time and returns those that have
// a name of ours and are not ours, or differ from the settings, and what is
// missing of the rest.
func takenNames(ctx context.Context, r *env.Env, steps []task.ObjectStep) (taken refusal.Unfit, missing []inventory.Object, err error) {
	type sight struct {
		no     *refusal.Refused
		is     plan.Presence
		beside refusal.Unfit
	}
	seen, reads := make([]sight, len(steps)), make([]func() error, len(steps))
	for i, s := range steps {
		reads[i] = func() (err error) {
			st, err := s.Observe(ctx)
			if errors.As(err, &seen[i].no) {
				return nil
			}
			if seen[i].is = st.Is; err == nil && st.Is == plan.Absent {
				seen[i].beside, err = beside(ctx, r, s.Object())
			}
			return err
		}
	}
	if err := gce.Parallel(reads...); err != nil {
		return nil, nil, err
	}
	for i, s := range seen {
		if s.no != nil {
			taken = append(taken, s.no)
		}
		if taken = append(taken, s.beside...); s.no == nil && s.is == plan.Absent {
			missing = append(missing, steps[i].Object())
		}
	}
	return taken, missing, nil
}

// beside are objects of other kinds that making one needs the name of: a
// machine makes a boot disk of its name, a managed group an instance group.
func beside(ctx context.Context, r *env.Env, o inventory.Object) (refusal.Unfit, error) {
	var x inventory.Object
	var err error
	switch o.Kind {
	case inventory.Instance:
		x = inventory.Object{Kind: inventory.Disk, Name: o.Name, Zone: o.Zone}
		_, err = r.GCE.Disks(o.Zone).Get(ctx, o.Name)
	case inventory.ManagedGroup:
		x = inventory.Object{Kind: inventory.InstanceGroup, Name: o.Name, Zone: o.Zone}
		_, err = r.GCE.InstanceGroups(o.Zone).Get(ctx, o.Name)
	default:
		return nil, nil
	}
	if gce.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return refusal.Unfit{inventory.NameTaken(x.String(), x, "has the name that "+string(o.Kind)+" "+o.Name+" needs", o.RenamedBy())}, nil
}
