package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// GlobalHealthChecks are the project's health checks that are in no region.
// Hakube makes none: Kubernetes' cloud provider does, for internal balancers.
type GlobalHealthChecks struct{ c *Client }

// GlobalHealthChecks returns the collection.
func (c *Client) GlobalHealthChecks() GlobalHealthChecks { return GlobalHealthChecks{c} }

// Get returns a health check.
func (h GlobalHealthChecks) Get(ctx context.Context, name string) (*computepb.HealthCheck, error) {
	return read(ctx, h.c, &h.c.globalChecks, call{"reading", "health check", name},
		func(ctx context.Context, rest *compute.HealthChecksClient) (*computepb.HealthCheck, error) {
			return rest.Get(ctx, &computepb.GetHealthCheckRequest{Project: h.c.Project(), HealthCheck: name}, once)
		})
}

// List returns all health checks that are in no region.
func (h GlobalHealthChecks) List(ctx context.Context) ([]*computepb.HealthCheck, error) {
	return list(ctx, h.c, &h.c.globalChecks, every("health checks"),
		func(ctx context.Context, rest *compute.HealthChecksClient) iter.Seq2[*computepb.HealthCheck, error] {
			return rest.List(ctx, &computepb.ListHealthChecksRequest{Project: h.c.Project(), MaxResults: pageSize}, once).All()
		})
}

// Delete removes a health check. It is refused as in use ([InUse]) while a
// backend service has it.
func (h GlobalHealthChecks) Delete(ctx context.Context, name string) error {
	return change(ctx, h.c, &h.c.globalChecks, call{"deleting", "health check", name},
		func(ctx context.Context, rest *compute.HealthChecksClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteHealthCheckRequest{Project: h.c.Project(), HealthCheck: name, RequestId: id}, once)
		})
}
