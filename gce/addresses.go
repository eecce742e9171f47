package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// Addresses are the reserved addresses of the client's region.
type Addresses struct{ c *Client }

// Addresses returns the collection.
func (c *Client) Addresses() Addresses { return Addresses{c} }

// Get returns an address.
func (a Addresses) Get(ctx context.Context, name string) (*computepb.Address, error) {
	return read(ctx, a.c, &a.c.addresses, call{"reading", "address", name},
		func(ctx context.Context, rest *compute.AddressesClient) (*computepb.Address, error) {
			return rest.Get(ctx, &computepb.GetAddressRequest{
				Project: a.c.Project(), Region: a.c.Region(), Address: name}, once)
		})
}

// List returns all reserved addresses of the region.
func (a Addresses) List(ctx context.Context) ([]*computepb.Address, error) {
	return list(ctx, a.c, &a.c.addresses, every("addresses"),
		func(ctx context.Context, rest *compute.AddressesClient) iter.Seq2[*computepb.Address, error] {
			return rest.List(ctx, &computepb.ListAddressesRequest{
				Project: a.c.Project(), Region: a.c.Region(), MaxResults: pageSize}, once).All()
		})
}

// Insert reserves an address. Compute Engine drops its labels: they come by
// [Addresses.SetLabels].
func (a Addresses) Insert(ctx context.Context, x *computepb.Address) error {
	return change(ctx, a.c, &a.c.addresses, call{"creating", "address", x.GetName()},
		func(ctx context.Context, rest *compute.AddressesClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertAddressRequest{
				Project: a.c.Project(), Region: a.c.Region(), AddressResource: x, RequestId: id}, once)
		})
}

// Delete releases an address. It is refused as in use ([InUse]) while an
// instance has it; a forwarding rule that has it keeps it, as one that nobody has
// reserved.
func (a Addresses) Delete(ctx context.Context, name string) error {
	return change(ctx, a.c, &a.c.addresses, call{"deleting", "address", name},
		func(ctx context.Context, rest *compute.AddressesClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteAddressRequest{
				Project: a.c.Project(), Region: a.c.Region(), Address: name, RequestId: id}, once)
		})
}

// SetLabels replaces the labels of an address if fingerprint is that of the
// labels as they are now, and otherwise fails with an error that is [Stale].
func (a Addresses) SetLabels(ctx context.Context, name, fingerprint string, labels map[string]string) error {
	return change(ctx, a.c, &a.c.addresses, call{"labelling", "address", name},
		func(ctx context.Context, rest *compute.AddressesClient, id *string) (*compute.Operation, error) {
			return rest.SetLabels(ctx, &computepb.SetLabelsAddressRequest{
				Project: a.c.Project(), Region: a.c.Region(), Resource: name, RequestId: id,
				RegionSetLabelsRequestResource: &computepb.RegionSetLabelsRequest{
					LabelFingerprint: &fingerprint, Labels: labels,
				},
			}, once)
		})
}
