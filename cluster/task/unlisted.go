package task

import (
	"hakube/cluster/env"
	"hakube/cluster/inventory"
)

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
			inventory.Object{Kind: inventory.ManagedGroup, Name: n.Group(0), Zone: zone}, inventory.Object{Kind: inventory.InstanceGroup, Name: n.MasterGroup(), Zone: zone})
	}
	return list
}
