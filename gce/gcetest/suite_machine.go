package gcetest

import (
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/gce"
)

func (s *suite) instance(t *testing.T) {
	ctx, name := t.Context(), s.name("vm")
	ip, err := s.c.Addresses().Get(ctx, s.name("ip"))
	if err != nil {
		t.Fatal(err)
	}
	x := &computepb.Instance{
		Name: &name, Description: &s.mark, Labels: map[string]string{"suite": "1"},
		MachineType: new("zones/" + s.zone + "/machineTypes/e2-small"),
		Tags:        &computepb.Tags{Items: []string{s.name("tag")}},
		Disks: []*computepb.AttachedDisk{
			{Boot: new(true), AutoDelete: new(true), InitializeParams: &computepb.AttachedDiskInitializeParams{
				SourceImage: &s.image, DiskSizeGb: new(int64(10)),
			}},
			{Source: new(s.path("zones/%s/disks/%s", s.zone, s.name("pd"))), DeviceName: new("data"), AutoDelete: new(false)},
		},
		NetworkInterfaces: []*computepb.NetworkInterface{{
			Subnetwork: new(s.path("regions/%s/subnetworks/%s", s.c.Region(), s.name("subnet"))),
			AccessConfigs: []*computepb.AccessConfig{{
				Name: new("external-nat"), Type: new("ONE_TO_ONE_NAT"), NatIP: ip.Address,
			}},
			AliasIpRanges: []*computepb.AliasIpRange{{IpCidrRange: new("/24"), SubnetworkRangeName: new("pods-default")}},
		}},
		Metadata: &computepb.Metadata{Items: []*computepb.Items{
			{Key: new("enable-guest-attributes"), Value: new("TRUE")}, {Key: new("a"), Value: new("1")},
		}},
	}
	got := create(t, s, s.instances(), x)
	nic := got.GetNetworkInterfaces()[0]
	if got.GetStatus() != "RUNNING" || !strings.HasPrefix(nic.GetNetworkIP(), "10.140.") {
		t.Errorf("instance is %s at %s", got.GetStatus(), nic.GetNetworkIP())
	}
	if alias := nic.GetAliasIpRanges()[0].GetIpCidrRange(); !strings.HasPrefix(alias, "10.16") || !strings.HasSuffix(alias, ".0/24") {
		t.Errorf("alias range %q, want a /24 of pods-default", alias)
	}
	if nat := nic.GetAccessConfigs()[0].GetNatIP(); nat != ip.GetAddress() {
		t.Errorf("external address %s, want %s", nat, ip.GetAddress())
	}
	if len(got.GetDisks()) != 2 || got.GetDisks()[1].GetDeviceName() != "data" {
		t.Errorf("disks %v", got.GetDisks())
	}
	if now, err := s.c.Addresses().Get(ctx, s.name("ip")); err != nil || now.GetStatus() != "IN_USE" ||
		len(now.GetUsers()) != 1 || gce.Base(now.GetUsers()[0]) != name {
		t.Errorf("address is %s, used by %q, %v", now.GetStatus(), now.GetUsers(), err)
	}
	refused(t, "an address", s.c.Addresses().Delete(ctx, s.name("ip")))
	refused(t, "a disk", s.c.Disks(s.zone).Delete(ctx, s.name("pd")))
	refused(t, "a subnetwork", s.c.Subnetworks().Delete(ctx, s.name("subnet")))

	s.metadata(t, got)
	s.tags(t, name)
	s.power(t, name)

	all, err := s.c.AggregatedInstances(ctx)
	if err != nil || !slices.ContainsFunc(all, func(i *computepb.Instance) bool {
		return i.GetName() == name && gce.Base(i.GetZone()) == s.zone
	}) {
		t.Errorf("the instance is not in the list of all zones (%v)", err)
	}
	destroy(t, s.instances(), name)
	if d, err := s.c.Disks(s.zone).Get(ctx, s.name("pd")); err != nil || len(d.GetUsers()) != 0 {
		t.Errorf("the disk that is not to be deleted with the instance: used by %q, %v", d.GetUsers(), err)
	}
	if _, err := s.c.Disks(s.zone).Get(ctx, name); !gce.IsNotFound(err) {
		t.Errorf("the boot disk, to be deleted with the instance: %v, want not found", err)
	}
}

