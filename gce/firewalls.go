package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// Firewalls are the project's VPC firewall rules.
type Firewalls struct{ c *Client }

// Firewalls returns the collection.
func (c *Client) Firewalls() Firewalls { return Firewalls{c} }

// Get returns a rule.
func (f Firewalls) Get(ctx context.Context, name string) (*computepb.Firewall, error) {
	return read(ctx, f.c, &f.c.firewalls, call{"reading", "firewall", name},
		func(ctx context.Context, rest *compute.FirewallsClient) (*computepb.Firewall, error) {
			return rest.Get(ctx, &computepb.GetFirewallRequest{Project: f.c.Project(), Firewall: name}, once)
		})
}

// List returns all rules of the project.
func (f Firewalls) List(ctx context.Context) ([]*computepb.Firewall, error) {
	return list(ctx, f.c, &f.c.firewalls, every("firewalls"),
		func(ctx context.Context, rest *compute.FirewallsClient) iter.Seq2[*computepb.Firewall, error] {
			return rest.List(ctx, &computepb.ListFirewallsRequest{Project: f.c.Project(), MaxResults: pageSize}, once).All()
		})
}

// Insert makes a rule.
func (f Firewalls) Insert(ctx context.Context, x *computepb.Firewall) error {
	return change(ctx, f.c, &f.c.firewalls, call{"creating", "firewall", x.GetName()},
		func(ctx context.Context, rest *compute.FirewallsClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertFirewallRequest{Project: f.c.Project(), FirewallResource: x, RequestId: id}, once)
		})
}

// Delete removes a rule.
func (f Firewalls) Delete(ctx context.Context, name string) error {
	return change(ctx, f.c, &f.c.firewalls, call{"deleting", "firewall", name},
		func(ctx context.Context, rest *compute.FirewallsClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteFirewallRequest{Project: f.c.Project(), Firewall: name, RequestId: id}, once)
		})
}
