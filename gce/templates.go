package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// InstanceTemplates are the project's global instance templates. A template
// cannot be changed, only replaced by one of another name.
type InstanceTemplates struct{ c *Client }

// InstanceTemplates returns the collection.
func (c *Client) InstanceTemplates() InstanceTemplates { return InstanceTemplates{c} }

// Get returns a template.
func (t InstanceTemplates) Get(ctx context.Context, name string) (*computepb.InstanceTemplate, error) {
	return read(ctx, t.c, &t.c.templates, call{"reading", "instance template", name},
		func(ctx context.Context, rest *compute.InstanceTemplatesClient) (*computepb.InstanceTemplate, error) {
			return rest.Get(ctx, &computepb.GetInstanceTemplateRequest{Project: t.c.Project(), InstanceTemplate: name}, once)
		})
}

// List returns all global templates of the project.
func (t InstanceTemplates) List(ctx context.Context) ([]*computepb.InstanceTemplate, error) {
	return list(ctx, t.c, &t.c.templates, every("instance templates"),
		func(ctx context.Context, rest *compute.InstanceTemplatesClient) iter.Seq2[*computepb.InstanceTemplate, error] {
			return rest.List(ctx, &computepb.ListInstanceTemplatesRequest{Project: t.c.Project(), MaxResults: pageSize}, once).All()
		})
}

// Insert makes a template. Names in its properties are bare (machine type) or
// partial URLs (network, subnetwork), since it belongs to no zone.
func (t InstanceTemplates) Insert(ctx context.Context, x *computepb.InstanceTemplate) error {
	return change(ctx, t.c, &t.c.templates, call{"creating", "instance template", x.GetName()},
		func(ctx context.Context, rest *compute.InstanceTemplatesClient, id *string) (*compute.Operation, error) {
			return rest.Insert(ctx, &computepb.InsertInstanceTemplateRequest{
				Project: t.c.Project(), InstanceTemplateResource: x, RequestId: id}, once)
		})
}

// Delete removes a template. It is refused as in use ([InUse]) while a managed
// group makes its machines from it.
func (t InstanceTemplates) Delete(ctx context.Context, name string) error {
	return change(ctx, t.c, &t.c.templates, call{"deleting", "instance template", name},
		func(ctx context.Context, rest *compute.InstanceTemplatesClient, id *string) (*compute.Operation, error) {
			return rest.Delete(ctx, &computepb.DeleteInstanceTemplateRequest{
				Project: t.c.Project(), InstanceTemplate: name, RequestId: id}, once)
		})
}
