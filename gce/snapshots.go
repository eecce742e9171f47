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
