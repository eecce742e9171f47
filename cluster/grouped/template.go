package grouped

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/protobuf/proto" // the same message as the same bytes, which JSON does not promise

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/gce"
)

// sumKey is the field in a template's mark that has the sum of what it makes.
const sumKey = "made"

// A template is what a master's group makes its machine from: one for each master, since the
// address in the network and the keys that may log in are its own.
type template struct {
	env     *env.Env
	of      inventory.Object
	make    func(context.Context) (*computepb.Instance, error)
	removes bool
	used    bool // the group is there: what it was made with stays
}

func templateOf(r *task.Task, m inventory.Object) template {
	return template{r.Env, m, step.MakerOf(r, m).Instance, r.Mode.Removes, r.Have.OwnGroupOf(m).Name != ""}
}

func (t template) String() string { return "template of " + t.of.Name }
func (t template) Object() inventory.Object {
	return inventory.Object{Kind: inventory.OwnTemplate, Name: t.of.Name}
}
func (t template) About() plan.Thing { return task.Thing(t.Object()) }

func (t template) Foresee(ctx context.Context, absent bool) (plan.State, error) {
	if absent {
		return plan.State{Is: plan.Absent}, nil
	}
	return t.Observe(ctx)
}

func (t template) Observe(ctx context.Context) (plan.State, error) {
	x, err := t.env.GCE.InstanceTemplates().Get(ctx, t.of.Name)
	switch {
	case gce.IsNotFound(err):
		return plan.State{Is: plan.Absent}, nil
	case err != nil:
		return plan.State{}, err
	case !t.env.Owns(x.GetDescription()):
		return plan.State{}, inventory.Foreign(t.String(), t.Object(), x.GetDescription())
	case t.removes || t.used:
		return plan.Exists(gce.Base(x.GetProperties().GetMachineType()))
	}
	wanted, err := t.wanted(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if settings.MarkFields(x.GetDescription())[sumKey] != settings.MarkFields(wanted.GetDescription())[sumKey] {
		return plan.State{Is: plan.Partial, Why: "a run that was cut has left it, and it makes another machine"}, nil
	}
	return plan.Exists(gce.Base(x.GetProperties().GetMachineType()))
}

// wanted is the template of the machine as it is to be made. The data disk is no part of it:
// that is the one machine's own ([machine]).
func (t template) wanted(ctx context.Context) (*computepb.InstanceTemplate, error) {
	i, err := t.make(ctx)
	if err != nil {
		return nil, err
	}
	p := &computepb.InstanceProperties{
		Description: i.Description, Labels: i.Labels, MachineType: new(gce.Base(i.GetMachineType())), Tags: i.Tags,
		Disks: i.GetDisks()[:1], NetworkInterfaces: i.NetworkInterfaces, Metadata: i.Metadata, Scheduling: i.Scheduling,
		ServiceAccounts: i.ServiceAccounts, ShieldedInstanceConfig: i.ShieldedInstanceConfig,
	}
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("comparing templates of %s: %w", t.of.Name, err)
	}
	sum := sha256.Sum256(bytes)
	return &computepb.InstanceTemplate{
		Name:        &t.of.Name,
		Description: new(t.env.Want.Mark.For(inventory.RoleOwnTemplate) + " " + sumKey + "=" + hex.EncodeToString(sum[:8])),
		Properties:  p,
	}, nil
}

// Do makes it, in the place of one that a run which was cut has left: no group uses that.
func (t template) Do(ctx context.Context) error {
	wanted, err := t.wanted(ctx)
	if err != nil {
		return err
	}
	templates := t.env.GCE.InstanceTemplates()
	if _, err = templates.Get(ctx, t.of.Name); err == nil {
		err = t.Undo(ctx)
	}
	if err != nil && !gce.IsNotFound(err) {
		return err
	}
	return templates.Insert(ctx, wanted)
}

func (t template) Undo(ctx context.Context) error {
	return t.env.LetGo(ctx, t.String(), func(ctx context.Context) error { return t.env.GCE.InstanceTemplates().Delete(ctx, t.of.Name) })
}

// TemplateGone is the template of a master that is kept no more: a run that was cut between
// the group and it leaves it.
func TemplateGone(r *task.Task, m inventory.Object) plan.Step {
	t := templateOf(r, m)
	t.removes = true
	return t
}
