package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// InstanceGroups are the instance groups of one zone: lists of machines that
// somebody keeps, and what shows the machines of each managed group (which is
// changed through [InstanceGroupManagers] only).
type InstanceGroups struct {
	c    *Client
	zone string
}

const unmanaged = "instance group"

// InstanceGroups returns the collection.
func (c *Client) InstanceGroups(zone string) InstanceGroups { return InstanceGroups{c, zone} }

// Get returns a group. Size is how many machines are in it.
func (g InstanceGroups) Get(ctx context.Context, name string) (*computepb.InstanceGroup, error) {
	return read(ctx, g.c, &g.c.unmanaged, call{"reading", unmanaged, name},
		func(ctx context.Context, rest *compute.InstanceGroupsClient) (*computepb.InstanceGroup, error) {
			return rest.Get(ctx, &computepb.GetInstanceGroupRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroup: name}, once)
		})
}

// List returns all groups of the zone, those of managed groups too.
func (g InstanceGroups) List(ctx context.Context) ([]*computepb.InstanceGroup, error) {
	return list(ctx, g.c, &g.c.unmanaged, every(unmanaged+"s"),
		func(ctx context.Context, rest *compute.InstanceGroupsClient) iter.Seq2[*computepb.InstanceGroup, error] {
			return rest.List(ctx, &computepb.ListInstanceGroupsRequest{
				Project: g.c.Project(), Zone: g.zone, MaxResults: pageSize}, once).All()
		})
}

// AggregatedInstanceGroups returns the groups of all zones, those of managed
// groups too, and the regional ones: those have a Region and no Zone.
func (c *Client) AggregatedInstanceGroups(ctx context.Context) ([]*computepb.InstanceGroup, error) {
	return list(ctx, c, &c.unmanaged, every(unmanaged+"s"),
		func(ctx context.Context, rest *compute.InstanceGroupsClient) iter.Seq2[*computepb.InstanceGroup, error] {
			it := rest.AggregatedList(ctx, &computepb.AggregatedListInstanceGroupsRequest{Project: c.Project(), MaxResults: pageSize}, once)
			return aggregate(it.All(), func() any { return it.Response },
				func(p compute.InstanceGroupsScopedListPair) ([]*computepb.InstanceGroup, *computepb.Warning) {
					return p.Value.GetInstanceGroups(), p.Value.GetWarning()
				})
		})
}

// Insert makes a group without machines.
func (g InstanceGroups) Insert(ctx context.Context, x *computepb.InstanceGroup) error {
	return g.change(ctx, "creating", x.GetName(),
		func(ctx context.Context, rest *compute.InstanceGroupsClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertInstanceGroupRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroupResource: x, RequestId: id}, once)
		})
}

// Delete removes a group and leaves its machines. It is refused as in use
// ([InUse]) while a backend service has it.
func (g InstanceGroups) Delete(ctx context.Context, name string) error {
	return g.change(ctx, "deleting", name,
		func(ctx context.Context, rest *compute.InstanceGroupsClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteInstanceGroupRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroup: name, RequestId: id}, once)
		})
}

// AddInstances puts machines of the zone, by name, into a group. The class is
// [Already], and none is added, when one of them is in it.
func (g InstanceGroups) AddInstances(ctx context.Context, name string, instances ...string) error {
	return g.change(ctx, "adding machines to", name,
		func(ctx context.Context, rest *compute.InstanceGroupsClient, id *string) (*compute.Operation, error) {
			return rest.AddInstances(ctx, &computepb.AddInstancesInstanceGroupRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroup: name, RequestId: id,
				InstanceGroupsAddInstancesRequestResource: &computepb.InstanceGroupsAddInstancesRequest{Instances: g.references(instances)},
			}, once)
		})
}

// RemoveInstances takes machines, by name, out of a group, and none of them
// when one is not in it. A deleted machine leaves its groups by itself.
func (g InstanceGroups) RemoveInstances(ctx context.Context, name string, instances ...string) error {
	return g.change(ctx, "removing machines from", name,
		func(ctx context.Context, rest *compute.InstanceGroupsClient, id *string) (*compute.Operation, error) {
			return rest.RemoveInstances(ctx, &computepb.RemoveInstancesInstanceGroupRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroup: name, RequestId: id,
				InstanceGroupsRemoveInstancesRequestResource: &computepb.InstanceGroupsRemoveInstancesRequest{Instances: g.references(instances)},
			}, once)
		})
}

// ListInstances returns the machines of a group, whatever their status.
func (g InstanceGroups) ListInstances(ctx context.Context, name string) ([]*computepb.InstanceWithNamedPorts, error) {
	return list(ctx, g.c, &g.c.unmanaged, call{"listing machines of", unmanaged, name},
		func(ctx context.Context, rest *compute.InstanceGroupsClient) iter.Seq2[*computepb.InstanceWithNamedPorts, error] {
			return rest.ListInstances(ctx, &computepb.ListInstancesInstanceGroupsRequest{
				Project: g.c.Project(), Zone: g.zone, InstanceGroup: name, MaxResults: pageSize}, once).All()
		})
}

func (g InstanceGroups) references(instances []string) (out []*computepb.InstanceReference) {
	for _, name := range instances {
		out = append(out, &computepb.InstanceReference{
			Instance: new("projects/" + g.c.Project() + "/zones/" + g.zone + "/instances/" + name)})
	}
	return out
}

func (g InstanceGroups) change(ctx context.Context, verb, name string, do func(context.Context, *compute.InstanceGroupsClient, *string) (*compute.Operation, error)) error {
	return change(ctx, g.c, &g.c.unmanaged, call{verb, unmanaged, name}, do)
}
