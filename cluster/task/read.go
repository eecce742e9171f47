package task

import (
	"context"
	"errors"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/gce"
)

// Look reads where the cluster lives and who has its address, in five calls at
// the same time.
func (r *Task) Look(ctx context.Context) (*inventory.Inventory, error) {
	v := &inventory.Inventory{}
	f := r.Collector()
	reads := r.Lists(ctx, f, inventory.Instance, inventory.Disk, inventory.ManagedGroup, inventory.Network)
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
