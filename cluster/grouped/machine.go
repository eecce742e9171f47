package grouped

import (
	"context"
	"strings"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/gce"
)

// A machine is a kept master's. Its group makes it, and is waited for: two who make one
// machine would be in each other's way.
type machine struct {
	env   *env.Env
	of    inventory.Object
	plain step.Resource[*computepb.Instance] // how it is looked at
}

// Machine is that of one kept master.
func Machine(r *task.Task, m inventory.Object) plan.Step {
	return machine{r.Env, m, step.Machine(r, m)}
}

// Anew is what makes a master's machine that is gone.
func Anew(r *task.Task, m inventory.Object) func(context.Context) error {
	if r.Grouped(m) {
		return Machine(r, m).Do
	}
	return step.MakerOf(r, m).Insert
}

func (m machine) String() string           { return m.plain.String() }
func (m machine) Object() inventory.Object { return m.plain.Object() }
func (m machine) About() plan.Thing        { return m.plain.About() }

func (m machine) Observe(ctx context.Context) (plan.State, error) { return m.plain.Observe(ctx) }
func (m machine) Foresee(ctx context.Context, absent bool) (plan.State, error) {
	return m.plain.Foresee(ctx, absent)
}

// Do has the group make it, whatever it was told by then: a new one around the data disk, or
// one that it has made before.
func (m machine) Do(ctx context.Context) error {
	groups := m.env.GCE.InstanceGroupManagers(m.of.Zone)
	all, err := groups.ListManagedInstances(ctx, m.of.Name)
	switch {
	case err != nil:
		return err
	case len(all) == 0:
		err = groups.CreateInstance(ctx, m.of.Name, &computepb.PerInstanceConfig{
			Name: &m.of.Name,
			PreservedState: &computepb.PreservedState{Disks: map[string]*computepb.PreservedStatePreservedDisk{step.MasterDevice: {
				Source: new(m.env.Want.Zonal(m.of.Zone, "disks", m.env.Want.Names.DiskOf(m.of.Name))), Mode: new("READ_WRITE"), AutoDelete: new("NEVER"),
			}}},
		})
		if gce.ClassOf(err) == gce.Already { // the list was behind
			err = nil
		}
	default:
		err = Watches{m.env, m.of}.Do(ctx)
	}
	if err != nil {
		return err
	}
	return m.runs(ctx)
}

func (machine) Undo(context.Context) error { return nil } // never unwanted: it goes with its group

// Leave has a master's group leave it alone, if it has one: its machine is about to be taken
// from its disk.
func Leave(r *task.Task, m inventory.Object) func(context.Context) error {
	if r.Grouped(m) {
		return Watches{r.Env, m}.Undo
	}
	return func(context.Context) error { return nil }
}

// making is how long a group may take: it tries again by itself, and a machine that it finds
// stopped goes first.
const making = 5 * time.Minute

// runs waits until the group has made it.
func (m machine) runs(ctx context.Context) error {
	return m.env.Until(ctx, plan.Condition{
		For: m.of.Name + " to be made by its group", Every: m.env.Poll, Limit: making,
		Check: func(ctx context.Context) (bool, string, error) {
			i, err := m.env.GCE.Instances(m.of.Zone).Get(ctx, m.of.Name)
			switch {
			case err == nil && i.GetStatus() == "RUNNING":
				return true, "", nil
			case err == nil:
				return false, "is " + i.GetStatus(), nil
			case !gce.IsNotFound(err):
				return false, "", err
			}
			why, err := m.failure(ctx)
			return false, why, err
		},
	})
}

// failure is why the group could not make it the last time, "" if it tries for the first.
func (m machine) failure(ctx context.Context) (string, error) {
	all, err := m.env.GCE.InstanceGroupManagers(m.of.Zone).ListManagedInstances(ctx, m.of.Name)
	var words []string
	for _, x := range all {
		words = append(words, strings.ToLower(x.GetCurrentAction()))
		for _, e := range x.GetLastAttempt().GetErrors().GetErrors() {
			words = append(words, e.GetMessage())
		}
	}
	return strings.Join(words, ": "), err
}
