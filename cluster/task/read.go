package task

import (
	"context"
	"errors"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/gce"
)

// Look reads where the cluster lives and who has its address, in five or six calls at
// the same time.
func (r *Task) Look(ctx context.Context) (*inventory.Inventory, error) {
	v := &inventory.Inventory{}
	f := r.Collector()
	reads := r.Lists(ctx, f, inventory.Instance, inventory.Disk, inventory.ManagedGroup, inventory.Network)
	if r.Mode.Nodes || r.Mode.Templates || !r.Mode.Masters {
		reads = append(reads, r.Lists(ctx, f, inventory.InstanceTemplate)...)
	}
	if r.GCE.Region() != "" {
		reads = append(reads, func() (err error) {
			v.Holder, err = r.Holder(ctx)
			var no *refusal.Refused
			if r.Mode.Whole && !r.Mode.Removes && errors.As(err, &no) {
				return nil // told with all the other names that are taken
			}
			return err
		})
	}
	err := gce.Parallel(reads...)
	r.Seen.Networks, r.Seen.Lists = f.Networks, f
	v.Objects, v.Uses, v.AccessConfigs = inventory.Sorted(f.List), f.Used, f.AccessConfigs
	if err == nil {
		err = r.Lease.CheckFree()
	}
	if err == nil {
		err = r.ConfirmMasters(ctx, v)
	}
	r.Learn(v)
	return v, err
}

// Learn has what was found of the cluster count where nothing is set.
func (r *Task) Learn(v *inventory.Inventory) {
	r.Want = r.AsItIs(v)
	for _, n := range r.Seen.Networks {
		if n.GetName() == r.Want.Names.Network() {
			v.SubnetRegion = inventory.RegionOfSubnetwork(n.GetSubnetworks(), r.Want.Names.Subnetwork())
		}
	}
}

// LookForMarks reads everything in the project that carries our mark, but for
// what the settings say to leave.
func (r *Task) LookForMarks(ctx context.Context) (*inventory.Inventory, error) {
	v := &inventory.Inventory{}
	f := r.Collector()
	f.Reserved = func(client *gce.Client, a *computepb.Address) {
		if a.GetName() == r.Want.Names.Address() {
			r.Lease.Observe(client.Ungated().Addresses(), a)
			v.Holder = inventory.HolderOf(a)
		}
	}
	err := gce.Parallel(r.Lists(ctx, f, slices.Concat(
		[]inventory.Kind{inventory.Instance, inventory.Disk, inventory.ManagedGroup, inventory.Network, inventory.InstanceGroup, inventory.Firewall, inventory.InstanceTemplate}, inventory.RegionalKinds)...)...)
	r.Seen.Networks, r.Seen.Lists = f.Networks, f
	if err == nil {
		err = r.Lease.CheckFree()
	}
	v.Uses, v.AccessConfigs = f.Used, f.AccessConfigs
	for _, o := range inventory.Sorted(f.List) {
		if !bool(r.Want.Settings.DeleteNetwork) && (o.Role == inventory.RoleNetwork || o.Role == inventory.RoleSSH) {
			continue
		}
		v.Objects = append(v.Objects, o)
	}
	r.Learn(v)
	return v, err
}

// NamedObjects are the objects that a cluster has under the settings, whatever its
// size: those of the zone only if one is set.
func NamedObjects(r *env.Env) (list []inventory.Object) {
	n, s := r.Want.Names, r.Want.Settings
	if s.DeleteNetwork {
		list = append(list, inventory.Object{Kind: inventory.Network, Name: n.Network()})
	}
	for _, w := range FirewallRules(&r.Want) {
		if bool(s.DeleteNetwork) || !w.Shared {
			list = append(list, inventory.Object{Kind: inventory.Firewall, Name: w.Name})
		}
	}
	list = append(list, inventory.Object{Kind: inventory.InstanceTemplate, Name: n.Template()})
	if r.Region() != "" {
		list = append(list, r.Regional(inventory.Subnetwork, n.Subnetwork()), r.Regional(inventory.Address, n.Address()),
			r.Regional(inventory.HealthCheck, n.HealthCheck()), r.Regional(inventory.BackendService, n.BackendService()), r.Regional(inventory.ForwardingRule, n.ForwardingRule()))
	}
	if zone := r.Want.Zone; zone != "" {
		list = append(list, inventory.Object{Kind: inventory.Instance, Name: n.Master(), Zone: zone}, inventory.Object{Kind: inventory.Disk, Name: n.MasterDisk(), Zone: zone},
			inventory.Object{Kind: inventory.ManagedGroup, Name: n.Group(0), Zone: zone, Pool: n.Pool}, inventory.Object{Kind: inventory.InstanceGroup, Name: n.MasterGroup(), Zone: zone})
	}
	return list
}

// TemplatesOf are those that groups make machines from.
func TemplatesOf(have *inventory.Inventory) (list []inventory.Object) {
	for _, o := range have.Objects {
		if t := (inventory.Object{Kind: inventory.InstanceTemplate, Name: o.Template}); o.Kind == inventory.ManagedGroup && t.Name != "" && !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	return list
}
