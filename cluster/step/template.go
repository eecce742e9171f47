package step

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// Templates is what nodes of the zone are made from. A template cannot be changed:
// where another value is set it is another one (task/node_template.go).
func Templates(r *task.Task) (steps []plan.Step) {
	e, removes := r.Env, r.Mode.Removes
	for _, o := range r.Or(inventory.InstanceTemplate, inventory.Object{Name: r.Want.NodeTemplate()}) {
		name := "template " + o.Name
		used := r.Have != nil && slices.ContainsFunc(r.Have.Objects, func(g inventory.Object) bool { return g.Kind == inventory.ManagedGroup && g.Template == o.Name })
		steps = append(steps, Resource[*computepb.InstanceTemplate]{
			poll: r.Poll, clock: r.Deps.Clock, before: new(observed[*computepb.InstanceTemplate]),
			name: name, of: inventory.Object{Kind: inventory.InstanceTemplate, Name: o.Name},
			get: func(ctx context.Context) (*computepb.InstanceTemplate, error) {
				if removes {
					return e.GCE.InstanceTemplates().Get(ctx, o.Name)
				}
				return e.NodeTemplate(ctx)
			},
			mine: e.Owns,
			Check: func(t *computepb.InstanceTemplate) (plan.State, error) {
				return checkTemplate(e, removes, used, name, t)
			},
			insert: func(ctx context.Context) (*computepb.InstanceTemplate, error) { return insertTemplate(ctx, e) },
			mend: func(ctx context.Context) error { // no group makes machines from it
				if err := e.GCE.InstanceTemplates().Delete(ctx, o.Name); err != nil && !gce.IsNotFound(err) {
					return err
				}
				_, err := insertTemplate(ctx, e)
				return err
			},
			remove: func(ctx context.Context) error {
				return e.LetGo(ctx, name, func(ctx context.Context) error { return e.GCE.InstanceTemplates().Delete(ctx, o.Name) })
			},
		})
	}
	return steps
}

func checkTemplate(r *env.Env, removes, used bool, name string, t *computepb.InstanceTemplate) (plan.State, error) {
	if removes {
		return plan.Exists("")
	}
	p, m := t.GetProperties(), t.GetProperties().GetMetadata()
	if err := r.Want.Drift(name, task.UnlikeTemplate(t, &r.Want)...); err != nil {
		return plan.State{}, err
	}
	// Its machines would take a new control plane for an impostor. In a preview
	// it may not be known yet which one that is.
	if r.IsOpen() {
		trusted, err := r.Authorities()
		if err != nil {
			return plan.State{}, err
		}
		was := inventory.MetadataItem(m, scripts.KeyCAHash)
		if was != trusted[0] && !used {
			return plan.State{Is: plan.Partial, Why: "it was made for another certificate authority, and no group uses it"}, nil
		}
		if !slices.Contains(trusted, was) {
			return plan.State{}, &refusal.Refused{
				Why:  name + " was made for another control plane: its CA is another one",
				Cure: cure.Hint("the master's disk was replaced, and with it the cluster; make it anew", cure.Down(), cure.Up(r.Want.Home)),
			}
		}
	}
	what := gce.Base(p.GetMachineType())
	if c := task.CardsOf(p); c != "" {
		what += fmt.Sprintf(" with %d %s", c.Count(), c.Kind())
	}
	return plan.Exists(what)
}

func insertTemplate(ctx context.Context, r *env.Env) (*computepb.InstanceTemplate, error) {
	trusted, err := r.Authorities()
	if err != nil {
		return nil, fmt.Errorf("asking for the cluster's CA: %w", err)
	}
	join, err := Token{r}.value(ctx)
	if err != nil {
		return nil, err
	}
	ip, err := r.Address(ctx)
	if err != nil {
		return nil, err
	}
	s, n := r.Want.Settings, r.Want.Names
	p := &computepb.InstanceProperties{
		// Machines of the group get it, and are found by it.
		Description:       new(r.Want.Mark.ForPool(inventory.RoleNode, n.Pool)),
		Labels:            r.Want.Labels(),
		MachineType:       new(string(s.NodeSize)),
		Tags:              &computepb.Tags{Items: []string{n.NodeTag()}},
		Disks:             []*computepb.AttachedDisk{bootDiskOf(&r.Want, settings.Image(s.NodeImageOwner, s.NodeImage), s.NodeDiskSize, s.NodeDiskType)},
		NetworkInterfaces: interfaces(&r.Want, r.Region(), ""),
		Metadata: MetadataOf(&r.Want, scripts.RoleNode, ip, map[string]string{
			scripts.KeyJoinToken: join,
			scripts.KeyCAHash:    trusted[0],
		}),
		Scheduling:      scheduling(s.PreemptibleNode, s.SpotNode, s.Accelerators.Has(string(s.NodeSize))),
		ServiceAccounts: serviceAccounts(s.NodeAccount, s.NodeScopes),

		ShieldedInstanceConfig: Shielded(r, settings.Image(s.NodeImageOwner, s.NodeImage)),
	}
	if s.Accelerators != "" { // a template has the name of their type, and no zone's
		p.GuestAccelerators = []*computepb.AcceleratorConfig{{AcceleratorType: new(s.Accelerators.Kind()), AcceleratorCount: new(int32(s.Accelerators.Count()))}}
	}
	if s.Accelerators.Has(string(s.NodeSize)) {
		p.ShieldedInstanceConfig = unsigned(p.ShieldedInstanceConfig)
	}
	x := &computepb.InstanceTemplate{
		Name:        new(r.Want.NodeTemplate()),
		Description: new(r.Want.Mark.ForPool(inventory.RoleTemplate, n.Pool)),
		Properties:  p,
	}
	r.Seen.MakesTemplate(r.Want.NodeTemplate())
	return x, r.GCE.InstanceTemplates().Insert(ctx, x)
}

// TemplatesUsed is the fact that there is no template of ours from which no group makes
// machines any more: a pool that was changed leaves one, and so does a run that was cut
// before it came to its group.
// Where there is none of those it is not listed.
func TemplatesUsed(r *task.Task) []plan.Step {
	if spare := r.Spared(); len(spare) > 0 {
		return []plan.Step{templatesUsed{r.Env, spare}}
	}
	return nil
}

type templatesUsed struct {
	env   *env.Env
	spare []inventory.Object // as they were listed when the run began
}

func (templatesUsed) String() string { return "each template has its group" }

// left are those of the spare ones that are still there.
func (t templatesUsed) left(ctx context.Context) ([]inventory.Object, error) {
	return t.env.AskAll(ctx, t.spare)
}

func (t templatesUsed) Observe(ctx context.Context) (plan.State, error) {
	left, err := t.left(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if len(left) == 0 {
		return plan.Exists("")
	}
	var names []string
	for _, o := range left {
		names = append(names, o.Name)
	}
	return plan.State{Is: plan.Partial, Why: "without one: " + strings.Join(names, " ")}, nil
}

func (t templatesUsed) Do(ctx context.Context) error {
	left, err := t.left(ctx)
	var errs []error
	for _, o := range left {
		gone := t.env.LetGo(ctx, "template "+o.Name, func(ctx context.Context) error { return t.env.GCE.InstanceTemplates().Delete(ctx, o.Name) })
		if gone != nil && !gce.IsNotFound(gone) {
			errs = append(errs, gone)
		}
	}
	return errors.Join(append(errs, err)...)
}

func (templatesUsed) Undo(context.Context) error { return nil } // never unwanted
