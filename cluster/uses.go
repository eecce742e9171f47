package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/gce"
	"hakube/scripts/cure"
)

// A use is that an object cannot be removed while another is there: Compute
// Engine refuses with "is already being used by". The lists that a run reads
// anyway tell of most of them.
type use struct {
	by   object
	mine bool // the user carries our mark
	of   object
}

// id is what an object is told from others by.
func (o object) id() object {
	return object{kind: o.kind, name: o.name, zone: o.zone, region: o.region}
}

// Kinds that hakube never makes, and that use what it makes.
const (
	kindAutoscaler kind = "autoscaler"
	kindPeering    kind = "network peering"
)

// kinds by the word in URLs.
var kindOf = map[string]kind{
	"networks": kindNetwork, "subnetworks": kindSubnetwork, "firewalls": kindFirewall, "addresses": kindAddress, "disks": kindDisk,
	"instances": kindInstance, "instanceTemplates": kindTemplate, "instanceGroupManagers": kindGroup, "instanceGroups": kindMasterGroup,
	"healthChecks": kindHealthCheck, "backendServices": kindService, "forwardingRules": kindRule, "targetPools": kindPool, "autoscalers": kindAutoscaler,
}

// objectAt is the object a URL leads to; its kind is "" when hakube knows none.
func objectAt(url string) object {
	parts := strings.Split(url, "/")
	if len(parts) < 3 {
		return object{}
	}
	n := len(parts)
	o := object{kind: kindOf[parts[n-2]], name: parts[n-1]}
	if n >= 4 {
		switch parts[n-4] {
		case "zones":
			o.zone = parts[n-3]
		case "regions":
			o.region = parts[n-3]
		}
	}
	return o
}

// uses notes what an object that was read stands on.
func (f *found) uses(by object, description string, links ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range links {
		if of := objectAt(l); l != "" && of.kind != "" {
			f.used = append(f.used, use{by: by.id(), mine: f.mark.Owns(description), of: of})
		}
	}
}

// usedBy notes those of whom an object says itself that they use it.
func (f *found) usedBy(of object, links []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range links {
		if by := objectAt(l); by.kind != "" {
			f.used = append(f.used, use{by: by, of: of.id()})
		}
	}
}

func (f *found) usesOfInstance(o object, x *computepb.Instance) {
	for _, nic := range x.GetNetworkInterfaces() {
		f.uses(o, x.GetDescription(), nic.GetNetwork(), nic.GetSubnetwork())
		for _, c := range nic.GetAccessConfigs() {
			f.external(c.GetNatIP(), []string{"--access-config-name=" + c.GetName(), "--network-interface=" + nic.GetName()})
		}
	}
}

// external notes what an external address is taken from a machine by. Whoever made
// the machine named it: Google's page otherwise than gcloud, which tries its own name.
func (f *found) external(ip string, flags []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.accessConfigs == nil {
		f.accessConfigs = map[string][]string{}
	}
	f.accessConfigs[ip] = flags
}

// usesOfGroup notes a managed group's template, and who changes its size.
func (f *found) usesOfGroup(o object, x *computepb.InstanceGroupManager) {
	f.uses(o, x.GetDescription(), x.GetInstanceTemplate())
	for _, v := range x.GetVersions() {
		f.uses(o, x.GetDescription(), v.GetInstanceTemplate())
	}
	if a := x.GetStatus().GetAutoscaler(); a != "" {
		f.usedBy(o, []string{a})
	}
}

func (f *found) usesOfNetwork(o object, x *computepb.Network) {
	f.usedBy(o, x.GetSubnetworks())
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range x.GetPeerings() {
		f.used = append(f.used, use{by: object{kind: kindPeering, name: p.GetName()}, of: o.id()})
	}
}

func (f *found) usesOfTemplate(o object, x *computepb.InstanceTemplate) {
	for _, nic := range x.GetProperties().GetNetworkInterfaces() {
		f.uses(o, x.GetDescription(), nic.GetNetwork(), nic.GetSubnetwork())
	}
}

func (f *found) usesOfAddress(o object, x *computepb.Address) {
	f.usedBy(o, x.GetUsers())
	f.uses(o, x.GetDescription(), x.GetNetwork(), x.GetSubnetwork())
}

func (f *found) usesOfService(x *computepb.BackendService) {
	o := object{kind: kindService, name: x.GetName(), region: gce.Base(x.GetRegion())}
	for _, b := range x.GetBackends() {
		f.uses(o, x.GetDescription(), b.GetGroup())
	}
	f.uses(o, x.GetDescription(), x.GetHealthChecks()...)
}

func (f *found) usesOfRule(x *computepb.ForwardingRule) {
	o := object{kind: kindRule, name: x.GetName(), region: gce.Base(x.GetRegion())}
	f.uses(o, x.GetDescription(), x.GetBackendService(), x.GetTarget(), x.GetNetwork(), x.GetSubnetwork())
}

// release is what gcloud compute is told by which a user lets go of what it uses. What has no
// other way to is deleted; that it is somebody's is said beside it.
func (r *run) release(u use) cure.Command {
	if u.by.kind == kindInstance && u.of.kind == kindAddress {
		return cure.Compute(u.words(), r.have.accessConfigs[r.have.held.ip]...)
	}
	if u.by.kind == kindMasterGroup && slices.ContainsFunc(r.have.uses, func(x use) bool {
		return x.by == object{kind: kindGroup, name: u.by.name, zone: u.by.zone, region: u.by.region}
	}) {
		u.by.kind = kindGroup // the group of a managed one goes with that
	}
	return cure.Compute(u.words())
}

func (u use) words() string {
	by, of, place := u.by, u.of, u.by.place()
	switch {
	case by.kind == kindService && (of.kind == kindGroup || of.kind == kindMasterGroup):
		return fmt.Sprintf("backend-services remove-backend %s%s --instance-group=%s --instance-group-zone=%s", by.name, cmp.Or(place, " --global"), of.name, of.zone)
	case by.kind == kindInstance && of.kind == kindDisk:
		return fmt.Sprintf("instances detach-disk %s%s --disk=%s", by.name, place, of.name)
	case by.kind == kindInstance && of.kind == kindAddress:
		return fmt.Sprintf("instances delete-access-config %s%s", by.name, place)
	case by.kind == kindMasterGroup:
		return fmt.Sprintf("instance-groups unmanaged delete %s%s", by.name, place)
	case by.kind == kindAutoscaler:
		return fmt.Sprintf("instance-groups managed stop-autoscaling %s%s", of.name, of.place())
	case by.kind == kindPeering:
		return fmt.Sprintf("networks peerings delete %s --network=%s", by.name, of.name)
	case by.kind == kindService || by.kind == kindRule || by.kind == kindAddress:
		place = cmp.Or(place, " --global")
	}
	return fmt.Sprintf("%s delete %s%s", nouns[by.kind], by.name, place)
}

// place is where an object is, as a flag of gcloud; "" for a global one.
func (o object) place() string {
	switch {
	case o.zone != "":
		return " --zone=" + o.zone
	case o.region != "":
		return " --region=" + o.region
	}
	return ""
}
