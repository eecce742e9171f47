package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// Routes are the project's routes, those that come with networks included.
type Routes struct{ c *Client }

// Routes returns the collection.
func (c *Client) Routes() Routes { return Routes{c} }

// Get returns a route.
func (r Routes) Get(ctx context.Context, name string) (*computepb.Route, error) {
	return read(ctx, r.c, &r.c.routes, call{"reading", "route", name},
		func(ctx context.Context, rest *compute.RoutesClient) (*computepb.Route, error) {
			return rest.Get(ctx, &computepb.GetRouteRequest{Project: r.c.Project(), Route: name}, once)
		})
}

// List returns all routes of the project.
func (r Routes) List(ctx context.Context) ([]*computepb.Route, error) {
	return list(ctx, r.c, &r.c.routes, every("routes"),
		func(ctx context.Context, rest *compute.RoutesClient) iter.Seq2[*computepb.Route, error] {
			return rest.List(ctx, &computepb.ListRoutesRequest{Project: r.c.Project(), MaxResults: pageSize}, once).All()
		})
}

// Insert makes a route.
func (r Routes) Insert(ctx context.Context, x *computepb.Route) error {
	return change(ctx, r.c, &r.c.routes, call{"creating", "route", x.GetName()},
		func(ctx context.Context, rest *compute.RoutesClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertRouteRequest{Project: r.c.Project(), RouteResource: x, RequestId: id}, once)
		})
}

// Delete removes a route.
func (r Routes) Delete(ctx context.Context, name string) error {
	return change(ctx, r.c, &r.c.routes, call{"deleting", "route", name},
		func(ctx context.Context, rest *compute.RoutesClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteRouteRequest{Project: r.c.Project(), Route: name, RequestId: id}, once)
		})
}
