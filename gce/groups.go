package gce

import (
	"context"
	"iter"
	"slices"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// InstanceGroupManagers are the managed instance groups of one zone.
type InstanceGroupManagers struct {
	c    *Client
	zone string
}

const group = "managed instance group"

// InstanceGroupManagers returns the collection.
func (c *Client) InstanceGroupManagers(zone string) InstanceGroupManagers {
	return InstanceGroupManagers{c, zone}
}

// Get returns a group.
func (g InstanceGroupManagers) Get(ctx context.Context, name string) (*computepb.InstanceGroupManager, error) {
	return read(ctx, g.c, &g.c.groups, call{"reading", group, name},
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient) (*computepb.InstanceGroupManager, error) {
			return rest.Get(ctx, &computepb.GetInstanceGroupManagerRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupManager: name}, once)
		})
}

// List returns all managed groups of the zone.
func (g InstanceGroupManagers) List(ctx context.Context) ([]*computepb.InstanceGroupManager, error) {
	return list(ctx, g.c, &g.c.groups, every(group+"s"),
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient) iter.Seq2[*computepb.InstanceGroupManager, error] {
			return rest.List(ctx, &computepb.ListInstanceGroupManagersRequest{
				Project: g.c.Project(), Zone: g.zone, MaxResults: pageSize}, once).All()
		})
}

// AggregatedInstanceGroupManagers returns the managed groups of all zones, and
// the regional ones: those have a Region and no Zone.
func (c *Client) AggregatedInstanceGroupManagers(ctx context.Context) ([]*computepb.InstanceGroupManager, error) {
	return list(ctx, c, &c.groups, every(group+"s"),
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient) iter.Seq2[*computepb.InstanceGroupManager, error] {
			it := rest.AggregatedList(ctx, &computepb.AggregatedListInstanceGroupManagersRequest{
				Project: c.Project(), MaxResults: pageSize}, once)
			return aggregate(it.All(), func() any { return it.Response },
				func(p compute.InstanceGroupManagersScopedListPair) ([]*computepb.InstanceGroupManager, *computepb.Warning) {
					return p.Value.GetInstanceGroupManagers(), p.Value.GetWarning()
				})
		})
}

// Insert makes a group. It returns when the group exists; its machines come
// later: ListManagedInstances and Status.IsStable tell.
func (g InstanceGroupManagers) Insert(ctx context.Context, x *computepb.InstanceGroupManager) error {
	return change(ctx, g.c, &g.c.groups, call{"creating", group, x.GetName()},
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertInstanceGroupManagerRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupManagerResource: x, RequestId: id}, once)
		})
}

// Delete removes a group and its machines, and returns when they are gone.
func (g InstanceGroupManagers) Delete(ctx context.Context, name string) error {
	return change(ctx, g.c, &g.c.groups, call{"deleting", group, name},
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteInstanceGroupManagerRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupManager: name, RequestId: id}, once)
		})
}

// Resize sets how many machines a group should have. It returns when that is
// decided, not when they are there or gone.
func (g InstanceGroupManagers) Resize(ctx context.Context, name string, size int) error {
	return change(ctx, g.c, &g.c.groups, call{"resizing", group, name},
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient, id *string) (*compute.Operation, error) {
			return rest.Resize(ctx, &computepb.ResizeInstanceGroupManagerRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupManager: name, Size: int32(size), RequestId: id}, once)
		})
}

// SetInstanceTemplate has a group make its machines from another template from now on.
// Those it has stay as they are.
func (g InstanceGroupManagers) SetInstanceTemplate(ctx context.Context, name, template string) error {
	return change(ctx, g.c, &g.c.groups, call{"changing the template of", group, name},
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient, id *string) (*compute.Operation, error) {
			return rest.SetInstanceTemplate(ctx, &computepb.SetInstanceTemplateInstanceGroupManagerRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupManager: name, RequestId: id,
				InstanceGroupManagersSetInstanceTemplateRequestResource: &computepb.InstanceGroupManagersSetInstanceTemplateRequest{
					InstanceTemplate: new("projects/" + g.c.Project() + "/global/instanceTemplates/" + template)},
			}, once)
		})
}

// ListManagedInstances returns a group's machines, also those that could not
// be made yet: CurrentAction says what is being done, LastAttempt why it failed.
func (g InstanceGroupManagers) ListManagedInstances(ctx context.Context, name string) ([]*computepb.ManagedInstance, error) {
	return list(ctx, g.c, &g.c.groups, call{"listing machines of", group, name},
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient) iter.Seq2[*computepb.ManagedInstance, error] {
			return rest.ListManagedInstances(ctx, &computepb.ListManagedInstancesInstanceGroupManagersRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupManager: name, MaxResults: pageSize}, once).All()
		})
}

// deleteAtOnce is how many machines one call may name (the API's own limit).
const deleteAtOnce = 1000

