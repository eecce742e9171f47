package gcetest

import (
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/gce"
)

// balancer makes a balancer of one machine, moves the reserved address from
// the machine to it and back, and takes it apart.
func (s *suite) balancer(t *testing.T) {
	ctx, vm := t.Context(), s.name("backend")
	ip, err := s.c.Addresses().Get(ctx, s.name("ip"))
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, s.instances(), &computepb.Instance{
		Name: &vm, Description: &s.mark, MachineType: new("zones/" + s.zone + "/machineTypes/e2-small"),
		Disks: []*computepb.AttachedDisk{{Boot: new(true), AutoDelete: new(true),
			InitializeParams: &computepb.AttachedDiskInitializeParams{SourceImage: &s.image, DiskSizeGb: new(int64(10))}}},
		NetworkInterfaces: []*computepb.NetworkInterface{{
			Subnetwork:    new(s.path("regions/%s/subnetworks/%s", s.c.Region(), s.name("subnet"))),
			AccessConfigs: []*computepb.AccessConfig{{Name: new("external-nat"), Type: new("ONE_TO_ONE_NAT"), NatIP: ip.Address}},
		}},
	})
	group := s.backends(t, vm)
	check := create(t, s, s.checks(), &computepb.HealthCheck{
		Name: new(s.name("check")), Description: &s.mark, Type: new("HTTPS"), CheckIntervalSec: new(int32(2)), TimeoutSec: new(int32(2)),
		HttpsHealthCheck: &computepb.HTTPSHealthCheck{Port: new(int32(443)), RequestPath: new("/readyz")},
	})
	if got := check.GetHttpsHealthCheck(); got.GetRequestPath() != "/readyz" || check.GetHealthyThreshold() != 2 || gce.Base(check.GetRegion()) != s.c.Region() {
		t.Errorf("health check %v", check)
	}
	service := create(t, s, s.services(), &computepb.BackendService{
		Name: new(s.name("service")), Description: &s.mark, LoadBalancingScheme: new("EXTERNAL"), Protocol: new("TCP"),
		HealthChecks: []string{check.GetSelfLink()}, ConnectionDraining: &computepb.ConnectionDraining{DrainingTimeoutSec: new(int32(10))},
		Backends: []*computepb.Backend{{Group: group.SelfLink, BalancingMode: new("CONNECTION")}},
	})
	s.setBackends(t, service)
	if found, err := s.c.BackendServices().GetHealth(ctx, service.GetName(), group.GetSelfLink()); err != nil || len(found) != 0 {
		t.Errorf("health without a forwarding rule: %v, %v; want none and no error", found, err)
	}
	refused(t, "a health check", s.c.HealthChecks().Delete(ctx, check.GetName()))
	refused(t, "an instance group", s.c.InstanceGroups(s.zone).Delete(ctx, group.GetName()))
	s.move(t, vm, ip, service, group)
	destroy(t, s.services(), service.GetName())
	destroy(t, s.checks(), check.GetName())
	destroy(t, s.instances(), vm)
	if g, err := s.c.InstanceGroups(s.zone).Get(ctx, group.GetName()); err != nil || g.GetSize() != 0 {
		t.Errorf("group of %d, %v, after its machine was deleted", g.GetSize(), err)
	}
	destroy(t, s.unmanaged(), group.GetName())
}

// backends makes an instance group of one machine.
func (s *suite) backends(t *testing.T, vm string) *computepb.InstanceGroup {
	ctx, name, groups := t.Context(), s.name("backends"), s.c.InstanceGroups(s.zone)
	group := create(t, s, s.unmanaged(), &computepb.InstanceGroup{Name: &name, Description: &s.mark})
	members := func(want ...string) {
		t.Helper()
		all, err := groups.ListInstances(ctx, name)
		var got []string
		for _, m := range all {
			got = append(got, gce.Base(m.GetInstance()))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("group has %q, %v; want %q", got, err, want)
		}
	}
	members()
	if err := groups.AddInstances(ctx, name, vm); err != nil {
		t.Fatal(err)
	}
	members(vm)
	if err := groups.AddInstances(ctx, name, vm); gce.ClassOf(err) != gce.Already {
		t.Errorf("adding a machine twice: %v, want class already", err)
	}
	if err := groups.RemoveInstances(ctx, name, vm); err != nil {
		t.Fatal(err)
	}
	members()
	if err := groups.RemoveInstances(ctx, name, vm); err == nil || gce.IsNotFound(err) {
		t.Errorf("removing a machine twice: %v, want an error that is not the group's absence", err)
	}
	if err := groups.AddInstances(ctx, name, s.name("absent")); err == nil || gce.IsNotFound(err) {
		t.Errorf("adding no machine: %v, want an error that is not the group's absence", err)
	}
	if err := groups.AddInstances(ctx, name, vm); err != nil {
		t.Fatal(err)
	}
	all, err := s.c.AggregatedInstanceGroups(ctx)
	if err != nil || !slices.ContainsFunc(all, func(g *computepb.InstanceGroup) bool {
		return g.GetName() == name && gce.Base(g.GetZone()) == s.zone && g.GetSize() == 1
	}) {
		t.Errorf("the group of one machine is not in the list of all zones (%v)", err)
	}
	return group
}

