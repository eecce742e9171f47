package cluster

import (
	"cmp"
	"context"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/scripts"
)

// Lists may be behind by a moment: what was just made is not on them yet, and
// what was just deleted still is. Before something is concluded from a list
// that a person would have to put right, the objects themselves are asked.

// ask reads one object by its name; it is the zero value when there is none,
// and when it does not carry our mark.
func (r *run) ask(ctx context.Context, o object) (object, error) {
	if (o.kind == kindGroup || o.kind == kindMasterGroup) && o.zone == "" {
		return o, nil // a regional one, which hakube never makes
	}
	f := &found{mark: r.want.Mark}
	client, err := r.clientFor(ctx, cmp.Or(o.region, r.region()))
	if err != nil {
		return object{}, err
	}
	var x interface{ GetDescription() string }
	switch o.kind {
	case kindInstance:
		var i *computepb.Instance
		if i, err = client.Instances(o.zone).Get(ctx, o.name); err == nil {
			o = instanceOf(i)
			if r.owns(i.GetDescription()) {
				r.saw.instance(i)
			}
		}
		x = i
	case kindDisk:
		var d *computepb.Disk
		if d, err = client.Disks(o.zone).Get(ctx, o.name); err == nil && r.owns(d.GetDescription()) {
			r.saw.disk(d)
		}
		o.used = len(d.GetUsers()) > 0
		x = d
	case kindGroup:
		var g *computepb.InstanceGroupManager
		g, err = client.InstanceGroupManagers(o.zone).Get(ctx, o.name)
		o.size, o.most = int(g.GetTargetSize()), settings.MarkFields(g.GetDescription())[mostKey]
		x = g
	case kindMasterGroup:
		x, err = client.InstanceGroups(o.zone).Get(ctx, o.name)
	case kindNetwork:
		x, err = client.Networks().Get(ctx, o.name)
	case kindSubnetwork:
		x, err = client.Subnetworks().Get(ctx, o.name)
	case kindFirewall:
		x, err = client.Firewalls().Get(ctx, o.name)
	case kindAddress:
		var a *computepb.Address
		if a, err = client.Addresses().Get(ctx, o.name); err == nil && r.owns(a.GetDescription()) {
			r.lease.Observe(client.Addresses(), a)
		}
		x = a
	case kindTemplate:
		x, err = client.InstanceTemplates().Get(ctx, o.name)
	case kindHealthCheck:
		x, err = client.HealthChecks().Get(ctx, o.name)
	case kindService:
		x, err = client.BackendServices().Get(ctx, o.name)
	case kindRule:
		x, err = client.ForwardingRules().Get(ctx, o.name)
	default: // somebody else's kind: the list is all there is
		return o, nil
	}
	if gce.IsNotFound(err) {
		return object{}, nil
	}
	if err != nil {
		return object{}, err
	}
	f.add(o, x.GetDescription())
	if len(f.list) == 0 {
		return object{}, nil
	}
	return f.list[0], nil
}

// asked asks for all of them at the same time and returns those there are.
func (r *run) asked(ctx context.Context, list []object) ([]object, error) {
	there, reads := make([]object, len(list)), make([]func() error, len(list))
	atOnce := make(chan struct{}, 16)
	for i, o := range list {
		reads[i] = func() (err error) {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			there[i], err = r.ask(ctx, o)
			return err
		}
	}
	err := together(reads...)
	return slices.DeleteFunc(there, func(o object) bool { return o.name == "" }), err
}

// unlisted adds to what was found those of the objects that no list showed.
func (r *run) unlisted(ctx context.Context, v *inventory, list ...object) error {
	list = slices.DeleteFunc(list, v.has)
	more, err := r.asked(ctx, list)
	v.objects = sorted(append(v.objects, more...))
	return err
}

// sureOfMasters asks each master and its disk whether it is there, and for the
// one that has the address, which the address knows at once: where the cluster
// lives and whom to ask about it follows from them.
func (r *run) sureOfMasters(ctx context.Context, v *inventory) error {
	var masters []object
	if h := v.held; h.machine != "" {
		masters = append(masters, object{kind: kindInstance, name: h.machine, zone: h.zone})
	}
	v.objects = slices.DeleteFunc(v.objects, func(o object) bool {
		is := o.role == roleMaster || o.role == roleMasterDisk
		if is && (o.kind != kindInstance || o.name != v.held.machine || o.zone != v.held.zone) {
			masters = append(masters, o)
		}
		return is
	})
	return r.unlisted(ctx, v, masters...)
}

// named are the objects that a cluster has under the settings, whatever its
// size: those of the zone only if one is set.
func (r *run) named() (list []object) {
	n, s := r.want.Names, r.want.Settings
	if s.DeleteNetwork {
		list = append(list, object{kind: kindNetwork, name: n.Network()})
	}
	for _, w := range firewallRules(&r.want) {
		if bool(s.DeleteNetwork) || !w.shared {
			list = append(list, object{kind: kindFirewall, name: w.name})
		}
	}
	list = append(list, object{kind: kindTemplate, name: n.Template()})
	if r.region() != "" {
		list = append(list, r.regional(kindSubnetwork, n.Subnetwork()), r.regional(kindAddress, n.Address()),
			r.regional(kindHealthCheck, n.HealthCheck()), r.regional(kindService, n.BackendService()), r.regional(kindRule, n.ForwardingRule()))
	}
	if zone := r.want.Zone; zone != "" {
		list = append(list, object{kind: kindInstance, name: n.Master(), zone: zone}, object{kind: kindDisk, name: n.MasterDisk(), zone: zone},
			object{kind: kindGroup, name: n.Group(0), zone: zone}, object{kind: kindMasterGroup, name: n.MasterGroup(), zone: zone})
	}
	return list
}

// instanceOf is a machine as the inventory keeps it.
func instanceOf(x *computepb.Instance) object {
	o := object{
		kind: kindInstance, name: x.GetName(), zone: gce.Base(x.GetZone()),
		clusterName: item(x.GetMetadata(), scripts.KeyClusterName), status: x.GetStatus(),
		machineType: gce.Base(x.GetMachineType()), protected: x.GetDeletionProtection(),
		sshKeys: item(x.GetMetadata(), scripts.KeySSHKeys),
	}
	for _, i := range x.GetMetadata().GetItems() {
		o.metadata += len(i.GetKey()) + len(i.GetValue())
	}
	if nics := x.GetNetworkInterfaces(); len(nics) > 0 {
		o.network, o.subnetwork = gce.Base(nics[0].GetNetwork()), gce.Base(nics[0].GetSubnetwork())
		o.internal, o.external = nics[0].GetNetworkIP(), externalOf(x)
	}
	return o
}

// really runs a judgement of what was found again over what is really there,
// if it is a refusal: a list may have misled it.
func (r *run) really(ctx context.Context, v *inventory, judge func() error) error {
	refused := judge()
	if refused == nil {
		return nil
	}
	there, err := r.asked(ctx, v.objects)
	if err != nil {
		return err
	}
	v.objects = there
	return judge()
}
