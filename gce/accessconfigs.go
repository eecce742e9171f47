package gce

import (
	"context"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// An access config is what gives a network interface its external address. An
// interface has one at most.

// AddAccessConfig gives an interface ("nic0") an external address: the
// reserved one in x.NatIP, else an ephemeral one. It is refused as in use
// ([InUse]) while something else has the address.
func (i Instances) AddAccessConfig(ctx context.Context, name, nic string, x *computepb.AccessConfig) error {
	return i.change(ctx, "giving an external address to", name,
		func(ctx context.Context, rest *compute.InstancesClient, id *string) (*compute.Operation, error) {
			return rest.AddAccessConfig(ctx, &computepb.AddAccessConfigInstanceRequest{
				Project: i.c.Project(), Zone: i.zone, Instance: name, NetworkInterface: nic, AccessConfigResource: x, RequestId: id}, once)
		})
}

// DeleteAccessConfig takes the access config with that name, and with it the
// external address, from an interface. A reserved address is free again when
// it returns, or a moment later.
func (i Instances) DeleteAccessConfig(ctx context.Context, name, nic, config string) error {
	return i.change(ctx, "taking the external address from", name,
		func(ctx context.Context, rest *compute.InstancesClient, id *string) (*compute.Operation, error) {
			return rest.DeleteAccessConfig(ctx, &computepb.DeleteAccessConfigInstanceRequest{
				Project: i.c.Project(), Zone: i.zone, Instance: name, NetworkInterface: nic, AccessConfig: config, RequestId: id}, once)
		})
}
