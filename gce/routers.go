package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// Routers are the Cloud Routers of the client's region. Hakube makes none:
// Kubernetes' cloud provider does, for Services of type LoadBalancer.
type Routers struct{ c *Client }

const router = "router"

// Routers returns the collection.
func (c *Client) Routers() Routers { return Routers{c} }

// Get returns a router.
func (p Routers) Get(ctx context.Context, name string) (*computepb.Router, error) {
	return read(ctx, p.c, &p.c.routers, call{"reading", router, name},
		func(ctx context.Context, rest *compute.RoutersClient) (*computepb.Router, error) {
			return rest.Get(ctx, &computepb.GetRouterRequest{
				Project: p.c.Project(), Region: p.c.Region(), Router: name}, once)
		})
}

// AggregatedRouters returns the pools of all regions; each says its own in Region.
func (c *Client) AggregatedRouters(ctx context.Context) ([]*computepb.Router, error) {
	return list(ctx, c, &c.routers, every(router+"s"),
		func(ctx context.Context, rest *compute.RoutersClient) iter.Seq2[*computepb.Router, error] {
			it := rest.AggregatedList(ctx, &computepb.AggregatedListRoutersRequest{Project: c.Project(), MaxResults: pageSize}, once)
			return aggregate(it.All(), func() any { return it.Response },
				func(p compute.RoutersScopedListPair) ([]*computepb.Router, *computepb.Warning) {
					return p.Value.GetRouters(), p.Value.GetWarning()
				})
		})
}

// Insert makes a router.
func (p Routers) Insert(ctx context.Context, x *computepb.Router) error {
	return change(ctx, p.c, &p.c.routers, call{"creating", router, x.GetName()},
		func(ctx context.Context, rest *compute.RoutersClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertRouterRequest{
				Project: p.c.Project(), Region: p.c.Region(), RouterResource: x, RequestId: id}, once)
		})
}

// Delete removes a router and leaves its machines. It is refused as in
// use ([InUse]) while a forwarding rule sends to it.
func (p Routers) Delete(ctx context.Context, name string) error {
	return change(ctx, p.c, &p.c.routers, call{"deleting", router, name},
		func(ctx context.Context, rest *compute.RoutersClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteRouterRequest{
				Project: p.c.Project(), Region: p.c.Region(), Router: name, RequestId: id}, once)
		})
}
