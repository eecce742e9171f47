package inventory

import (
	"context"
	"slices"
	"sync"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/gce"
)

// A Kind is a collection of Compute Engine, by the word people read.
type Kind string

const (
	Network          Kind = "network"
	Subnetwork       Kind = "subnetwork"
	Firewall         Kind = "firewall"
	Address          Kind = "address"
	Disk             Kind = "disk"
	Instance         Kind = "instance"
	InstanceTemplate Kind = "instance template"
	ManagedGroup     Kind = "managed group"

	// A master's own group and template are read with all others, and told from those of
	// nodes by their roles.
	OwnGroup    Kind = "master's managed group"
	OwnTemplate Kind = "master's template"

	InstanceGroup  Kind = "instance group"
	HealthCheck    Kind = "health check"
	BackendService Kind = "backend service"
	ForwardingRule Kind = "forwarding rule"
	ResourcePolicy Kind = "resource policy" // a schedule of snapshots
)

// Kinds that hakube never makes: they use what it makes, or a cluster's Services
// leave them behind.
const (
	Autoscaler      Kind = "autoscaler"
	Peering         Kind = "network peering"
	Route           Kind = "route"
	TargetPool      Kind = "target pool"
	HTTPHealthCheck Kind = "HTTP health check"
	Snapshot        Kind = "snapshot"
)

// Described is what every object of Compute Engine says of itself.
type Described interface {
	GetId() uint64
	GetName() string
	GetDescription() string
}

// A scope is where objects of a kind are.
type scope int

const (
	acrossProject scope = iota
	acrossRegion
	withinZone
)

// A row is all that hakube knows of one kind: whoever lists, asks for, removes,
// counts or permits objects reads it here, so that a new kind is one row more.
type row struct {
	kind    Kind
	scope   scope
	noun    string // gcloud compute's words for it
	segment string // the collection in URLs
	renamed string // the setting by which one of ours would have another name; "" is KUBE_GCE_INSTANCE_PREFIX

	Takes        []string // quotas, by Google's name, that one of it counts in; disks and instances count by their sizes
	ToMake, ToGo []string // permissions that it takes, without "compute."; as Compute Engine's reference lists them with each method

	calls
}

// calls are those about the kind's objects. A kind without is read by nobody: what
// a list of another kind says of it is all there is.
type calls struct {
	// List tells f of all in the project, or of a regional kind in the client's region.
	List func(ctx context.Context, c *gce.Client, f *Collector) error
	Read func(ctx context.Context, c *gce.Client, o Object) (Described, error)
	// Remove deletes the object without looking whose it is.
	Remove func(ctx context.Context, c *gce.Client, o Object) error
	// note keeps what the inventory wants to know of one that was read, and what it
	// uses; nil is nothing beyond its name.
	note func(f *Collector, c *gce.Client, o *Object, x Described)
}

