package step

import (
	"context"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts"
)

// Access is this operator's ssh key on the masters that run, as "gcloud compute
// ssh" adds it. Whoever made a master has it there from the start.
func Access(r *task.Task) (steps []plan.Step) {
	for _, m := range spokenTo(r) {
		steps = append(steps, access{r.Env, m})
	}
	return steps
}

// spokenTo are the masters that ssh may be needed to.
func spokenTo(r *task.Task) (list []inventory.Object) {
	for _, m := range r.Have.Masters(r.Want.Names) {
		if m.Status == "RUNNING" {
			list = append(list, m)
		}
	}
	if len(list) == 0 {
		list = append(list, r.Master())
	}
	return list
}

// AccessTo is that on one master.
func AccessTo(e *env.Env, master inventory.Object) plan.Step { return access{e, master} }

type access struct {
	env *env.Env
	of  inventory.Object
}

func (a access) String() string {
	return "ssh access for " + a.env.Deps.User + " to " + a.of.Name
}
func (a access) About() plan.Thing { return task.Thing(a.of) }

func (a access) machine(ctx context.Context) (*computepb.Instance, error) {
	return a.env.GCE.Instances(a.of.Zone).Get(ctx, a.of.Name)
}

func (a access) Observe(ctx context.Context) (plan.State, error) {
	i, err := a.env.MachineNow(ctx, a.of)
	if gce.IsNotFound(err) {
		return plan.State{Is: plan.Absent, Why: "there is no such machine yet"}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	mine := env.WithoutComment(a.env.Want.Login)
	for line := range strings.Lines(inventory.MetadataItem(i.GetMetadata(), scripts.KeySSHKeys)) {
		if env.WithoutComment(line) == mine {
			return plan.Exists("")
		}
	}
	return plan.State{Is: plan.Absent, Why: "the machine does not know the key"}, nil
}

// Do adds the key and keeps everything else.
func (a access) Do(ctx context.Context) error {
	return a.edit(ctx, func(lines string) string { return withLogin(lines, a.env.Want.Login) })
}

// EditKeys changes who may log in on a master, and on the machine that comes in its place.
func EditKeys(ctx context.Context, e *env.Env, master inventory.Object, change func(lines string) string) error {
	return access{e, master}.edit(ctx, change)
}

// edit does that. Somebody who changes the metadata at the same moment is noticed by the
// fingerprint; then it is read again.
func (a access) edit(ctx context.Context, change func(lines string) string) error {
	for try := 0; ; try++ {
		i, err := a.machine(ctx)
		if err != nil {
			return err
		}
		m := i.GetMetadata()
		Set(m, scripts.KeySSHKeys, change(inventory.MetadataItem(m, scripts.KeySSHKeys)))
		err = a.env.GCE.Instances(a.of.Zone).SetMetadata(ctx, i.GetName(), m)
		if err == nil && inventory.InstanceOf(i).Template != "" {
			return a.kept(ctx, inventory.MetadataItem(m, scripts.KeySSHKeys))
		}
		if !gce.Stale(err) || try == 3 {
			return err
		}
	}
}

// kept has the machine that the master's group may make in the place of this one know them
// too.
func (a access) kept(ctx context.Context, keys string) error {
	groups := a.env.GCE.InstanceGroupManagers(a.of.Zone)
	err := groups.PatchConfig(ctx, a.of.Name, &computepb.PerInstanceConfig{
		Name: &a.of.Name, PreservedState: &computepb.PreservedState{Metadata: map[string]string{scripts.KeySSHKeys: keys}},
	})
	if err != nil {
		return err
	}
	return groups.ApplyConfig(ctx, a.of.Name, a.of.Name)
}

// withLogin is the value of ssh-keys with one line more.
func withLogin(keys, login string) string {
	if keys = strings.TrimRight(keys, "\n"); keys != "" {
		keys += "\n"
	}
	return keys + login
}

func (access) Undo(context.Context) error { return nil } // never unwanted: it goes with the machine
