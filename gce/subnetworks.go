package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// Subnetworks are those of the client's region.
type Subnetworks struct{ c *Client }

// Subnetworks returns the collection.
func (c *Client) Subnetworks() Subnetworks { return Subnetworks{c} }

// Get returns a subnetwork.
func (s Subnetworks) Get(ctx context.Context, name string) (*computepb.Subnetwork, error) {
	return read(ctx, s.c, &s.c.subnetworks, call{"reading", "subnetwork", name},
		func(ctx context.Context, rest *compute.SubnetworksClient) (*computepb.Subnetwork, error) {
			return rest.Get(ctx, &computepb.GetSubnetworkRequest{
				Project: s.c.Project(), Region: s.c.Region(), Subnetwork: name}, once)
		})
}

// List returns all subnetworks of the region.
func (s Subnetworks) List(ctx context.Context) ([]*computepb.Subnetwork, error) {
	return list(ctx, s.c, &s.c.subnetworks, every("subnetworks"),
		func(ctx context.Context, rest *compute.SubnetworksClient) iter.Seq2[*computepb.Subnetwork, error] {
			return rest.List(ctx, &computepb.ListSubnetworksRequest{
				Project: s.c.Project(), Region: s.c.Region(), MaxResults: pageSize}, once).All()
		})
}

// AggregatedSubnetworks returns the subnetworks of all regions; each says its own
// in Region.
func (c *Client) AggregatedSubnetworks(ctx context.Context) ([]*computepb.Subnetwork, error) {
	return list(ctx, c, &c.subnetworks, every("subnetworks"),
		func(ctx context.Context, rest *compute.SubnetworksClient) iter.Seq2[*computepb.Subnetwork, error] {
			it := rest.AggregatedList(ctx, &computepb.AggregatedListSubnetworksRequest{Project: c.Project(), MaxResults: pageSize}, once)
			return aggregate(it.All(), func() any { return it.Response },
				func(p compute.SubnetworksScopedListPair) ([]*computepb.Subnetwork, *computepb.Warning) {
					return p.Value.GetSubnetworks(), p.Value.GetWarning()
				})
		})
}

// Insert makes a subnetwork.
func (s Subnetworks) Insert(ctx context.Context, x *computepb.Subnetwork) error {
	return change(ctx, s.c, &s.c.subnetworks, call{"creating", "subnetwork", x.GetName()},
		func(ctx context.Context, rest *compute.SubnetworksClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertSubnetworkRequest{
				Project: s.c.Project(), Region: s.c.Region(), SubnetworkResource: x, RequestId: id}, once)
		})
}

// Delete removes a subnetwork. It is refused as in use ([InUse]) while an
// instance is in it.
func (s Subnetworks) Delete(ctx context.Context, name string) error {
	return change(ctx, s.c, &s.c.subnetworks, call{"deleting", "subnetwork", name},
		func(ctx context.Context, rest *compute.SubnetworksClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteSubnetworkRequest{
				Project: s.c.Project(), Region: s.c.Region(), Subnetwork: name, RequestId: id}, once)
		})
}
