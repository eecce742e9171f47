package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// ForwardingRules are the forwarding rules of the client's region.
type ForwardingRules struct{ c *Client }

// ForwardingRules returns the collection.
func (c *Client) ForwardingRules() ForwardingRules { return ForwardingRules{c} }

// Get returns a forwarding rule.
func (f ForwardingRules) Get(ctx context.Context, name string) (*computepb.ForwardingRule, error) {
	return read(ctx, f.c, &f.c.rules, call{"reading", "forwarding rule", name},
		func(ctx context.Context, rest *compute.ForwardingRulesClient) (*computepb.ForwardingRule, error) {
			return rest.Get(ctx, &computepb.GetForwardingRuleRequest{
				Project: f.c.Project(), Region: f.c.Region(), ForwardingRule: name}, once)
		})
}

// List returns all forwarding rules of the region.
func (f ForwardingRules) List(ctx context.Context) ([]*computepb.ForwardingRule, error) {
	return list(ctx, f.c, &f.c.rules, every("forwarding rules"),
		func(ctx context.Context, rest *compute.ForwardingRulesClient) iter.Seq2[*computepb.ForwardingRule, error] {
			return rest.List(ctx, &computepb.ListForwardingRulesRequest{
				Project: f.c.Project(), Region: f.c.Region(), MaxResults: pageSize}, once).All()
		})
}

// Insert makes a forwarding rule. It is refused as in use ([InUse]) while
// something else has its address.
func (f ForwardingRules) Insert(ctx context.Context, x *computepb.ForwardingRule) error {
	return change(ctx, f.c, &f.c.rules, call{"creating", "forwarding rule", x.GetName()},
		func(ctx context.Context, rest *compute.ForwardingRulesClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertForwardingRuleRequest{
				Project: f.c.Project(), Region: f.c.Region(), ForwardingRuleResource: x, RequestId: id}, once)
		})
}

// SetLabels replaces the labels of a forwarding rule if fingerprint is that of the
// labels as they are now, and otherwise fails with an error that is [Stale]. Insert
// takes none.
func (f ForwardingRules) SetLabels(ctx context.Context, name, fingerprint string, labels map[string]string) error {
	return change(ctx, f.c, &f.c.rules, call{"labelling", "forwarding rule", name},
		func(ctx context.Context, rest *compute.ForwardingRulesClient, id *string) (*compute.Operation, error) {
			return rest.SetLabels(ctx, &computepb.SetLabelsForwardingRuleRequest{
				Project: f.c.Project(), Region: f.c.Region(), Resource: name, RequestId: id,
				RegionSetLabelsRequestResource: &computepb.RegionSetLabelsRequest{
					LabelFingerprint: &fingerprint, Labels: labels,
				},
			}, once)
		})
}

// Delete removes a forwarding rule; its address is free again, or gone if it
// was not reserved.
func (f ForwardingRules) Delete(ctx context.Context, name string) error {
	return change(ctx, f.c, &f.c.rules, call{"deleting", "forwarding rule", name},
		func(ctx context.Context, rest *compute.ForwardingRulesClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteForwardingRuleRequest{
				Project: f.c.Project(), Region: f.c.Region(), ForwardingRule: name, RequestId: id}, once)
		})
}
