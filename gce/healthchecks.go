package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// HealthChecks are the health checks of the client's region.
type HealthChecks struct{ c *Client }

// HealthChecks returns the collection.
func (c *Client) HealthChecks() HealthChecks { return HealthChecks{c} }

// Get returns a health check.
func (h HealthChecks) Get(ctx context.Context, name string) (*computepb.HealthCheck, error) {
	return read(ctx, h.c, &h.c.healthChecks, call{"reading", "health check", name},
		func(ctx context.Context, rest *compute.RegionHealthChecksClient) (*computepb.HealthCheck, error) {
			return rest.Get(ctx, &computepb.GetRegionHealthCheckRequest{
				Project: h.c.Project(), Region: h.c.Region(), HealthCheck: name}, once)
		})
}

// List returns all health checks of the region.
func (h HealthChecks) List(ctx context.Context) ([]*computepb.HealthCheck, error) {
	return list(ctx, h.c, &h.c.healthChecks, every("health checks"),
		func(ctx context.Context, rest *compute.RegionHealthChecksClient) iter.Seq2[*computepb.HealthCheck, error] {
			return rest.List(ctx, &computepb.ListRegionHealthChecksRequest{
				Project: h.c.Project(), Region: h.c.Region(), MaxResults: pageSize}, once).All()
		})
}

// Insert makes a health check.
func (h HealthChecks) Insert(ctx context.Context, x *computepb.HealthCheck) error {
	return change(ctx, h.c, &h.c.healthChecks, call{"creating", "health check", x.GetName()},
		func(ctx context.Context, rest *compute.RegionHealthChecksClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertRegionHealthCheckRequest{
				Project: h.c.Project(), Region: h.c.Region(), HealthCheckResource: x, RequestId: id}, once)
		})
}

// Delete removes a health check. It is refused as in use ([InUse]) while a
// backend service has it.
func (h HealthChecks) Delete(ctx context.Context, name string) error {
	return change(ctx, h.c, &h.c.healthChecks, call{"deleting", "health check", name},
		func(ctx context.Context, rest *compute.RegionHealthChecksClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteRegionHealthCheckRequest{
				Project: h.c.Project(), Region: h.c.Region(), HealthCheck: name, RequestId: id}, once)
		})
}