// rows is THE table of kinds. What may be granted on another resource than the
// project (to act as a service account) is not among the permissions.
// (https://cloud.google.com/compute/docs/access/iam-permissions)
func rows() []row {
	return []row{
		{
			kind: Network, noun: "networks", segment: "networks", renamed: "KUBE_GCE_NETWORK",
			Takes: []string{"NETWORKS"}, ToMake: []string{"networks.create"}, ToGo: []string{"networks.delete"},
			calls: callsOf(Network, func(c *gce.Client, _ Object) gce.Networks { return c.Networks() }, func(c *gce.Client) lister[*computepb.Network] { return c.Networks().List }, noteNetwork),
		},
		{
			kind: Subnetwork, scope: acrossRegion, noun: "networks subnets", segment: "subnetworks", renamed: "KUBE_GCE_IP_ALIAS_SUBNETWORK",
			Takes: []string{"SUBNETWORKS"}, ToMake: []string{"subnetworks.create", "networks.updatePolicy"}, ToGo: []string{"subnetworks.delete"},
			calls: callsOf(Subnetwork, func(c *gce.Client, _ Object) gce.Subnetworks { return c.Subnetworks() }, func(c *gce.Client) lister[*computepb.Subnetwork] { return c.Subnetworks().List }, nil),
		},
		{
			kind: Firewall, noun: "firewall-rules", segment: "firewalls",
			Takes: []string{"FIREWALLS"}, ToMake: []string{"firewalls.create", "networks.updatePolicy"}, ToGo: []string{"firewalls.delete", "networks.updatePolicy"},
			calls: callsOf(Firewall, func(c *gce.Client, _ Object) gce.Firewalls { return c.Firewalls() }, func(c *gce.Client) lister[*computepb.Firewall] { return c.Firewalls().List }, nil),
		},
		{
			kind: Address, scope: acrossRegion, noun: "addresses", segment: "addresses",
			Takes: []string{"STATIC_ADDRESSES"}, ToMake: []string{"addresses.create", "addresses.setLabels"}, ToGo: []string{"addresses.delete"},
			calls: callsOf(Address, func(c *gce.Client, _ Object) gce.Addresses { return c.Addresses() }, func(c *gce.Client) lister[*computepb.Address] { return c.Addresses().List }, noteAddress),
		},
		{
			kind: Disk, scope: withinZone, noun: "disks", segment: "disks",
			ToMake: []string{"disks.create", "disks.setLabels"}, ToGo: []string{"disks.delete"},
			calls: callsOf(Disk, func(c *gce.Client, o Object) gce.Disks { return c.Disks(o.Zone) }, func(c *gce.Client) lister[*computepb.Disk] { return c.AggregatedDisks }, noteDisk),
		},
		{
			kind: Instance, scope: withinZone, noun: "instances", segment: "instances",
			ToMake: []string{"instances.create", "instances.setLabels", "instances.setMetadata", "instances.setServiceAccount", "instances.setTags",
				"disks.create", "disks.use", "subnetworks.use", "subnetworks.useExternalIp", "addresses.use"},
			ToGo:  []string{"instances.delete"},
			calls: callsOf(Instance, func(c *gce.Client, o Object) gce.Instances { return c.Instances(o.Zone) }, func(c *gce.Client) lister[*computepb.Instance] { return c.AggregatedInstances }, noteInstance),
		},
		{
			kind: InstanceTemplate, noun: "instance-templates", segment: "instanceTemplates", renamed: "NODE_INSTANCE_PREFIX",
			Takes: []string{"INSTANCE_TEMPLATES"}, ToMake: []string{"instanceTemplates.create"}, ToGo: []string{"instanceTemplates.delete"},
			calls: callsOf(InstanceTemplate, func(c *gce.Client, _ Object) gce.InstanceTemplates { return c.InstanceTemplates() }, func(c *gce.Client) lister[*computepb.InstanceTemplate] { return c.InstanceTemplates().List }, noteTemplate),
		},
		{
			kind: ManagedGroup, scope: withinZone, noun: "instance-groups managed", segment: "instanceGroupManagers", renamed: "NODE_INSTANCE_PREFIX",
			Takes:  []string{"INSTANCE_GROUPS", "INSTANCE_GROUP_MANAGERS"},
			ToMake: []string{"instanceGroupManagers.create", "instanceTemplates.useReadOnly", "instances.create"}, ToGo: []string{"instanceGroupManagers.delete"},
			calls: callsOf(ManagedGroup, func(c *gce.Client, o Object) gce.InstanceGroupManagers { return c.InstanceGroupManagers(o.Zone) }, func(c *gce.Client) lister[*computepb.InstanceGroupManager] {
				return c.AggregatedInstanceGroupManagers
			}, noteGroup),
		},
		{
			kind: OwnTemplate, noun: "instance-templates", segment: "instanceTemplates",
			Takes: []string{"INSTANCE_TEMPLATES"}, ToMake: []string{"instanceTemplates.create"}, ToGo: []string{"instanceTemplates.delete"},
			calls: listedAs(InstanceTemplate),
		},
		{
			kind: OwnGroup, scope: withinZone, noun: "instance-groups managed", segment: "instanceGroupManagers",
			Takes: []string{"INSTANCE_GROUPS", "INSTANCE_GROUP_MANAGERS", "STATIC_ADDRESSES", "INTERNAL_ADDRESSES"}, // it reserves both addresses of its machine
			ToMake: []string{"instanceGroupManagers.create", "instanceGroupManagers.update", "instanceTemplates.useReadOnly", "instances.create", "instances.delete", "instances.setMetadata",
				"disks.use", "addresses.create", "addresses.createInternal", "addresses.use", "addresses.useInternal", "instanceGroups.use", "regionBackendServices.update"},
			ToGo:  []string{"instanceGroupManagers.delete", "instanceGroupManagers.update", "regionBackendServices.update"},
			calls: listedAs(ManagedGroup),
		},
		{
			kind: InstanceGroup, scope: withinZone, noun: "instance-groups", segment: "instanceGroups",
			Takes: []string{"INSTANCE_GROUPS"}, ToMake: []string{"instanceGroups.create", "instanceGroups.update", "instances.use"}, ToGo: []string{"instanceGroups.delete"},
			calls: callsOf(InstanceGroup, func(c *gce.Client, o Object) gce.InstanceGroups { return c.InstanceGroups(o.Zone) }, func(c *gce.Client) lister[*computepb.InstanceGroup] { return c.AggregatedInstanceGroups }, noteMasterGroup),
		},
		{
			kind: HealthCheck, scope: acrossRegion, noun: "health-checks", segment: "healthChecks",
			Takes: []string{"HEALTH_CHECKS"}, ToMake: []string{"regionHealthChecks.create"}, ToGo: []string{"regionHealthChecks.delete"},
			calls: callsOf(HealthCheck, healthChecks, func(c *gce.Client) lister[*computepb.HealthCheck] { return c.HealthChecks().List }, nil),
		},
		{
			kind: BackendService, scope: acrossRegion, noun: "backend-services", segment: "backendServices",
			Takes:  []string{"BACKEND_SERVICES"},
			ToMake: []string{"regionBackendServices.create", "regionHealthChecks.useReadOnly", "instanceGroups.use"}, ToGo: []string{"regionBackendServices.delete"},
			calls: callsOf(BackendService, func(c *gce.Client, _ Object) gce.BackendServices { return c.BackendServices() }, func(c *gce.Client) lister[*computepb.BackendService] { return c.BackendServices().List }, noteService),
		},
		{
			kind: ForwardingRule, scope: acrossRegion, noun: "forwarding-rules", segment: "forwardingRules",
			Takes: []string{"FORWARDING_RULES", "IN_USE_ADDRESSES"}, // the master it had the address from takes another one
			ToMake: []string{"forwardingRules.create", "forwardingRules.setLabels", "regionBackendServices.use", "addresses.use",
				"instances.addAccessConfig", "instances.deleteAccessConfig"}, ToGo: []string{"forwardingRules.delete"},
			calls: callsOf(ForwardingRule, func(c *gce.Client, _ Object) gce.ForwardingRules { return c.ForwardingRules() }, func(c *gce.Client) lister[*computepb.ForwardingRule] { return c.ForwardingRules().List }, noteRule),
		},
		{
			kind: ResourcePolicy, scope: acrossRegion, noun: "resource-policies", segment: "resourcePolicies",
			Takes: []string{"RESOURCE_POLICIES"}, ToMake: []string{"resourcePolicies.create", "resourcePolicies.use", "disks.addResourcePolicies"}, ToGo: []string{"resourcePolicies.delete"},
			calls: callsOf(ResourcePolicy, func(c *gce.Client, _ Object) gce.ResourcePolicies { return c.ResourcePolicies() }, func(c *gce.Client) lister[*computepb.ResourcePolicy] { return c.ResourcePolicies().List }, notePolicy),
		},
		{kind: Route, noun: "routes", segment: "routes",
			calls: callsOf(Route, func(c *gce.Client, _ Object) gce.Routes { return c.Routes() }, func(c *gce.Client) lister[*computepb.Route] { return c.Routes().List }, nil)},
		{kind: TargetPool, scope: acrossRegion, noun: "target-pools", segment: "targetPools",
			calls: callsOf(TargetPool, func(c *gce.Client, _ Object) gce.TargetPools { return c.TargetPools() }, func(c *gce.Client) lister[*computepb.TargetPool] { return c.AggregatedTargetPools }, nil)},
		{kind: HTTPHealthCheck, noun: "http-health-checks", segment: "httpHealthChecks",
			calls: callsOf(HTTPHealthCheck, func(c *gce.Client, _ Object) gce.HTTPHealthChecks { return c.HTTPHealthChecks() }, func(c *gce.Client) lister[*gce.HTTPHealthCheck] { return c.HTTPHealthChecks().List }, nil)},
		{kind: Snapshot, noun: "snapshots", segment: "snapshots",
			calls: callsOf(Snapshot, func(c *gce.Client, _ Object) gce.Snapshots { return c.Snapshots() }, func(c *gce.Client) lister[*computepb.Snapshot] { return c.Snapshots().List }, nil)},
		{kind: Autoscaler, scope: withinZone, segment: "autoscalers"},
		{kind: Peering},
	}
}

