// Package metadata is what machines of nodes are told in their metadata, while it is exchanged for
// something else: the token that they join with, and whom they let log in.
package metadata

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/protobuf/proto" // templates are copied whole

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
)

// Nodes is what the metadata of nodes' machines are to say otherwise. A template cannot be
// changed: each group gets a copy of its own, and its machines are brought to that as they are,
// since nothing but metadata differs. None of them is made again.
type Nodes struct {
	Env      *env.Env
	Rotation string // what the names of templates follow from
	Do       string // what machines do then, for people
	Before   string // what they have before
	Knows    func(*computepb.Metadata) bool
	Tell     func(context.Context, *computepb.Metadata) error
}

// Steps are those of the groups, and the end of the templates of before.
func (n Nodes) Steps(groups []inventory.Object) (steps []plan.Step) {
	for _, g := range groups {
		steps = append(steps, given{n, g})
	}
	return steps
}

// Gone is that end: for where there are groups.
func (n Nodes) Gone() plan.Step { return templatesOfBefore{n} }

// template is one as it is, whatever was seen of it before.
func (n Nodes) template(ctx context.Context, name string) (*computepb.InstanceTemplate, error) {
	return n.Env.GCE.InstanceTemplates().Get(ctx, name)
}

// given is the fact that a group's machines have it in their metadata: those that it makes from
// now on, and those that it has.
type given struct {
	nodes Nodes
	group inventory.Object
}

func (g given) String() string {
	return fmt.Sprintf("machines of %s in %s %s", g.group.Name, g.group.Zone, g.nodes.Do)
}
func (g given) About() plan.Thing { return task.Thing(g.group) }

func (given) Undo(context.Context) error { return nil } // never unwanted

func (g given) groups() gce.InstanceGroupManagers {
	return g.nodes.Env.GCE.InstanceGroupManagers(g.group.Zone)
}

func (g given) Observe(ctx context.Context) (plan.State, error) {
	x, err := g.groups().Get(ctx, g.group.Name)
	if err != nil {
		return plan.State{}, err
	}
	name := gce.Base(x.GetInstanceTemplate())
	t, err := g.nodes.template(ctx, name)
	if err != nil {
		return plan.State{}, err
	}
	if !g.nodes.Knows(t.GetProperties().GetMetadata()) {
		return plan.State{Is: plan.Absent, Why: "template " + name + " has " + g.nodes.Before}, nil
	}
	old, _, err := g.of(ctx, name)
	if err != nil {
		return plan.State{}, err
	}
	if len(old) > 0 {
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d machines do not: %s", len(old), pool.FewOf(old))}, nil
	}
	return plan.Exists("")
}

// of are the group's machines that are there and of another template, and whether any of them
// is left alone by the group just now.
func (g given) of(ctx context.Context, template string) (other []string, idle bool, err error) {
	list, err := g.groups().ListManagedInstances(ctx, g.group.Name)
	for _, m := range list {
		action := m.GetCurrentAction()
		if m.GetInstanceStatus() == "" || action == "DELETING" || action == "ABANDONING" || gce.Base(m.GetVersion().GetInstanceTemplate()) == template {
			continue
		}
		other = append(other, gce.Base(m.GetInstance()))
		idle = idle || action == "NONE" || action == "VERIFYING"
	}
	return other, idle, err
}

// Do has the group make machines from a copy of its template, and brings
// those it has to that. Groups that had one template have one again.
func (g given) Do(ctx context.Context) error {
	x, err := g.groups().Get(ctx, g.group.Name)
	if err != nil {
		return err
	}
	name := gce.Base(x.GetInstanceTemplate())
	t, err := g.nodes.template(ctx, name)
	if err != nil {
		return err
	}
	if !g.nodes.Knows(t.GetProperties().GetMetadata()) {
		if name, err = g.copied(ctx, t); err != nil {
			return err
		}
		if err := g.groups().SetInstanceTemplate(ctx, g.group.Name, name); err != nil {
			return err
		}
	}
	defer g.nodes.Env.Seen.ForgetManaged(g.group)
	return g.nodes.Env.Until(ctx, plan.Condition{
		For: g.String(), Every: g.nodes.Env.Poll, Limit: givenLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			other, idle, err := g.of(ctx, name)
			if err == nil && idle {
				err = g.groups().ApplyTemplate(ctx, g.group.Name)
			}
			if err != nil && gce.ClassOf(err) == gce.No {
				err = plan.Permanent(err)
			}
			return err == nil && len(other) == 0, fmt.Sprintf("%d do not: %s", len(other), pool.FewOf(other)), err
		},
	})
}