// setBackends takes all backends away and gives them back.
func (s *suite) setBackends(t *testing.T, x *computepb.BackendService) {
	ctx, services := t.Context(), s.c.BackendServices()
	old, backends := x.GetFingerprint(), x.Backends
	for _, want := range [][]*computepb.Backend{nil, backends} {
		now, err := services.Get(ctx, x.GetName())
		if err != nil {
			t.Fatal(err)
		}
		now.Backends = want
		if err := services.SetBackends(ctx, now); err != nil {
			t.Fatal(err)
		}
		if now, err = services.Get(ctx, x.GetName()); err != nil || len(now.GetBackends()) != len(want) || now.GetDescription() != s.mark {
			t.Errorf("service has %d backends, description %q, %v; want %d", len(now.GetBackends()), now.GetDescription(), err, len(want))
		}
		if want == nil {
			now.Fingerprint = &old
			if err := services.SetBackends(ctx, now); !gce.Stale(err) {
				t.Errorf("backends with an old fingerprint: %v, want stale", err)
			}
		}
	}
}

// move brings the address from the machine to a forwarding rule and back.
func (s *suite) move(t *testing.T, vm string, ip *computepb.Address, service *computepb.BackendService, group *computepb.InstanceGroup) {
	ctx, in, name := t.Context(), s.c.Instances(s.zone), s.name("rule")
	holder := func(want string) {
		t.Helper()
		a, err := s.c.Addresses().Get(ctx, ip.GetName())
		if err != nil || a.GetStatus() != "IN_USE" || len(a.GetUsers()) != 1 || !strings.HasSuffix(a.GetUsers()[0], want) {
			t.Errorf("address is %s, used by %q, %v; want %s", a.GetStatus(), a.GetUsers(), err, want)
		}
	}
	rule := &computepb.ForwardingRule{
		Name: &name, Description: &s.mark, Labels: map[string]string{"suite": "1"}, LoadBalancingScheme: new("EXTERNAL"),
		IPProtocol: new("TCP"), Ports: []string{"443"}, IPAddress: ip.SelfLink, BackendService: service.SelfLink,
	}
	if err := s.c.ForwardingRules().Insert(ctx, rule); !gce.InUse(err) {
		t.Errorf("a rule with a machine's address: %v, want in use", err)
	}
	if err := in.DeleteAccessConfig(ctx, vm, "nic0", "external-nat"); err != nil {
		t.Fatal(err)
	}
	if err := in.DeleteAccessConfig(ctx, vm, "nic0", "external-nat"); err == nil || gce.IsNotFound(err) {
		t.Errorf("taking an address that was taken: %v, want an error that is not the machine's absence", err)
	}
	got := create(t, s, s.rules(), rule)
	if got.GetIPAddress() != ip.GetAddress() || gce.Base(got.GetBackendService()) != service.GetName() || len(got.GetLabels()) != 0 {
		t.Errorf("rule %v, want one without labels: they come by setLabels only", got)
	}
	if err := s.c.ForwardingRules().SetLabels(ctx, name, got.GetLabelFingerprint(), map[string]string{"suite": "2"}); err != nil {
		t.Fatal(err)
	}
	if err := s.c.ForwardingRules().SetLabels(ctx, name, got.GetLabelFingerprint(), nil); !gce.Stale(err) {
		t.Errorf("labels with an old fingerprint: %v, want stale", err)
	}
	holder("/forwardingRules/" + name)
	refused(t, "a backend service", s.c.BackendServices().Delete(ctx, service.GetName()))
	eventually(t, "a verdict on the backend", func() (bool, error) {
		found, err := s.c.BackendServices().GetHealth(ctx, service.GetName(), group.GetSelfLink())
		if len(found) != 1 {
			return false, err
		}
		if h := found[0]; gce.Base(h.GetInstance()) != vm || h.GetHealthState() != "UNHEALTHY" {
			t.Errorf("health %v, want that of a machine that serves nothing", h)
		}
		return true, err
	})
	external := &computepb.AccessConfig{Name: new("external-nat"), Type: new("ONE_TO_ONE_NAT"), NatIP: ip.Address}
	if err := in.AddAccessConfig(ctx, vm, "nic0", external); !gce.InUse(err) {
		t.Errorf("a rule's address for a machine: %v, want in use", err)
	}
	destroy(t, s.rules(), name)
	if err := in.AddAccessConfig(ctx, vm, "nic0", external); err != nil {
		t.Fatal(err)
	}
	holder("/instances/" + vm)
	refused(t, "an address", s.c.Addresses().Delete(ctx, ip.GetName())) // under a rule it is not: the rule keeps it
	if i, err := in.Get(ctx, vm); err != nil || i.GetNetworkInterfaces()[0].GetAccessConfigs()[0].GetNatIP() != ip.GetAddress() {
		t.Errorf("machine after the address came back: %v, %v", i.GetNetworkInterfaces(), err)
	}
}

func (s *suite) checks() verbs[*computepb.HealthCheck] {
	h := s.c.HealthChecks()
	return verbs[*computepb.HealthCheck]{h.Get, h.List, h.Insert, h.Delete}
}

func (s *suite) services() verbs[*computepb.BackendService] {
	b := s.c.BackendServices()
	return verbs[*computepb.BackendService]{b.Get, b.List, b.Insert, b.Delete}
}

func (s *suite) rules() verbs[*computepb.ForwardingRule] {
	f := s.c.ForwardingRules()
	return verbs[*computepb.ForwardingRule]{f.Get, f.List, f.Insert, f.Delete}
}

func (s *suite) unmanaged() verbs[*computepb.InstanceGroup] {
	g := s.c.InstanceGroups(s.zone)
	return verbs[*computepb.InstanceGroup]{g.Get, g.List, g.Insert, g.Delete}
}
