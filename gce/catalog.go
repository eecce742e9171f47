package gce

import (
	"context"
	"iter"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// Zones are those the project can see. Zones, regions, machine types and
// images are Google's: they can only be read.
type Zones struct{ c *Client }

// Zones returns the collection.
func (c *Client) Zones() Zones { return Zones{c} }

// Get returns a zone.
func (z Zones) Get(ctx context.Context, name string) (*computepb.Zone, error) {
	return read(ctx, z.c, &z.c.zones, call{"reading", "zone", name},
		func(ctx context.Context, rest *compute.ZonesClient) (*computepb.Zone, error) {
			return rest.Get(ctx, &computepb.GetZoneRequest{Project: z.c.Project(), Zone: name}, once)
		})
}

// List returns all zones of all regions.
func (z Zones) List(ctx context.Context) ([]*computepb.Zone, error) {
	return list(ctx, z.c, &z.c.zones, every("zones"),
		func(ctx context.Context, rest *compute.ZonesClient) iter.Seq2[*computepb.Zone, error] {
			return rest.List(ctx, &computepb.ListZonesRequest{Project: z.c.Project(), MaxResults: pageSize}, once).All()
		})
}

// Regions are those the project can see.
type Regions struct{ c *Client }

// Regions returns the collection.
func (c *Client) Regions() Regions { return Regions{c} }

// Get returns a region, with its zones' URLs and the quotas left in it.
func (r Regions) Get(ctx context.Context, name string) (*computepb.Region, error) {
	return read(ctx, r.c, &r.c.regions, call{"reading", "region", name},
		func(ctx context.Context, rest *compute.RegionsClient) (*computepb.Region, error) {
			return rest.Get(ctx, &computepb.GetRegionRequest{Project: r.c.Project(), Region: name}, once)
		})
}

// List returns all regions.
func (r Regions) List(ctx context.Context) ([]*computepb.Region, error) {
	return list(ctx, r.c, &r.c.regions, every("regions"),
		func(ctx context.Context, rest *compute.RegionsClient) iter.Seq2[*computepb.Region, error] {
			return rest.List(ctx, &computepb.ListRegionsRequest{Project: r.c.Project(), MaxResults: pageSize}, once).All()
		})
}

// MachineTypes are those a zone offers.
type MachineTypes struct {
	c    *Client
	zone string
}

// MachineTypes returns the collection.
func (c *Client) MachineTypes(zone string) MachineTypes { return MachineTypes{c, zone} }

// Get returns a machine type.
func (m MachineTypes) Get(ctx context.Context, name string) (*computepb.MachineType, error) {
	return read(ctx, m.c, &m.c.machineTypes, call{"reading", "machine type", name},
		func(ctx context.Context, rest *compute.MachineTypesClient) (*computepb.MachineType, error) {
			return rest.Get(ctx, &computepb.GetMachineTypeRequest{Project: m.c.Project(), Zone: m.zone, MachineType: name}, once)
		})
}

// List returns all machine types of the zone.
func (m MachineTypes) List(ctx context.Context) ([]*computepb.MachineType, error) {
	return list(ctx, m.c, &m.c.machineTypes, every("machine types"),
		func(ctx context.Context, rest *compute.MachineTypesClient) iter.Seq2[*computepb.MachineType, error] {
			return rest.List(ctx, &computepb.ListMachineTypesRequest{
				Project: m.c.Project(), Zone: m.zone, MaxResults: pageSize}, once).All()
		})
}

// AcceleratorTypes are those a zone offers.
type AcceleratorTypes struct {
	c    *Client
	zone string
}

// AcceleratorTypes returns the collection.
func (c *Client) AcceleratorTypes(zone string) AcceleratorTypes { return AcceleratorTypes{c, zone} }

// Get returns an accelerator type.
func (a AcceleratorTypes) Get(ctx context.Context, name string) (*computepb.AcceleratorType, error) {
	return read(ctx, a.c, &a.c.acceleratorTypes, call{"reading", "accelerator type", name},
		func(ctx context.Context, rest *compute.AcceleratorTypesClient) (*computepb.AcceleratorType, error) {
			return rest.Get(ctx, &computepb.GetAcceleratorTypeRequest{Project: a.c.Project(), Zone: a.zone, AcceleratorType: name}, once)
		})
}

// List returns all accelerator types of the zone.
func (a AcceleratorTypes) List(ctx context.Context) ([]*computepb.AcceleratorType, error) {
	return list(ctx, a.c, &a.c.acceleratorTypes, every("accelerator types"),
		func(ctx context.Context, rest *compute.AcceleratorTypesClient) iter.Seq2[*computepb.AcceleratorType, error] {
			return rest.List(ctx, &computepb.ListAcceleratorTypesRequest{
				Project: a.c.Project(), Zone: a.zone, MaxResults: pageSize}, once).All()
		})
}

// DiskTypes are those a zone offers.
type DiskTypes struct {
	c    *Client
	zone string
}

// DiskTypes returns the collection.
func (c *Client) DiskTypes(zone string) DiskTypes { return DiskTypes{c, zone} }

// Get returns a disk type.
func (d DiskTypes) Get(ctx context.Context, name string) (*computepb.DiskType, error) {
	return read(ctx, d.c, &d.c.diskTypes, call{"reading", "disk type", name},
		func(ctx context.Context, rest *compute.DiskTypesClient) (*computepb.DiskType, error) {
			return rest.Get(ctx, &computepb.GetDiskTypeRequest{Project: d.c.Project(), Zone: d.zone, DiskType: name}, once)
		})
}

// List returns all disk types of the zone.
func (d DiskTypes) List(ctx context.Context) ([]*computepb.DiskType, error) {
	return list(ctx, d.c, &d.c.diskTypes, every("disk types"),
		func(ctx context.Context, rest *compute.DiskTypesClient) iter.Seq2[*computepb.DiskType, error] {
			return rest.List(ctx, &computepb.ListDiskTypesRequest{
				Project: d.c.Project(), Zone: d.zone, MaxResults: pageSize}, once).All()
		})
}

// Images are those of a project, mostly one of Google's: "debian-cloud".
type Images struct {
	c       *Client
	project string
}

// Images returns the collection.
func (c *Client) Images(project string) Images { return Images{c, project} }

// Get returns an image.
func (i Images) Get(ctx context.Context, name string) (*computepb.Image, error) {
	return read(ctx, i.c, &i.c.images, call{"reading", "image", name},
		func(ctx context.Context, rest *compute.ImagesClient) (*computepb.Image, error) {
			return rest.Get(ctx, &computepb.GetImageRequest{Project: i.project, Image: name}, once)
		})
}

// GetFromFamily returns the newest image of a family that is not deprecated.
func (i Images) GetFromFamily(ctx context.Context, family string) (*computepb.Image, error) {
	return read(ctx, i.c, &i.c.images, call{"reading", "image family", family},
		func(ctx context.Context, rest *compute.ImagesClient) (*computepb.Image, error) {
			return rest.GetFromFamily(ctx, &computepb.GetFromFamilyImageRequest{Project: i.project, Family: family}, once)
		})
}

// GetProject returns the client's project with its common metadata. It is the
// cheapest call that needs both credentials and an enabled API.
func (c *Client) GetProject(ctx context.Context) (*computepb.Project, error) {
	return read(ctx, c, &c.projects, call{"reading", "project", c.Project()},
		func(ctx context.Context, rest *compute.ProjectsClient) (*computepb.Project, error) {
			return rest.Get(ctx, &computepb.GetProjectRequest{Project: c.Project()}, once)
		})
}