// DeleteInstances removes machines of a group by name and makes the group
// smaller by as many, so that no others come in their place. One that is no
// member is refused, and then none is removed. It returns when that is
// decided, not when they are gone.
func (g InstanceGroupManagers) DeleteInstances(ctx context.Context, name string, instances []string) error {
	for some := range slices.Chunk(instances, deleteAtOnce) {
		urls := make([]string, len(some))
		for i, n := range some {
			urls[i] = g.instance(n)
		}
		err := change(ctx, g.c, &g.c.groups, call{"deleting machines of", group, name},
			func(ctx context.Context, rest *compute.InstanceGroupManagersClient, id *string) (*compute.Operation, error) {
				return rest.DeleteInstances(ctx, &computepb.DeleteInstancesInstanceGroupManagerRequest{
					Project: g.c.Project(), Zone: g.zone, InstanceGroupManager: name, RequestId: id,
					InstanceGroupManagersDeleteInstancesRequestResource: &computepb.InstanceGroupManagersDeleteInstancesRequest{Instances: urls},
				}, once)
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// Patch changes of a group what x names and leaves the rest: its policies among them.
// Machines it has stay as they are, but that it looks after them by the new policies.
func (g InstanceGroupManagers) Patch(ctx context.Context, name string, x *computepb.InstanceGroupManager) error {
	return change(ctx, g.c, &g.c.groups, call{"changing", group, name},
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient, id *string) (*compute.Operation, error) {
			return rest.Patch(ctx, &computepb.PatchInstanceGroupManagerRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupManager: name, InstanceGroupManagerResource: x, RequestId: id}, once)
		})
}

// CreateInstance makes a machine by its name, with what the configuration says is kept of
// it, and the group larger by one. It returns when that is decided: ListManagedInstances
// tells when the machine is there, and why not.
func (g InstanceGroupManagers) CreateInstance(ctx context.Context, name string, x *computepb.PerInstanceConfig) error {
	return change(ctx, g.c, &g.c.groups, call{"making machine " + x.GetName() + " of", group, name},
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient, id *string) (*compute.Operation, error) {
			return rest.CreateInstances(ctx, &computepb.CreateInstancesInstanceGroupManagerRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupManager: name, RequestId: id,
				InstanceGroupManagersCreateInstancesRequestResource: &computepb.InstanceGroupManagersCreateInstancesRequest{Instances: []*computepb.PerInstanceConfig{x}},
			}, once)
		})
}

// AbandonInstance lets a machine go that stays as it is, and makes the group smaller by
// one. One that is no member is refused. It returns when that is decided, not when the
// group does not list it any more.
func (g InstanceGroupManagers) AbandonInstance(ctx context.Context, name, instance string) error {
	return change(ctx, g.c, &g.c.groups, call{"letting machine " + instance + " go of", group, name},
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient, id *string) (*compute.Operation, error) {
			return rest.AbandonInstances(ctx, &computepb.AbandonInstancesInstanceGroupManagerRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupManager: name, RequestId: id,
				InstanceGroupManagersAbandonInstancesRequestResource: &computepb.InstanceGroupManagersAbandonInstancesRequest{
					Instances: []string{g.instance(instance)}},
			}, once)
		})
}

// PatchConfig changes of what is kept of a machine what x names; of one of which nothing is
// kept x is all. The machine stays as it is until ApplyConfig, and so does what comes in its
// place.
func (g InstanceGroupManagers) PatchConfig(ctx context.Context, name string, x *computepb.PerInstanceConfig) error {
	return change(ctx, g.c, &g.c.groups, call{"changing what is kept of " + x.GetName() + " in", group, name},
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient, id *string) (*compute.Operation, error) {
			return rest.PatchPerInstanceConfigs(ctx, &computepb.PatchPerInstanceConfigsInstanceGroupManagerRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupManager: name, RequestId: id,
				InstanceGroupManagersPatchPerInstanceConfigsReqResource: &computepb.InstanceGroupManagersPatchPerInstanceConfigsReq{
					PerInstanceConfigs: []*computepb.PerInstanceConfig{x}},
			}, once)
		})
}

// ApplyConfig brings a machine to what its configuration says, without ending it: where
// that would take a restart the error is Compute Engine's refusal. It returns when that is
// decided, not when the machine shows it.
func (g InstanceGroupManagers) ApplyConfig(ctx context.Context, name, instance string) error {
	return change(ctx, g.c, &g.c.groups, call{"applying to " + instance + " what is kept of it in", group, name},
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient, _ *string) (*compute.Operation, error) { // the method has no request id; a second time is nothing to do
			return rest.ApplyUpdatesToInstances(ctx, &computepb.ApplyUpdatesToInstancesInstanceGroupManagerRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupManager: name,
				InstanceGroupManagersApplyUpdatesRequestResource: &computepb.InstanceGroupManagersApplyUpdatesRequest{
					Instances: []string{g.instance(instance)}, MinimalAction: new("NONE"), MostDisruptiveAllowedAction: new("REFRESH")},
			}, once)
		})
}

// ApplyTemplate brings all machines of a group to its template without ending any, which it
// does where the template is other than theirs in metadata alone; otherwise the error is Compute Engine's
// refusal. It returns when that is decided: ListManagedInstances tells of what template each is.
func (g InstanceGroupManagers) ApplyTemplate(ctx context.Context, name string) error {
	return change(ctx, g.c, &g.c.groups, call{"applying the template to machines of", group, name},
		func(ctx context.Context, rest *compute.InstanceGroupManagersClient, _ *string) (*compute.Operation, error) { // as with ApplyConfig
			return rest.ApplyUpdatesToInstances(ctx, &computepb.ApplyUpdatesToInstancesInstanceGroupManagerRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupManager: name,
				InstanceGroupManagersApplyUpdatesRequestResource: &computepb.InstanceGroupManagersApplyUpdatesRequest{
					AllInstances: new(true), MinimalAction: new("NONE"), MostDisruptiveAllowedAction: new("REFRESH")},
			}, once)
		})
}

// instance is the URL of a machine of the zone.
func (g InstanceGroupManagers) instance(name string) string {
	return "projects/" + g.c.Project() + "/zones/" + g.zone + "/instances/" + name
}
