package step

import (
	"maps"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/schedule"
	"hakube/cluster/settings"
	"hakube/scripts"
)

// MetadataOf is what a machine reads about itself when it boots. There is no
// private key in it, and never may be: every process on the machine can read it.
func MetadataOf(s *settings.Spec, role, address string, more map[string]string) *computepb.Metadata {
	set := s.Settings
	items := map[string]string{
		scripts.KeyGuestAttributes: "TRUE",
		scripts.KeySSHKeys:         s.Login,
		scripts.KeyOSLogin:         "FALSE",
		scripts.KeyDNS:             "ZonalOnly",
		scripts.KeyStartupScript:   scripts.Startup(),
		scripts.KeyClusterName:     s.Names.Cluster,
		scripts.KeyClusterLocation: s.Home,
		scripts.KeyRole:            role,
		scripts.KeyCluster:         s.ID(),
		scripts.KeyAddress:         address,
		scripts.KeyKubeVersion:     string(set.KubeVersion),
		scripts.KeyPodRange:        set.ClusterRange.String(),
		scripts.KeyServiceRange:    set.ServiceRange.String(),
		scripts.KeyDNSIP:           set.DNSAddress().String(),
		scripts.KeyDNSDomain:       string(set.DNSDomain),
		scripts.KeyReserve:         settings.BoolText(set.Reserve),
		scripts.KeyAuthProvider:    settings.BoolText(set.AuthProvider),
		scripts.KeyProtectKernel:   settings.BoolText(set.ProtectKernel),
	}
	if role == scripts.RoleMaster {
		items[scripts.KeyAudit] = settings.BoolText(set.Audit)
		items[scripts.KeyEncryptSecrets] = settings.BoolText(set.EncryptSecrets)
		items[scripts.KeyPodSecurity] = settings.BoolText(set.PodSecurity)
		items[scripts.KeySignKubelets] = settings.BoolText(set.SignKubelets)
		maps.Copy(items, schedule.Metadata(s))
	}
	if role == scripts.RoleNode {
		items[scripts.KeyGraceful] = settings.BoolText(set.Graceful)
		for key, text := range map[string]string{scripts.KeyNodeLabels: string(set.NodeLabels), scripts.KeyNodeTaints: string(set.NodeTaints), scripts.KeyPool: string(set.Pool), scripts.KeyAccelerator: set.Accelerators.Kind()} {
			if text != "" {
				items[key] = text
			}
		}
	}
	if s.Mirror != "" {
		items[scripts.KeyMirror] = s.Mirror
	}
	maps.Copy(items, more)
	m := &computepb.Metadata{}
	for _, k := range slices.Sorted(maps.Keys(items)) {
		m.Items = append(m.Items, &computepb.Items{Key: &k, Value: new(items[k])})
	}
	return m
}

// Set changes a metadata item, or adds it.
func Set(m *computepb.Metadata, key, value string) {
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
func interfaces(s *settings.Spec, region, natIP string) []*computepb.NetworkInterface {
	external := &computepb.AccessConfig{Name: new("External NAT"), Type: new("ONE_TO_ONE_NAT")}
	if natIP != "" {
		external.NatIP = &natIP
	}
	return []*computepb.NetworkInterface{{
		Network:       new(s.Global("networks", s.Names.Network())),
		Subnetwork:    new(s.Regional(region, "subnetworks", s.Names.Subnetwork())),
		AccessConfigs: []*computepb.AccessConfig{external},
		AliasIpRanges: []*computepb.AliasIpRange{{IpCidrRange: new(aliasLength), SubnetworkRangeName: new(settings.PodsRange)}},
	}}
}

// aliasLength asks for any free range of machineBits.
const aliasLength = "/24"

// bootDiskOf is a machine's own disk, which goes with it.
func bootDiskOf(s *settings.Spec, image string, size settings.Size, diskType settings.Name) *computepb.AttachedDisk {
	p := &computepb.AttachedDiskInitializeParams{
		SourceImage: &image,
		DiskSizeGb:  new(int64(size)),
		Description: new(s.Mark.For(inventory.RoleBootDisk)),
		Labels:      s.Labels(),
	}
	if diskType != "" {
		p.DiskType = new(string(diskType))
	}
	return &computepb.AttachedDisk{Boot: new(true), AutoDelete: new(true), InitializeParams: p}
}

// serviceAccounts are none without a scope or an account.
func serviceAccounts(account settings.Account, scopes []string) []*computepb.ServiceAccount {
	if account == settings.NoAccount || len(scopes) == 0 {
		return nil
	}
	return []*computepb.ServiceAccount{{Email: new(string(account)), Scopes: scopes}}
}

// scheduling is what happens to a machine when its host does not go on. One that stays
// cannot be moved while it runs, as those with accelerators: it is started again.
func scheduling(preemptible, spot settings.Bool, stays bool) *computepb.Scheduling {
	if spot {
		return &computepb.Scheduling{
			ProvisioningModel: new("SPOT"), AutomaticRestart: new(false), OnHostMaintenance: new("TERMINATE"),
		}
	}
	if preemptible { // such a machine can neither move nor be restarted
		return &computepb.Scheduling{
			Preemptible: new(true), AutomaticRestart: new(false), OnHostMaintenance: new("TERMINATE"),
		}
	}
	if stays {
		return &computepb.Scheduling{AutomaticRestart: new(true), OnHostMaintenance: new("TERMINATE")}
	}
	return &computepb.Scheduling{AutomaticRestart: new(true), OnHostMaintenance: new("MIGRATE")}
}

// unsigned leaves Secure Boot off: drivers of accelerators that are built for the machine's
// kernel are signed by nobody it knows, and would not be loaded. What is measured at boot
// stays so.
func unsigned(c *computepb.ShieldedInstanceConfig) *computepb.ShieldedInstanceConfig {
	if c != nil {
		c.EnableSecureBoot = new(false)
	}
	return c
}

// Shielded is Shielded VM with all of it, which Google's image can and organisations
// ask for (constraints/compute.requireShieldedVm). An image without UEFI cannot.
func Shielded(r *env.Env, image string) *computepb.ShieldedInstanceConfig {
	if r.ByBIOS(image) {
		return nil
	}
	return &computepb.ShieldedInstanceConfig{EnableSecureBoot: new(true), EnableVtpm: new(true), EnableIntegrityMonitoring: new(true)}
}