// listedAs are the calls of a kind that is on the list of another one.
func listedAs(k Kind) calls {
	return calls{
		Read:   func(ctx context.Context, c *gce.Client, o Object) (Described, error) { return k.Row().Read(ctx, c, o) },
		Remove: func(ctx context.Context, c *gce.Client, o Object) error { return k.Row().Remove(ctx, c, o) },
		note:   func(f *Collector, c *gce.Client, o *Object, x Described) { k.Row().note(f, c, o, x) },
	}
}

// healthChecks are those of the region, or global ones, which Services leave.
func healthChecks(c *gce.Client, o Object) accessor[*computepb.HealthCheck] {
	if o.Region == "" {
		return c.GlobalHealthChecks()
	}
	return c.HealthChecks()
}

// table is made when it is first asked, since its rows read it themselves.
var (
	tableOnce sync.Once
	tableRows []row
)

func table() []row {
	tableOnce.Do(func() { tableRows = rows() })
	return tableRows
}

// Row is what is known of the kind; the zero value of one that is not in the table.
func (k Kind) Row() row {
	if i := slices.IndexFunc(table(), func(r row) bool { return r.kind == k }); i >= 0 {
		return table()[i]
	}
	return row{}
}

// An accessor is what package gce offers of a kind.
type accessor[T any] interface {
	Get(ctx context.Context, name string) (T, error)
	Delete(ctx context.Context, name string) error
}

