package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// TargetPools are the target pools of the client's region. Hakube makes none:
// Kubernetes' cloud provider does, for Services of type LoadBalancer.
type TargetPools struct{ c *Client }

const targetPool = "target pool"

// TargetPools returns the collection.
func (c *Client) TargetPools() TargetPools { return TargetPools{c} }

// Get returns a target pool.
func (p TargetPools) Get(ctx context.Context, name string) (*computepb.TargetPool, error) {
	return read(ctx, p.c, &p.c.pools, call{"reading", targetPool, name},
		func(ctx context.Context, rest *compute.TargetPoolsClient) (*computepb.TargetPool, error) {
			return rest.Get(ctx, &computepb.GetTargetPoolRequest{
				Project: p.c.Project(), Region: p.c.Region(), TargetPool: name}, once)
		})
}

// AggregatedTargetPools returns the pools of all regions; each says its own in Region.
func (c *Client) AggregatedTargetPools(ctx context.Context) ([]*computepb.TargetPool, error) {
	return list(ctx, c, &c.pools, every(targetPool+"s"),
		func(ctx context.Context, rest *compute.TargetPoolsClient) iter.Seq2[*computepb.TargetPool, error] {
			it := rest.AggregatedList(ctx, &computepb.AggregatedListTargetPoolsRequest{Project: c.Project(), MaxResults: pageSize}, once)
			return aggregate(it.All(), func() any { return it.Response },
				func(p compute.TargetPoolsScopedListPair) ([]*computepb.TargetPool, *computepb.Warning) {
					return p.Value.GetTargetPools(), p.Value.GetWarning()
				})
		})
}

// Insert makes a target pool.
func (p TargetPools) Insert(ctx context.Context, x *computepb.TargetPool) error {
	return change(ctx, p.c, &p.c.pools, call{"creating", targetPool, x.GetName()},
		func(ctx context.Context, rest *compute.TargetPoolsClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertTargetPoolRequest{
				Project: p.c.Project(), Region: p.c.Region(), TargetPoolResource: x, RequestId: id}, once)
		})
}

// Delete removes a target pool and leaves its machines. It is refused as in
// use ([InUse]) while a forwarding rule sends to it.
func (p TargetPools) Delete(ctx context.Context, name string) error {
	return change(ctx, p.c, &p.c.pools, call{"deleting", targetPool, name},
		func(ctx context.Context, rest *compute.TargetPoolsClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteTargetPoolRequest{
				Project: p.c.Project(), Region: p.c.Region(), TargetPool: name, RequestId: id}, once)
		})
}
