package rotate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/protobuf/proto" // templates are copied whole

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
)

// toldNodes is what the metadata of nodes' machines are to say otherwise. A template cannot be
// changed: each group gets a copy of its own, and its machines are brought to that as they are,
// since nothing but metadata differs. None of them is made again.
type toldNodes struct {
	task  *task.Task
	id    string // of the rotation
	has   string // what machines do then, for people
	gone  string // what they have before
	knows func(*computepb.Metadata) bool
	tell  func(context.Context, *computepb.Metadata) error
}

func (toldNodes) Undo(context.Context) error { return nil } // never unwanted

// template is one as it is, whatever was seen of it before.
func (t toldNodes) template(ctx context.Context, name string) (*computepb.InstanceTemplate, error) {
	return t.task.GCE.InstanceTemplates().Get(ctx, name)
}

// given is the fact that a group's machines have it in their metadata: those that it makes from
// now on, and those that it has.
type given struct {
	toldNodes
	group inventory.Object
}

func (g given) String() string {
	return fmt.Sprintf("machines of %s in %s %s", g.group.Name, g.group.Zone, g.has)
}
func (g given) About() plan.Thing { return task.Thing(g.group) }

func (g given) groups() gce.InstanceGroupManagers {
	return g.task.GCE.InstanceGroupManagers(g.group.Zone)
}

func (g given) Observe(ctx context.Context) (plan.State, error) {
	x, err := g.groups().Get(ctx, g.group.Name)
	if err != nil {
		return plan.State{}, err
	}
	name := gce.Base(x.GetInstanceTemplate())
	t, err := g.template(ctx, name)
	if err != nil {
		return plan.State{}, err
	}
	if !g.knows(t.GetProperties().GetMetadata()) {
		return plan.State{Is: plan.Absent, Why: "template " + name + " has " + g.gone}, nil
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
	t, err := g.template(ctx, name)
	if err != nil {
		return err
	}
	if !g.knows(t.GetProperties().GetMetadata()) {
		if name, err = g.copied(ctx, t); err != nil {
			return err
		}
		if err := g.groups().SetInstanceTemplate(ctx, g.group.Name, name); err != nil {
			return err
		}
	}
	defer g.task.Seen.ForgetManaged(g.group)
	return g.task.Until(ctx, plan.Condition{
		For: g.String(), Every: g.task.Poll, Limit: givenLimit,
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

// givenLimit is how long a group may take to bring metadata to its machines.
const givenLimit = 10 * time.Minute

// copied makes a template that is another one but for what it tells, and returns its name, which
// follows from that of the other one and the rotation.
func (g given) copied(ctx context.Context, of *computepb.InstanceTemplate) (name string, err error) {
	name = settings.Names{Node: g.group.NodePrefix(), Pool: g.group.Pool}.TemplateLike(of.GetName() + "\n" + g.id)
	if is, err := g.template(ctx, name); err == nil && g.knows(is.GetProperties().GetMetadata()) { // of a run that was cut, or of another group
		return name, nil
	} else if err != nil && !gce.IsNotFound(err) {
		return "", err
	}
	p := proto.CloneOf(of.GetProperties())
	if err := g.tell(ctx, p.GetMetadata()); err != nil {
		return "", err
	}
	p.Metadata.Fingerprint, p.Metadata.Kind = nil, nil
	g.task.Seen.MakesTemplate(name)
	return name, g.task.GCE.InstanceTemplates().Insert(ctx, &computepb.InstanceTemplate{Name: &name, Description: of.Description, Properties: p})
}

// templatesOfBefore is the fact that no template of nodes has what was before.
type templatesOfBefore struct{ toldNodes }

func (t templatesOfBefore) String() string { return "no template has " + t.gone }

// old are those of nodes that have.
func (t templatesOfBefore) old(ctx context.Context) (names []string, err error) {
	all, err := t.task.GCE.InstanceTemplates().List(ctx)
	for _, x := range all {
		if t.task.Owns(x.GetDescription()) && settings.MarkFields(x.GetDescription())["role"] == inventory.RoleTemplate && !t.knows(x.GetProperties().GetMetadata()) {
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
		err := t.task.LetGo(ctx, "template "+name, func(ctx context.Context) error { return t.task.GCE.InstanceTemplates().Delete(ctx, name) })
		if err != nil && !gce.IsNotFound(err) {
			return err
		}
	}
	return nil
}