type lister[T any] func(context.Context) ([]T, error)

// callsOf are a kind's calls by its collection and its list.
func callsOf[T Described, C accessor[T]](k Kind, in func(*gce.Client, Object) C, all func(*gce.Client) lister[T], note func(*Collector, *gce.Client, *Object, T)) calls {
	c := calls{
		Read: func(ctx context.Context, c *gce.Client, o Object) (Described, error) {
			return in(c, o).Get(ctx, o.Name)
		},
		Remove: func(ctx context.Context, c *gce.Client, o Object) error { return in(c, o).Delete(ctx, o.Name) },
		List: func(ctx context.Context, c *gce.Client, f *Collector) error {
			list, err := all(c)(ctx)
			took := make([]Described, len(list))
			for i, x := range list {
				took[i] = x
				f.Take(c, Object{Kind: k, Name: x.GetName(), Zone: ZoneOf(x), Region: RegionOf(x)}, x)
			}
			if err == nil {
				f.tookAll(k, took)
			}
			return err
		},
	}
	if note != nil {
		c.note = func(f *Collector, c *gce.Client, o *Object, x Described) { note(f, c, o, x.(T)) }
	}
	return c
}

// ZoneOf is an object's zone, "" if it is in none.
func ZoneOf(x any) string {
	if z, ok := x.(interface{ GetZone() string }); ok {
		return gce.Base(z.GetZone())
	}
	return ""
}

// RegionOf is an object's region, "" if it is in none or its zone alone tells.
func RegionOf(x any) string {
	if r, ok := x.(interface{ GetRegion() string }); ok {
		return gce.Base(r.GetRegion())
	}
	return ""
}
