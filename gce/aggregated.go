package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// Lists of regional collections over all regions, for whoever looks for what
// may be anywhere. Each object says its own place in Region; a global one has
// none.

// AggregatedForwardingRules returns the forwarding rules of all regions and the global ones.
func (c *Client) AggregatedForwardingRules(ctx context.Context) ([]*computepb.ForwardingRule, error) {
	return list(ctx, c, &c.rules, every("forwarding rules"),
		func(ctx context.Context, rest *compute.ForwardingRulesClient) iter.Seq2[*computepb.ForwardingRule, error] {
			it := rest.AggregatedList(ctx, &computepb.AggregatedListForwardingRulesRequest{Project: c.Project(), MaxResults: pageSize}, once)
			return aggregate(it.All(), func() any { return it.Response },
				func(p compute.ForwardingRulesScopedListPair) ([]*computepb.ForwardingRule, *computepb.Warning) {
					return p.Value.GetForwardingRules(), p.Value.GetWarning()
				})
		})
}

// AggregatedAddresses returns the reserved addresses of all regions and the global ones.
func (c *Client) AggregatedAddresses(ctx context.Context) ([]*computepb.Address, error) {
	return list(ctx, c, &c.addresses, every("addresses"),
		func(ctx context.Context, rest *compute.AddressesClient) iter.Seq2[*computepb.Address, error] {
			it := rest.AggregatedList(ctx, &computepb.AggregatedListAddressesRequest{Project: c.Project(), MaxResults: pageSize}, once)
			return aggregate(it.All(), func() any { return it.Response },
				func(p compute.AddressesScopedListPair) ([]*computepb.Address, *computepb.Warning) {
					return p.Value.GetAddresses(), p.Value.GetWarning()
				})
		})
}

// AggregatedBackendServices returns the backend services of all regions and the global ones.
func (c *Client) AggregatedBackendServices(ctx context.Context) ([]*computepb.BackendService, error) {
	return list(ctx, c, &c.globalServices, every(service+"s"),
		func(ctx context.Context, rest *compute.BackendServicesClient) iter.Seq2[*computepb.BackendService, error] {
			it := rest.AggregatedList(ctx, &computepb.AggregatedListBackendServicesRequest{Project: c.Project(), MaxResults: pageSize}, once)
			return aggregate(it.All(), func() any { return it.Response },
				func(p compute.BackendServicesScopedListPair) ([]*computepb.BackendService, *computepb.Warning) {
					return p.Value.GetBackendServices(), p.Value.GetWarning()
				})
		})
}
