package inventory

import (
	"cmp"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/scripts"
)

// What the inventory keeps of an object beyond its name and its place.

func noteInstance(f *Collector, _ *gce.Client, o *Object, x *computepb.Instance) {
	*o = InstanceOf(x)
	if f.Mark.Owns(x.GetDescription()) {
		f.seen.instance(x)
	}
	for _, nic := range x.GetNetworkInterfaces() {
		f.uses(*o, x.GetDescription(), nic.GetNetwork(), nic.GetSubnetwork())
		for _, c := range nic.GetAccessConfigs() {
			f.external(c.GetNatIP(), []string{"--access-config-name=" + c.GetName(), "--network-interface=" + nic.GetName()})
		}
	}
}

// external notes what an external address is taken from a machine by. Whoever made
// the machine named it: Google's page otherwise than gcloud, which tries its own name.
func (f *Collector) external(ip string, flags []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.AccessConfigs == nil {
		f.AccessConfigs = map[string][]string{}
	}
	f.AccessConfigs[ip] = flags
}

// OfGroups are the keys of metadata that Compute Engine writes of a machine that a group
// makes: the template first.
var OfGroups = []string{"instance-template", "created-by"}

// InstanceOf is a machine as the inventory keeps it.
func InstanceOf(x *computepb.Instance) Object {
	o := Object{
		Kind: Instance, Name: x.GetName(), Zone: gce.Base(x.GetZone()),
		clusterName: MetadataItem(x.GetMetadata(), scripts.KeyClusterName), Status: x.GetStatus(),
		MachineType: gce.Base(x.GetMachineType()), Protected: x.GetDeletionProtection(),
		SSHKeys:   MetadataItem(x.GetMetadata(), scripts.KeySSHKeys),
		Authority: MetadataItem(x.GetMetadata(), scripts.KeyCAHash),
		Template:  gce.Base(MetadataItem(x.GetMetadata(), OfGroups[0])),
	}
	for _, i := range x.GetMetadata().GetItems() {
		o.Metadata += len(i.GetKey()) + len(i.GetValue())
	}
	if nics := x.GetNetworkInterfaces(); len(nics) > 0 {
		o.Network, o.Subnetwork = gce.Base(nics[0].GetNetwork()), gce.Base(nics[0].GetSubnetwork())
		o.internal, o.External = nics[0].GetNetworkIP(), ExternalOf(x)
	}
	return o
}

// Filled tells whether something may be on a disk: it was on a machine, or was made of a copy.
func Filled(x *computepb.Disk) bool {
	return x.GetLastAttachTimestamp()+x.GetSourceSnapshot()+x.GetSourceImage()+x.GetSourceDisk() != "" || len(x.GetUsers()) > 0
}

func noteDisk(f *Collector, _ *gce.Client, o *Object, x *computepb.Disk) {
	o.used, o.Filled = len(x.GetUsers()) > 0, Filled(x)
	if f.Mark.Owns(x.GetDescription()) {
		f.seen.disk(x)
	}
	f.usedBy(*o, x.GetUsers())
}

// MostKey is the field in a group's mark that records MAX_INSTANCES_PER_MIG.
const MostKey = "most"

// DoNothing is what a group is told that is to leave its machine alone.
const DoNothing = "DO_NOTHING"

// noteGroup also notes a managed group's template, and who changes its size.
func noteGroup(f *Collector, _ *gce.Client, o *Object, x *computepb.InstanceGroupManager) {
	o.Size, o.Most = int(x.GetTargetSize()), settings.MarkFields(x.GetDescription())[MostKey]
	o.Template = gce.Base(x.GetInstanceTemplate())
	if settings.MarkFields(x.GetDescription())["role"] == RoleOwnGroup {
		o.Kind, o.Idle = OwnGroup, x.GetInstanceLifecyclePolicy().GetDefaultActionOnFailure() == DoNothing
	}
	f.uses(*o, x.GetDescription(), x.GetInstanceTemplate())
	for _, v := range x.GetVersions() {
		f.uses(*o, x.GetDescription(), v.GetInstanceTemplate())
	}
	if a := x.GetStatus().GetAutoscaler(); a != "" {
		f.usedBy(*o, []string{a})
	}
}

// noteMasterGroup is for groups that are not managed; those of managed ones have no
// description of ours.
func noteMasterGroup(f *Collector, _ *gce.Client, o *Object, x *computepb.InstanceGroup) {
	o.Size = int(x.GetSize())
	f.uses(*o, x.GetDescription(), x.GetNetwork())
}

func noteNetwork(f *Collector, _ *gce.Client, o *Object, x *computepb.Network) {
	f.usedBy(*o, x.GetSubnetworks())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Networks = append(f.Networks, x)
	for _, p := range x.GetPeerings() {
		f.Used = append(f.Used, Use{By: Object{Kind: Peering, Name: p.GetName()}, Of: o.Id()})
	}
}

func noteTemplate(f *Collector, _ *gce.Client, o *Object, x *computepb.InstanceTemplate) {
	switch {
	case settings.MarkFields(x.GetDescription())["role"] == RoleOwnTemplate:
		o.Kind = OwnTemplate
	case f.Mark.Owns(x.GetDescription()):
		f.seen.listedTemplate(x)
	}
	for _, nic := range x.GetProperties().GetNetworkInterfaces() {
		f.uses(*o, x.GetDescription(), nic.GetNetwork(), nic.GetSubnetwork())
	}
}

func noteAddress(f *Collector, c *gce.Client, o *Object, x *computepb.Address) {
	f.usedBy(*o, x.GetUsers())
	f.uses(*o, x.GetDescription(), x.GetNetwork(), x.GetSubnetwork())
	if f.Reserved != nil && f.Mark.Owns(x.GetDescription()) {
		f.Reserved(c, x)
	}
}

func noteService(f *Collector, _ *gce.Client, o *Object, x *computepb.BackendService) {
	for _, b := range x.GetBackends() {
		f.uses(*o, x.GetDescription(), b.GetGroup())
	}
	f.uses(*o, x.GetDescription(), x.GetHealthChecks()...)
}

func noteRule(f *Collector, _ *gce.Client, o *Object, x *computepb.ForwardingRule) {
	f.uses(*o, x.GetDescription(), x.GetBackendService(), x.GetTarget(), x.GetNetwork(), x.GetSubnetwork())
}

func notePolicy(_ *Collector, _ *gce.Client, o *Object, x *computepb.ResourcePolicy) {
	o.Schedule = ScheduleOf(x)
}

// ScheduleOf is how often a schedule has snapshots made, "" if not as hakube makes one.
func ScheduleOf(x *computepb.ResourcePolicy) settings.DiskSnapshots {
	p := x.GetSnapshotSchedulePolicy()
	often, schedule := settings.NoSnapshots, p.GetSchedule()
	switch {
	case schedule.GetHourlySchedule().GetHoursInCycle() == 1:
		often = settings.Hourly
	case schedule.GetDailySchedule().GetDaysInCycle() == 1:
		often = settings.Daily
	}
	if !often.On() || p.GetRetentionPolicy().GetMaxRetentionDays() != often.Days() {
		return ""
	}
	return often
}

// MetadataItem is the value of a metadata item, "" when there is none.
func MetadataItem(m *computepb.Metadata, key string) string {
	for _, i := range m.GetItems() {
		if i.GetKey() == key {
			return i.GetValue()
		}
	}
	return ""
}

// Switched is a metadata item that is true or false. A machine that was made before
// there was the key is as one that has false.
func Switched(m *computepb.Metadata, key string) string {
	return cmp.Or(MetadataItem(m, key), "false")
}
