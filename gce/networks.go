package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// Networks are the project's VPC networks.
type Networks struct{ c *Client }

// Networks returns the collection.
func (c *Client) Networks() Networks { return Networks{c} }

// Get returns a network.
func (n Networks) Get(ctx context.Context, name string) (*computepb.Network, error) {
	return read(ctx, n.c, &n.c.networks, call{"reading", "network", name},
		func(ctx context.Context, rest *compute.NetworksClient) (*computepb.Network, error) {
			return rest.Get(ctx, &computepb.GetNetworkRequest{Project: n.c.Project(), Network: name}, once)
		})
}

// List returns all networks of the project.
func (n Networks) List(ctx context.Context) ([]*computepb.Network, error) {
	return list(ctx, n.c, &n.c.networks, every("networks"),
		func(ctx context.Context, rest *compute.NetworksClient) iter.Seq2[*computepb.Network, error] {
			return rest.List(ctx, &computepb.ListNetworksRequest{Project: n.c.Project(), MaxResults: pageSize}, once).All()
		})
}

// Insert makes a network. AutoCreateSubnetworks must be set, also to false:
// left out, Google makes a legacy network.
func (n Networks) Insert(ctx context.Context, x *computepb.Network) error {
	return change(ctx, n.c, &n.c.networks, call{"creating", "network", x.GetName()},
		func(ctx context.Context, rest *compute.NetworksClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertNetworkRequest{Project: n.c.Project(), NetworkResource: x, RequestId: id}, once)
		})
}

// Delete removes a network. It is refused as in use ([InUse]) while it has a
// subnetwork, a firewall rule or an instance.
func (n Networks) Delete(ctx context.Context, name string) error {
	return change(ctx, n.c, &n.c.networks, call{"deleting", "network", name},
		func(ctx context.Context, rest *compute.NetworksClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteNetworkRequest{Project: n.c.Project(), Network: name, RequestId: id}, once)
		})
}
