package cluster

import (
	"context"
	"fmt"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/plan"
	"hakube/gce"
)

// groups is the zone's pool of nodes, as a managed instance group of
// NUM_NODES. When removing it is every group with our mark.
func (r *run) groups() (steps []plan.Step) {
	if !r.removing && !bool(r.want.settings.CreateNodes) {
		return nil
	}
	for _, o := range r.have.or(kindGroup, object{name: r.want.names.Group(), zone: r.want.zone}) {
		name := "group " + o.name
		groups := r.gce.InstanceGroupManagers(o.zone)
		steps = append(steps, resource[*computepb.InstanceGroupManager]{
			name:   name,
			get:    func(ctx context.Context) (*computepb.InstanceGroupManager, error) { return groups.Get(ctx, o.name) },
			mine:   r.owns,
			check:  func(g *computepb.InstanceGroupManager) (plan.State, error) { return r.checkGroup(name, g) },
			insert: func(ctx context.Context) error { return r.sizeGroup(ctx, o) },
			remove: func(ctx context.Context) error { return groups.Delete(ctx, o.name) },
		})
	}
	return steps
}

func (r *run) checkGroup(name string, g *computepb.InstanceGroupManager) (plan.State, error) {
	if r.removing {
		return exists("")
	}
	if t := gce.Base(g.GetInstanceTemplate()); t != r.want.names.Template() {
		return plan.State{}, &Refused{
			Why:  fmt.Sprintf("%s makes its machines from template %s, not from %s", name, t, r.want.names.Template()),
			Cure: "set the group's template back, or take the cluster down first",
		}
	}
	want := int32(r.want.settings.NumNodes)
	if g.GetTargetSize() != want {
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("has %d machines, NUM_NODES is %d", g.GetTargetSize(), want)}, nil
	}
	return exists(fmt.Sprintf("%d machines", want))
}

// sizeGroup makes the group, or sets the size of the one there is.
func (r *run) sizeGroup(ctx context.Context, o object) error {
	groups := r.gce.InstanceGroupManagers(o.zone)
	size := int(r.want.settings.NumNodes)
	_, err := groups.Get(ctx, o.name)
	if err == nil {
		return groups.Resize(ctx, o.name, size)
	}
	if !gce.IsNotFound(err) {
		return err
	}
	return groups.Insert(ctx, &computepb.InstanceGroupManager{
		Name:             &o.name,
		Description:      new(r.want.mark.For(roleGroup)),
		BaseInstanceName: &o.name, // as kube-up: machines are called group-xxxx
		InstanceTemplate: new(r.want.global("instanceTemplates", r.want.names.Template())),
		TargetSize:       new(int32(size)),
	})
}
