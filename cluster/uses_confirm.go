package cluster

import (
	"cmp"
	"context"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/gce"
)

// confirmed leaves of the uses that would refuse a removal those which the objects
// themselves tell of: lists may still show what has just gone, or let go.
func (r *run) confirmed(ctx context.Context, uses []use) ([]use, error) {
	still, reads := make([]bool, len(uses)), make([]func() error, len(uses))
	for i, u := range uses {
		reads[i] = func() (err error) {
			f := &found{mark: r.want.Mark}
			err = r.again(ctx, f, u)
			if gce.IsNotFound(err) {
				return nil
			}
			still[i] = slices.ContainsFunc(f.used, func(x use) bool { return x.by == u.by && x.of == u.of })
			return err
		}
	}
	err := together(reads...)
	var list []use
	for i, u := range uses {
		if still[i] {
			list = append(list, u)
		}
	}
	return list, err
}

// again reads the one of the two objects that tells of a use.
func (r *run) again(ctx context.Context, f *found, u use) error {
	client, err := r.clientFor(ctx, cmp.Or(cmp.Or(u.by.region, u.of.region), r.region()))
	if err != nil {
		return err
	}
	by, of := u.by, u.of
	switch {
	case of.kind == kindDisk:
		return reread(ctx, of.name, client.Disks(of.zone).Get, func(x *computepb.Disk) { f.usedBy(of, x.GetUsers()) })
	case of.kind == kindAddress:
		return reread(ctx, of.name, client.Addresses().Get, func(x *computepb.Address) { f.usesOfAddress(of, x) })
	case of.kind == kindNetwork && (by.kind == kindSubnetwork || by.kind == kindPeering):
		return reread(ctx, of.name, client.Networks().Get, func(x *computepb.Network) { f.usesOfNetwork(of, x) })
	case by.kind == kindAutoscaler:
		return reread(ctx, of.name, client.InstanceGroupManagers(of.zone).Get, func(x *computepb.InstanceGroupManager) { f.usesOfGroup(of, x) })
	case by.kind == kindInstance:
		return reread(ctx, by.name, client.Instances(by.zone).Get, func(x *computepb.Instance) { f.usesOfInstance(by, x) })
	case by.kind == kindGroup && by.zone != "":
		return reread(ctx, by.name, client.InstanceGroupManagers(by.zone).Get, func(x *computepb.InstanceGroupManager) { f.usesOfGroup(by, x) })
	case by.kind == kindMasterGroup && by.zone != "":
		return reread(ctx, by.name, client.InstanceGroups(by.zone).Get, func(x *computepb.InstanceGroup) { f.uses(by, x.GetDescription(), x.GetNetwork()) })
	case by.kind == kindTemplate:
		return reread(ctx, by.name, client.InstanceTemplates().Get, func(x *computepb.InstanceTemplate) { f.usesOfTemplate(by, x) })
	case by.kind == kindAddress && by.region != "":
		return reread(ctx, by.name, client.Addresses().Get, func(x *computepb.Address) { f.usesOfAddress(by, x) })
	case by.kind == kindService && by.region != "":
		return reread(ctx, by.name, client.BackendServices().Get, f.usesOfService)
	case by.kind == kindRule && by.region != "":
		return reread(ctx, by.name, client.ForwardingRules().Get, f.usesOfRule)
	}
	f.used = append(f.used, u) // a global one: the list is all there is
	return nil
}

// reread notes what an object tells now.
func reread[T any](ctx context.Context, name string, get func(context.Context, string) (T, error), note func(T)) error {
	x, err := get(ctx, name)
	if err == nil {
		note(x)
	}
	return err
}
