package cluster

import (
	"maps"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/scripts"
)

// metadataOf is what a machine reads about itself when it boots. There is no
// private key in it, and never may be: every process on the machine can read it.
func metadataOf(s *spec, role, address string, more map[string]string) *computepb.Metadata {
	set := s.settings
	items := map[string]string{
		scripts.KeyGuestAttributes: "TRUE",
		scripts.KeySSHKeys:         s.login,
		scripts.KeyStartupScript:   scripts.Startup(),
		scripts.KeyClusterName:     s.names.Cluster,
		scripts.KeyClusterLocation: s.home,
		scripts.KeyRole:            role,
		scripts.KeyCluster:         s.project + "/" + s.names.Prefix,
		scripts.KeyAddress:         address,
		scripts.KeyKubeVersion:     string(set.KubeVersion),
		scripts.KeyPodRange:        set.ClusterRange.String(),
		scripts.KeyServiceRange:    set.ServiceRange.String(),
		scripts.KeyDNSIP:           set.DNSAddress().String(),
		scripts.KeyDNSDomain:       string(set.DNSDomain),
	}
	if s.mirror != "" {
		items[scripts.KeyMirror] = s.mirror
	}
	maps.Copy(items, more)
	m := &computepb.Metadata{}
	for _, k := range slices.Sorted(maps.Keys(items)) {
		m.Items = append(m.Items, &computepb.Items{Key: &k, Value: new(items[k])})
	}
	return m
}

// item is the value of a metadata item, "" when there is none.
func item(m *computepb.Metadata, key string) string {
	for _, i := range m.GetItems() {
		if i.GetKey() == key {
			return i.GetValue()
		}
	}
	return ""
}

// set changes a metadata item, or adds it.
func set(m *computepb.Metadata, key, value string) {
	for _, i := range m.GetItems() {
		if i.GetKey() == key {
			i.Value = &value
			return
		}
	}
	m.Items = append(m.Items, &computepb.Items{Key: &key, Value: &value})
}

// interfaces is a machine's interface: in our subnetwork, a range of pods' addresses
// as an alias, and an external address, an ephemeral one if natIP is "".
func interfaces(s *spec, region, natIP string) []*computepb.NetworkInterface {
	external := &computepb.AccessConfig{Name: new("External NAT"), Type: new("ONE_TO_ONE_NAT")}
	if natIP != "" {
		external.NatIP = &natIP
	}
	return []*computepb.NetworkInterface{{
		Network:       new(s.global("networks", s.names.Network())),
		Subnetwork:    new(s.regional(region, "subnetworks", s.names.Subnetwork())),
		AccessConfigs: []*computepb.AccessConfig{external},
		AliasIpRanges: []*computepb.AliasIpRange{{IpCidrRange: new(aliasLength), SubnetworkRangeName: new(PodsRange)}},
	}}
}

// aliasLength asks for any free range of machineBits.
const aliasLength = "/24"

// bootDiskOf is a machine's own disk, which goes with it.
func bootDiskOf(s *spec, image string, size Size, diskType Name) *computepb.AttachedDisk {
	p := &computepb.AttachedDiskInitializeParams{
		SourceImage: &image,
		DiskSizeGb:  new(int64(size)),
		Description: new(s.mark.For(roleBootDisk)),
		Labels:      s.labels(),
	}
	if diskType != "" {
		p.DiskType = new(string(diskType))
	}
	return &computepb.AttachedDisk{Boot: new(true), AutoDelete: new(true), InitializeParams: p}
}

// scheduling is what happens to a machine when its host does not go on.
func scheduling(preemptible Bool) *computepb.Scheduling {
	if preemptible { // such a machine can neither move nor be restarted
		return &computepb.Scheduling{
			Preemptible: new(true), AutomaticRestart: new(false), OnHostMaintenance: new("TERMINATE"),
		}
	}
	return &computepb.Scheduling{AutomaticRestart: new(true), OnHostMaintenance: new("MIGRATE")}
}