// sendable is what machines of a template are like, without what Compute Engine alone says of it.
func sendable(of *computepb.InstanceProperties) *computepb.InstanceProperties {
	p := proto.CloneOf(of)
	for _, d := range p.GetDisks() {
		d.Index, d.Kind, d.Architecture, d.Licenses, d.SavedState, d.ShieldedInstanceInitialState = nil, nil, nil, nil, nil, nil
	}
	for _, n := range p.GetNetworkInterfaces() {
		n.Name, n.Kind, n.Fingerprint, n.Ipv6AccessType = nil, nil, nil, nil
		for _, a := range n.GetAccessConfigs() {
			a.Kind = nil
		}
	}
	if p.GetMetadata() == nil {
		p.Metadata = &computepb.Metadata{}
	}
	p.Metadata.Fingerprint, p.Metadata.Kind = nil, nil
	if p.GetTags() != nil {
		p.Tags.Fingerprint = nil
	}
	return p
}

// givenLimit is how long a group may take to bring metadata to its machines.
const givenLimit = 10 * time.Minute

// copied makes a template that is another one but for what it tells, and returns its name, which
// follows from that of the other one and the rotation.
func (g given) copied(ctx context.Context, of *computepb.InstanceTemplate) (name string, err error) {
	name = settings.Names{Node: g.group.NodePrefix(), Pool: g.group.Pool}.TemplateLike(of.GetName() + "\n" + g.nodes.Rotation)
	if is, err := g.nodes.template(ctx, name); err == nil && g.nodes.Knows(is.GetProperties().GetMetadata()) { // of a run that was cut, or of another group
		return name, nil
	} else if err != nil && !gce.IsNotFound(err) {
		return "", err
	}
	p := sendable(of.GetProperties())
	if err := g.nodes.Tell(ctx, p.GetMetadata()); err != nil {
		return "", err
	}
	g.nodes.Env.Seen.MakesTemplate(name)
	return name, g.nodes.Env.GCE.InstanceTemplates().Insert(ctx, &computepb.InstanceTemplate{Name: &name, Description: of.Description, Properties: p})
}

// templatesOfBefore is the fact that no template of nodes has what was before.
type templatesOfBefore struct{ nodes Nodes }

func (t templatesOfBefore) String() string { return "no template has " + t.nodes.Before }

func (templatesOfBefore) Undo(context.Context) error { return nil } // never unwanted

// old are those of nodes that have.
func (t templatesOfBefore) old(ctx context.Context) (names []string, err error) {
	all, err := t.nodes.Env.GCE.InstanceTemplates().List(ctx)
	for _, x := range all {
		if t.nodes.Env.Owns(x.GetDescription()) && settings.MarkFields(x.GetDescription())["role"] == inventory.RoleTemplate && !t.nodes.Knows(x.GetProperties().GetMetadata()) {
			names = append(names, x.GetName())
		}
	}
	return names, err
}

func (t templatesOfBefore) Observe(ctx context.Context) (plan.State, error) {
	names, err := t.old(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if len(names) > 0 {
		return plan.State{Is: plan.Partial, Why: strings.Join(names, " ") + " has"}, nil
	}
	return plan.Exists("")
}

func (t templatesOfBefore) Do(ctx context.Context) error {
	names, err := t.old(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		err := t.nodes.Env.LetGo(ctx, "template "+name, func(ctx context.Context) error { return t.nodes.Env.GCE.InstanceTemplates().Delete(ctx, name) })
		if err != nil && !gce.IsNotFound(err) {
			return err
		}
	}
	return nil
}
