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
//
// Where nothing of the cluster is there yet, lists of all there is say which names are
// free. One that was taken a moment ago is found out when the object is made, which
// Compute Engine refuses then; what is there is asked for itself.
func takenNames(ctx context.Context, r *task.Task, steps []task.Foreseeing) (taken refusal.Blockers, missing []inventory.Object, err error) {
	type sight struct {
		no     *refusal.Refused
		is     plan.Presence
		beside refusal.Blockers
	}
	free := func(inventory.Object) bool { return false }
	if r.Seen.Unreserved && len(r.Have.Objects) == 0 {
		if err := inventory.Firewall.Row().List(ctx, r.GCE, r.Seen.Lists); err != nil {
			return nil, nil, err
		}
		free = r.Seen.Lists.Lacks
	}
	seen, reads := make([]sight, len(steps)), make([]func() error, len(steps))
	for i, s := range steps {
		reads[i] = func() (err error) {
			look := func(ctx context.Context) (plan.State, error) {
				return s.Foresee(ctx, free(s.Object()) || r.Seen.Unreserved && s.Object().Kind == inventory.Address)
			}
			if r.Mode.Repairs { // what goes and comes again by other steps is looked at by each
				look = s.Observe
			}
			st, err := look(ctx)
			if errors.As(err, &seen[i].no) {
				return nil
			}
			if seen[i].is = st.Is; err == nil && st.Is == plan.Absent {
				seen[i].beside, err = beside(ctx, r.Env, s.Object(), free)
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
func beside(ctx context.Context, r *env.Env, o inventory.Object, free func(inventory.Object) bool) (refusal.Blockers, error) {
	x := inventory.Object{Name: o.Name, Zone: o.Zone}
	switch o.Kind {
	case inventory.Instance:
		x.Kind = inventory.Disk
	case inventory.ManagedGroup:
		x.Kind = inventory.InstanceGroup
	default:
		return nil, nil
	}
	if free(x) {
		return nil, nil
	}
	_, err := x.Kind.Row().Read(ctx, r.GCE, x)
	if gce.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return refusal.Blockers{inventory.NameTaken(x.String(), x, "has the name that "+string(o.Kind)+" "+o.Name+" needs", o.RenamedBy())}, nil
}