// metadata replaces an instance's items and reads what it says of itself.
func (s *suite) metadata(t *testing.T, i *computepb.Instance) {
	ctx, name, in := t.Context(), i.GetName(), s.c.Instances(s.zone)
	m := i.GetMetadata()
	old := m.GetFingerprint()
	m.Items = append(m.Items, &computepb.Items{Key: new("b"), Value: new("2")})
	if err := in.SetMetadata(ctx, name, m); err != nil {
		t.Fatal(err)
	}
	m.Fingerprint = &old
	if err := in.SetMetadata(ctx, name, m); !gce.Stale(err) {
		t.Errorf("metadata with an old fingerprint: %v, want stale", err)
	}
	now, err := in.Get(ctx, name)
	if err != nil || len(now.GetMetadata().GetItems()) != 3 || now.GetMetadata().GetFingerprint() == old {
		t.Errorf("metadata %v, %v; want three items and another fingerprint", now.GetMetadata(), err)
	}
	if written, err := in.GuestAttributes(ctx, name, "suite/"); err != nil || len(written) != 0 {
		t.Errorf("guest attributes nobody wrote: %v, %v; want none and no error", written, err)
	}
	if _, err := in.GuestAttributes(ctx, s.name("absent"), "suite/"); !gce.IsNotFound(err) {
		t.Errorf("guest attributes of no instance: %v, want not found", err)
	}
	text, next, err := in.SerialOutput(ctx, name, 0)
	if err != nil || next < int64(len(text)) {
		t.Errorf("serial output: %d bytes, next %d, %v", len(text), next, err)
	}
}

