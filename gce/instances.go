package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/protobuf/proto"
)

// Instances are the machines of one zone.
type Instances struct {
	c    *Client
	zone string
}

// Instances returns the collection.
func (c *Client) Instances(zone string) Instances { return Instances{c, zone} }

// Get returns an instance.
func (i Instances) Get(ctx context.Context, name string) (*computepb.Instance, error) {
	return read(ctx, i.c, &i.c.instances, call{"reading", "instance", name},
		func(ctx context.Context, rest *compute.InstancesClient) (*computepb.Instance, error) {
			return rest.Get(ctx, &computepb.GetInstanceRequest{Project: i.c.Project(), Zone: i.zone, Instance: name}, once)
		})
}

// List returns all instances of the zone.
func (i Instances) List(ctx context.Context) ([]*computepb.Instance, error) {
	return list(ctx, i.c, &i.c.instances, every("instances"),
		func(ctx context.Context, rest *compute.InstancesClient) iter.Seq2[*computepb.Instance, error] {
			return rest.List(ctx, &computepb.ListInstancesRequest{
				Project: i.c.Project(), Zone: i.zone, MaxResults: pageSize}, once).All()
		})
}

// AggregatedInstances returns the instances of all zones; each says its own
// in Zone. An instance that is listed may still fail to come up and vanish:
// only the operation of its Insert tells.
func (c *Client) AggregatedInstances(ctx context.Context) ([]*computepb.Instance, error) {
	return list(ctx, c, &c.instances, every("instances"),
		func(ctx context.Context, rest *compute.InstancesClient) iter.Seq2[*computepb.Instance, error] {
			it := rest.AggregatedList(ctx, &computepb.AggregatedListInstancesRequest{Project: c.Project(), MaxResults: pageSize}, once)
			return aggregate(it.All(), func() any { return it.Response },
				func(p compute.InstancesScopedListPair) ([]*computepb.Instance, *computepb.Warning) {
					return p.Value.GetInstances(), p.Value.GetWarning()
				})
		})
}

// Insert makes an instance and returns when it runs (its kernel, not yet what
// it is for).
func (i Instances) Insert(ctx context.Context, x *computepb.Instance) error {
	return i.change(ctx, "creating", x.GetName(),
		func(ctx context.Context, rest *compute.InstancesClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertInstanceRequest{
				Project: i.c.Project(), Zone: i.zone, InstanceResource: x, RequestId: id}, once)
		})
}

// Delete stops and removes an instance, with those of its disks that say
// autoDelete.
func (i Instances) Delete(ctx context.Context, name string) error {
	return i.change(ctx, "deleting", name,
		func(ctx context.Context, rest *compute.InstancesClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteInstanceRequest{
				Project: i.c.Project(), Zone: i.zone, Instance: name, RequestId: id}, once)
		})
}

// Start boots a stopped instance.
func (i Instances) Start(ctx context.Context, name string) error {
	return i.change(ctx, "starting", name,
		func(ctx context.Context, rest *compute.InstancesClient, id *string) (*compute.Operation, error) {
			return rest.Start(ctx, &computepb.StartInstanceRequest{
				Project: i.c.Project(), Zone: i.zone, Instance: name, RequestId: id}, once)
		})
}

// Stop shuts an instance down and keeps it, its disks and its addresses but
// for an ephemeral external one.
func (i Instances) Stop(ctx context.Context, name string) error {
	return i.change(ctx, "stopping", name,
		func(ctx context.Context, rest *compute.InstancesClient, id *string) (*compute.Operation, error) {
			return rest.Stop(ctx, &computepb.StopInstanceRequest{
				Project: i.c.Project(), Zone: i.zone, Instance: name, RequestId: id}, once)
		})
}

// Reset restarts an instance as its reset button would.
func (i Instances) Reset(ctx context.Context, name string) error {
	return i.change(ctx, "resetting", name,
		func(ctx context.Context, rest *compute.InstancesClient, id *string) (*compute.Operation, error) {
			return rest.Reset(ctx, &computepb.ResetInstanceRequest{
				Project: i.c.Project(), Zone: i.zone, Instance: name, RequestId: id}, once)
		})
}

// SetMetadata replaces all metadata items of an instance. m.Fingerprint must
// be that of the metadata as it is now, or the error is [Stale]: take what Get
// returned, change its Items, and hand it back.
func (i Instances) SetMetadata(ctx context.Context, name string, m *computepb.Metadata) error {
	if m = proto.CloneOf(m); m != nil {
		m.Kind = nil // is for the server to say
	}
	return i.change(ctx, "setting metadata of", name,
		func(ctx context.Context, rest *compute.InstancesClient, id *string) (*compute.Operation, error) {
			return rest.SetMetadata(ctx, &computepb.SetMetadataInstanceRequest{
				Project: i.c.Project(), Zone: i.zone, Instance: name, MetadataResource: m, RequestId: id}, once)
		})
}

// SetTags replaces an instance's network tags. t.Fingerprint must be that of the
// tags as they are now, as with SetMetadata.
func (i Instances) SetTags(ctx context.Context, name string, t *computepb.Tags) error {
	return i.change(ctx, "setting tags of", name,
		func(ctx context.Context, rest *compute.InstancesClient, id *string) (*compute.Operation, error) {
			return rest.SetTags(ctx, &computepb.SetTagsInstanceRequest{
				Project: i.c.Project(), Zone: i.zone, Instance: name, TagsResource: t, RequestId: id}, once)
		})
}

func (i Instances) change(ctx context.Context, verb, name string, do func(context.Context, *compute.InstancesClient, *string) (*compute.Operation, error)) error {
	return change(ctx, i.c, &i.c.instances, call{verb, "instance", name}, do)
}
