package gce

import (
	"context"
	"slices"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

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
			urls[i] = "projects/" + g.c.Project() + "/zones/" + g.zone + "/instances/" + n
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
