package cluster

import (
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/scripts"
)

// TestMachinesOfHardenedProjects: in a project with OS Login on and no default service
// account a cluster is made and grown, of machines that no policy Google names forbids
// for what they need not have.
func TestMachinesOfHardenedProjects(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	w.osLogin()
	o := w.operator(func(s *settings.Settings) { s.NodeAccount = settings.NoAccount })
	w.mustUp(o)
	w.mustUp(o.replica(zoneC))
	machines := map[string]*computepb.InstanceProperties{}
	for _, zone := range []string{zoneB, zoneC} {
		list, err := w.Client.Instances(zone).List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range list {
			machines[i.GetName()] = &computepb.InstanceProperties{CanIpForward: i.CanIpForward, Metadata: i.Metadata, ServiceAccounts: i.ServiceAccounts, ShieldedInstanceConfig: i.ShieldedInstanceConfig}
		}
	}
	template, err := w.Client.InstanceTemplates().Get(t.Context(), o.want().Names.Template())
	if err != nil {
		t.Fatal(err)
	}
	machines["the template"] = template.GetProperties()
	if len(machines) < 4 {
		t.Fatalf("only %d machines", len(machines))
	}
	for name, m := range machines {
		s := m.GetShieldedInstanceConfig()
		switch {
		case m.GetCanIpForward():
			t.Errorf("%s may send from any address (constraints/compute.vmCanIpForward)", name)
		case inventory.MetadataItem(m.GetMetadata(), scripts.KeyOSLogin) != "FALSE":
			t.Errorf("%s takes over OS Login of the project", name)
		case inventory.MetadataItem(m.GetMetadata(), scripts.KeyDNS) != "ZonalOnly":
			t.Errorf("%s takes over the DNS names of the project", name)
		case len(m.GetServiceAccounts()) != 0:
			t.Errorf("%s has a service account", name)
		case !s.GetEnableSecureBoot() || !s.GetEnableVtpm() || !s.GetEnableIntegrityMonitoring():
			t.Errorf("%s is no Shielded VM (constraints/compute.requireShieldedVm): %v", name, s)
		}
	}
}

// TestOlderCluster: a cluster of an older hakube, with what its machines had then, is
// nothing to be mended, and grows by masters like those it has.
func TestOlderCluster(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	o := w.operator(func(s *settings.Settings) { s.MasterAccount = "default" })
	w.mustUp(o)
	w.forgets("kubernetes-master", scripts.KeyOSLogin)
	o = o.shell(t, nil)
	w.unchanged(func() { w.mustUp(o) })
	w.mustUp(o.replica(zoneC))
	i, err := w.Client.Instances(zoneC).Get(t.Context(), w.firstReplica())
	if err != nil {
		t.Fatal(err)
	}
	if a := task.AccountOf(i.GetServiceAccounts()); a != "default" {
		t.Errorf("the second master has the account %s, the first one default", a)
	}
}

// TestGlobalNames: in a project that gives its machines global DNS names those of the
// cluster have names of their zone all the same, by which masters find each other.
func TestGlobalNames(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	w.projectSays(scripts.KeyDNS, "GlobalDefault")
	o := w.operator()
	w.mustUp(o)
	w.mustUp(o.replica(zoneC))
	for zone, name := range map[string]string{zoneB: "kubernetes-master", zoneC: w.firstReplica()} {
		i, err := w.Client.Instances(zone).Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if said := i.GetResourceStatus().GetEffectiveInstanceMetadata().GetVmDnsSettingMetadataValue(); said != "" {
			t.Errorf("%s is named by %s", name, said)
		}
	}
	w.mustUp(o)
}