// tags replaces an instance's network tags.
func (s *suite) tags(t *testing.T, name string) {
	ctx, in := t.Context(), s.c.Instances(s.zone)
	i, err := in.Get(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	tags := &computepb.Tags{Items: append(i.GetTags().GetItems(), "suite"), Fingerprint: i.GetTags().Fingerprint}
	if err := in.SetTags(ctx, name, tags); err != nil {
		t.Fatal(err)
	}
	if err := in.SetTags(ctx, name, tags); !gce.Stale(err) {
		t.Errorf("tags with an old fingerprint: %v, want stale", err)
	}
	if now, err := in.Get(ctx, name); err != nil || !slices.Equal(now.GetTags().GetItems(), tags.Items) {
		t.Errorf("tags %v, %v; want %v", now.GetTags(), err, tags.Items)
	}
}

// power stops, starts and resets.
func (s *suite) power(t *testing.T, name string) {
	ctx, in := t.Context(), s.c.Instances(s.zone)
	status := func(want string) {
		t.Helper()
		if i, err := in.Get(ctx, name); err != nil || i.GetStatus() != want {
			t.Errorf("instance is %s, %v; want %s", i.GetStatus(), err, want)
		}
	}
	if err := in.Stop(ctx, name); err != nil {
		t.Fatal(err)
	}
	status("TERMINATED")
	refused(t, "a stopped machine's disk", s.c.Disks(s.zone).Delete(ctx, s.name("pd")))
	if err := in.Start(ctx, name); err != nil {
		t.Fatal(err)
	}
	status("RUNNING")
	if err := in.Reset(ctx, name); err != nil {
		t.Fatal(err)
	}
	status("RUNNING")
	if err := in.Start(ctx, s.name("absent")); !gce.IsNotFound(err) {
		t.Errorf("starting no instance: %v, want not found", err)
	}
}

func (s *suite) group(t *testing.T) {
	ctx, name := t.Context(), s.name("group")
	template := create(t, s, s.templates(), &computepb.InstanceTemplate{
		Name: new(s.name("template")), Description: &s.mark,
		Properties: &computepb.InstanceProperties{
			Description: &s.mark, MachineType: new("e2-small"), Tags: &computepb.Tags{Items: []string{s.name("tag")}},
			Disks: []*computepb.AttachedDisk{{Boot: new(true), AutoDelete: new(true),
				InitializeParams: &computepb.AttachedDiskInitializeParams{SourceImage: &s.image, DiskSizeGb: new(int64(10))}}},
			NetworkInterfaces: []*computepb.NetworkInterface{{
				Subnetwork:    new(s.path("regions/%s/subnetworks/%s", s.c.Region(), s.name("subnet"))),
				AliasIpRanges: []*computepb.AliasIpRange{{IpCidrRange: new("/24"), SubnetworkRangeName: new("pods-default")}},
			}},
		},
	})
	create(t, s, s.groups(), &computepb.InstanceGroupManager{
		Name: &name, Description: &s.mark, BaseInstanceName: &name,
		InstanceTemplate: template.SelfLink, TargetSize: new(int32(2)),
	})
	s.size(t, name, 2)
	refused(t, "a template", s.c.InstanceTemplates().Delete(ctx, s.name("template")))
	all, err := s.c.AggregatedInstanceGroupManagers(ctx)
	if err != nil || !slices.ContainsFunc(all, func(g *computepb.InstanceGroupManager) bool {
		return g.GetName() == name && gce.Base(g.GetZone()) == s.zone
	}) {
		t.Errorf("the group is not in the list of all zones (%v)", err)
	}
	if err := s.c.InstanceGroupManagers(s.zone).Resize(ctx, name, 1); err != nil {
		t.Fatal(err)
	}
	last := s.size(t, name, 1)
	if err := s.c.InstanceGroupManagers(s.zone).SetInstanceTemplate(ctx, name, s.name("template")); err != nil {
		t.Errorf("a group made from its template again: %v", err)
	}
	if err := s.c.InstanceGroupManagers(s.zone).SetInstanceTemplate(ctx, s.name("absent"), s.name("template")); !gce.IsNotFound(err) {
		t.Errorf("another template for no group: %v, want not found", err)
	}
	s.refreshed(t, name, template)
	if err := s.c.InstanceGroupManagers(s.zone).DeleteInstances(ctx, name, []string{s.name("absent")}); gce.ClassOf(err) != gce.No {
		t.Errorf("deleting a machine that is no member: %v, want a refusal", err)
	}
	if err := s.c.InstanceGroupManagers(s.zone).DeleteInstances(ctx, name, []string{last[0]}); err != nil {
		t.Fatal(err)
	}
	s.size(t, name, 0)
	if err := s.c.InstanceGroupManagers(s.zone).Resize(ctx, s.name("absent"), 1); !gce.IsNotFound(err) {
		t.Errorf("resizing no group: %v, want not found", err)
	}
	if _, err := s.c.InstanceGroupManagers(s.zone).ListManagedInstances(ctx, s.name("absent")); !gce.IsNotFound(err) {
		t.Errorf("listing the machines of no group: %v, want not found", err)
	}
	s.kept(t)
	destroy(t, s.groups(), name)
	if left, err := s.c.Instances(s.zone).List(ctx); err != nil || slices.ContainsFunc(left, func(i *computepb.Instance) bool {
		return strings.HasPrefix(i.GetName(), name)
	}) {
		t.Errorf("machines of the group are left (%v)", err)
	}
	destroy(t, s.templates(), s.name("template"))
}

// size waits until a group has n machines, checks them and returns their names.
func (s *suite) size(t *testing.T, name string, n int) (names []string) {
	t.Helper()
	var machines []*computepb.ManagedInstance
	eventually(t, "the group's machines", func() (bool, error) {
		g, err := s.c.InstanceGroupManagers(s.zone).Get(t.Context(), name)
		if err != nil {
			return false, err
		}
		machines, err = s.c.InstanceGroupManagers(s.zone).ListManagedInstances(t.Context(), name)
		return g.GetStatus().GetIsStable() && len(machines) == n, err
	})
	for _, m := range machines {
		i, err := s.c.Instances(s.zone).Get(t.Context(), gce.Base(m.GetInstance()))
		if err != nil || i.GetStatus() != "RUNNING" || i.GetDescription() != s.mark || !strings.HasPrefix(i.GetName(), name+"-") {
			t.Errorf("machine %s is %s with description %q, %v", i.GetName(), i.GetStatus(), i.GetDescription(), err)
		}
		names = append(names, i.GetName())
	}
	return names
}
