package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/protobuf/proto"
)

// BackendServices are the backend services of the client's region.
type BackendServices struct{ c *Client }

const service = "backend service"

// BackendServices returns the collection.
func (c *Client) BackendServices() BackendServices { return BackendServices{c} }

// Get returns a backend service.
func (b BackendServices) Get(ctx context.Context, name string) (*computepb.BackendService, error) {
	return read(ctx, b.c, &b.c.services, call{"reading", service, name},
		func(ctx context.Context, rest *compute.RegionBackendServicesClient) (*computepb.BackendService, error) {
			return rest.Get(ctx, &computepb.GetRegionBackendServiceRequest{
				Project: b.c.Project(), Region: b.c.Region(), BackendService: name}, once)
		})
}

// List returns all backend services of the region.
func (b BackendServices) List(ctx context.Context) ([]*computepb.BackendService, error) {
	return list(ctx, b.c, &b.c.services, every(service+"s"),
		func(ctx context.Context, rest *compute.RegionBackendServicesClient) iter.Seq2[*computepb.BackendService, error] {
			return rest.List(ctx, &computepb.ListRegionBackendServicesRequest{
				Project: b.c.Project(), Region: b.c.Region(), MaxResults: pageSize}, once).All()
		})
}

// Insert makes a backend service.
func (b BackendServices) Insert(ctx context.Context, x *computepb.BackendService) error {
	return b.change(ctx, "creating", x.GetName(),
		func(ctx context.Context, rest *compute.RegionBackendServicesClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertRegionBackendServiceRequest{
				Project: b.c.Project(), Region: b.c.Region(), BackendServiceResource: x, RequestId: id}, once)
		})
}

// Delete removes a backend service. It is refused as in use ([InUse]) while a
// forwarding rule has it.
func (b BackendServices) Delete(ctx context.Context, name string) error {
	return b.change(ctx, "deleting", name,
		func(ctx context.Context, rest *compute.RegionBackendServicesClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteRegionBackendServiceRequest{
				Project: b.c.Project(), Region: b.c.Region(), BackendService: name, RequestId: id}, once)
		})
}

// SetBackends replaces the backends of a backend service, also by none, if
// x.Fingerprint is that of the service as it is now; otherwise the error is
// [Stale]. Take what Get returned, change its Backends, and hand it back: the
// rest is sent as it was read, but for what the server alone says.
func (b BackendServices) SetBackends(ctx context.Context, x *computepb.BackendService) error {
	x = proto.CloneOf(x)
	x.CreationTimestamp, x.Id, x.Kind, x.SelfLink = nil, nil, nil, nil
	x.Region, x.UsedBy, x.SecurityPolicy, x.EdgeSecurityPolicy = nil, nil, nil, nil
	if x.Iap != nil { // in each that was read, also where there is none
		x.Iap.Oauth2ClientSecretSha256 = nil
	}
	return b.change(ctx, "setting backends of", x.GetName(),
		func(ctx context.Context, rest *compute.RegionBackendServicesClient, id *string) (*compute.Operation, error) {
			// Not a patch: one without backends would leave those there are.
			return rest.Update(ctx, &computepb.UpdateRegionBackendServiceRequest{
				Project: b.c.Project(), Region: b.c.Region(), BackendService: x.GetName(), BackendServiceResource: x, RequestId: id}, once)
		})
}

// GetHealth returns what the balancer's probes found of the machines of one
// group, which is named by its URL as in the service's Backends. Nothing is
// probed, and the answer is empty, before a forwarding rule uses the service.
func (b BackendServices) GetHealth(ctx context.Context, name, groupURL string) ([]*computepb.HealthStatus, error) {
	return read(ctx, b.c, &b.c.services, call{"reading health of", service, name},
		func(ctx context.Context, rest *compute.RegionBackendServicesClient) ([]*computepb.HealthStatus, error) {
			found, err := rest.GetHealth(ctx, &computepb.GetHealthRegionBackendServiceRequest{
				Project: b.c.Project(), Region: b.c.Region(), BackendService: name,
				ResourceGroupReferenceResource: &computepb.ResourceGroupReference{Group: &groupURL},
			}, once)
			return found.GetHealthStatus(), err
		})
}

func (b BackendServices) change(ctx context.Context, verb, name string, do func(context.Context, *compute.RegionBackendServicesClient, *string) (*compute.Operation, error)) error {
	return change(ctx, b.c, &b.c.services, call{verb, service, name}, do)
}
