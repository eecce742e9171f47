package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// Disks are the persistent disks of one zone.
type Disks struct {
	c    *Client
	zone string
}

// Disks returns the collection.
func (c *Client) Disks(zone string) Disks { return Disks{c, zone} }

// Get returns a disk.
func (d Disks) Get(ctx context.Context, name string) (*computepb.Disk, error) {
	return read(ctx, d.c, &d.c.disks, call{"reading", "disk", name},
		func(ctx context.Context, rest *compute.DisksClient) (*computepb.Disk, error) {
			return rest.Get(ctx, &computepb.GetDiskRequest{Project: d.c.Project(), Zone: d.zone, Disk: name}, once)
		})
}

// List returns all disks of the zone.
func (d Disks) List(ctx context.Context) ([]*computepb.Disk, error) {
	return list(ctx, d.c, &d.c.disks, every("disks"),
		func(ctx context.Context, rest *compute.DisksClient) iter.Seq2[*computepb.Disk, error] {
			return rest.List(ctx, &computepb.ListDisksRequest{Project: d.c.Project(), Zone: d.zone, MaxResults: pageSize}, once).All()
		})
}

// AggregatedDisks returns the disks of all zones; each says its own in Zone.
func (c *Client) AggregatedDisks(ctx context.Context) ([]*computepb.Disk, error) {
	return list(ctx, c, &c.disks, every("disks"),
		func(ctx context.Context, rest *compute.DisksClient) iter.Seq2[*computepb.Disk, error] {
			it := rest.AggregatedList(ctx, &computepb.AggregatedListDisksRequest{Project: c.Project(), MaxResults: pageSize}, once)
			return aggregate(it.All(), func() any { return it.Response },
				func(p compute.DisksScopedListPair) ([]*computepb.Disk, *computepb.Warning) {
					return p.Value.GetDisks(), p.Value.GetWarning()
				})
		})
}

// Insert makes a disk, empty or from x.SourceImage.
func (d Disks) Insert(ctx context.Context, x *computepb.Disk) error {
	return change(ctx, d.c, &d.c.disks, call{"creating", "disk", x.GetName()},
		func(ctx context.Context, rest *compute.DisksClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertDiskRequest{
				Project: d.c.Project(), Zone: d.zone, DiskResource: x, RequestId: id}, once)
		})
}

// Delete removes a disk and what is on it. It is refused as in use ([InUse])
// while an instance has it, also a stopped one.
func (d Disks) Delete(ctx context.Context, name string) error {
	return change(ctx, d.c, &d.c.disks, call{"deleting", "disk", name},
		func(ctx context.Context, rest *compute.DisksClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteDiskRequest{
				Project: d.c.Project(), Zone: d.zone, Disk: name, RequestId: id}, once)
		})
}

// SetLabels replaces the labels of a disk if fingerprint is that of the labels
// as they are now, and otherwise fails with an error that is [Stale].
func (d Disks) SetLabels(ctx context.Context, name, fingerprint string, labels map[string]string) error {
	return change(ctx, d.c, &d.c.disks, call{"labelling", "disk", name},
		func(ctx context.Context, rest *compute.DisksClient, id *string) (*compute.Operation, error) {
			return rest.SetLabels(ctx, &computepb.SetLabelsDiskRequest{
				Project: d.c.Project(), Zone: d.zone, Resource: name, RequestId: id,
				ZoneSetLabelsRequestResource: &computepb.ZoneSetLabelsRequest{
					LabelFingerprint: &fingerprint, Labels: labels,
				},
			}, once)
		})
}

// AddPolicy has snapshots of a disk made by a schedule of its region, by the URL. It can
// have one.
func (d Disks) AddPolicy(ctx context.Context, name, policy string) error {
	return change(ctx, d.c, &d.c.disks, call{"giving a schedule of snapshots to", "disk", name},
		func(ctx context.Context, rest *compute.DisksClient, id *string) (*compute.Operation, error) {
			return rest.AddResourcePolicies(ctx, &computepb.AddResourcePoliciesDiskRequest{
				Project: d.c.Project(), Zone: d.zone, Disk: name, RequestId: id,
				DisksAddResourcePoliciesRequestResource: &computepb.DisksAddResourcePoliciesRequest{ResourcePolicies: []string{policy}},
			}, once)
		})
}

// RemovePolicy has none made any more. Those there are stay.
func (d Disks) RemovePolicy(ctx context.Context, name, policy string) error {
	return change(ctx, d.c, &d.c.disks, call{"taking the schedule of snapshots from", "disk", name},
		func(ctx context.Context, rest *compute.DisksClient, id *string) (*compute.Operation, error) {
			return rest.RemoveResourcePolicies(ctx, &computepb.RemoveResourcePoliciesDiskRequest{
				Project: d.c.Project(), Zone: d.zone, Disk: name, RequestId: id,
				DisksRemoveResourcePoliciesRequestResource: &computepb.DisksRemoveResourcePoliciesRequest{ResourcePolicies: []string{policy}},
			}, once)
		})
}
