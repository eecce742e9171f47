package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// Snapshots are copies of disks, of the whole project.
type Snapshots struct{ c *Client }

// Snapshots returns the collection.
func (c *Client) Snapshots() Snapshots { return Snapshots{c} }

// Get returns a snapshot.
func (s Snapshots) Get(ctx context.Context, name string) (*computepb.Snapshot, error) {
	return read(ctx, s.c, &s.c.snapshots, call{"reading", "snapshot", name},
		func(ctx context.Context, rest *compute.SnapshotsClient) (*computepb.Snapshot, error) {
			return rest.Get(ctx, &computepb.GetSnapshotRequest{Project: s.c.Project(), Snapshot: name}, once)
		})
}

// List returns all snapshots.
func (s Snapshots) List(ctx context.Context) ([]*computepb.Snapshot, error) {
	return list(ctx, s.c, &s.c.snapshots, every("snapshots"),
		func(ctx context.Context, rest *compute.SnapshotsClient) iter.Seq2[*computepb.Snapshot, error] {
			return rest.List(ctx, &computepb.ListSnapshotsRequest{Project: s.c.Project(), MaxResults: pageSize}, once).All()
		})
}

// Delete removes a snapshot. Disks that were made of it stay.
func (s Snapshots) Delete(ctx context.Context, name string) error {
	return change(ctx, s.c, &s.c.snapshots, call{"deleting", "snapshot", name},
		func(ctx context.Context, rest *compute.SnapshotsClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteSnapshotRequest{Project: s.c.Project(), Snapshot: name, RequestId: id}, once)
		})
}

// ResourcePolicies are schedules of snapshots of the client's region.
type ResourcePolicies struct{ c *Client }

// ResourcePolicies returns the collection.
func (c *Client) ResourcePolicies() ResourcePolicies { return ResourcePolicies{c} }

// Get returns a policy.
func (p ResourcePolicies) Get(ctx context.Context, name string) (*computepb.ResourcePolicy, error) {
	return read(ctx, p.c, &p.c.policies, call{"reading", "resource policy", name},
		func(ctx context.Context, rest *compute.ResourcePoliciesClient) (*computepb.ResourcePolicy, error) {
			return rest.Get(ctx, &computepb.GetResourcePolicyRequest{Project: p.c.Project(), Region: p.c.Region(), ResourcePolicy: name}, once)
		})
}

// List returns all policies of the region.
func (p ResourcePolicies) List(ctx context.Context) ([]*computepb.ResourcePolicy, error) {
	return list(ctx, p.c, &p.c.policies, every("resource policies"),
		func(ctx context.Context, rest *compute.ResourcePoliciesClient) iter.Seq2[*computepb.ResourcePolicy, error] {
			return rest.List(ctx, &computepb.ListResourcePoliciesRequest{Project: p.c.Project(), Region: p.c.Region(), MaxResults: pageSize}, once).All()
		})
}

// Insert makes a policy, which no disk has yet.
func (p ResourcePolicies) Insert(ctx context.Context, x *computepb.ResourcePolicy) error {
	return change(ctx, p.c, &p.c.policies, call{"creating", "resource policy", x.GetName()},
		func(ctx context.Context, rest *compute.ResourcePoliciesClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertResourcePolicyRequest{
				Project: p.c.Project(), Region: p.c.Region(), ResourcePolicyResource: x, RequestId: id}, once)
		})
}

// Patch changes when snapshots are made from now on, and how long they are kept. Those
// there are stay.
func (p ResourcePolicies) Patch(ctx context.Context, name string, x *computepb.ResourcePolicy) error {
	return change(ctx, p.c, &p.c.policies, call{"changing", "resource policy", name},
		func(ctx context.Context, rest *compute.ResourcePoliciesClient, id *string) (*compute.Operation, error) {
			return rest.Patch(ctx, &computepb.PatchResourcePolicyRequest{
				Project: p.c.Project(), Region: p.c.Region(), ResourcePolicy: name, ResourcePolicyResource: x, RequestId: id}, once)
		})
}

// Delete removes a policy. It is refused as in use ([InUse]) while a disk has it; the
// snapshots that were made by it stay.
func (p ResourcePolicies) Delete(ctx context.Context, name string) error {
	return change(ctx, p.c, &p.c.policies, call{"deleting", "resource policy", name},
		func(ctx context.Context, rest *compute.ResourcePoliciesClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteResourcePolicyRequest{
				Project: p.c.Project(), Region: p.c.Region(), ResourcePolicy: name, RequestId: id}, once)
		})
}
