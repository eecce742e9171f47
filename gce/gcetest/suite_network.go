package gcetest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/gce"
)

func (s *suite) network(t *testing.T) {
	got := create(t, s, s.networks(), &computepb.Network{
		Name: new(s.name("net")), Description: &s.mark, AutoCreateSubnetworks: new(false),
	})
	if got.GetAutoCreateSubnetworks() || got.GetIPv4Range() != "" {
		t.Errorf("the network is not in custom mode: %v", got)
	}
	err := s.c.Networks().Insert(t.Context(), &computepb.Network{Name: new(notAName), AutoCreateSubnetworks: new(false)})
	if err == nil || gce.ClassOf(err) != gce.No {
		t.Errorf("a name that is none: %v, want class no", err)
	}
}

func (s *suite) subnetwork(t *testing.T) {
	got := create(t, s, s.subnetworks(), &computepb.Subnetwork{
		Name: new(s.name("subnet")), Description: &s.mark, Network: new(s.path("global/networks/%s", s.name("net"))),
		IpCidrRange: new("10.140.0.0/22"),
		SecondaryIpRanges: []*computepb.SubnetworkSecondaryRange{
			{RangeName: new("pods-default"), IpCidrRange: new("10.164.0.0/14")},
			{RangeName: new("services-default"), IpCidrRange: new("10.100.0.0/16")},
		},
	})
	if got.GetGatewayAddress() != "10.140.0.1" || len(got.GetSecondaryIpRanges()) != 2 {
		t.Errorf("gateway %s, secondary ranges %v", got.GetGatewayAddress(), got.GetSecondaryIpRanges())
	}
	if gce.Base(got.GetNetwork()) != s.name("net") || gce.Base(got.GetRegion()) != s.c.Region() {
		t.Errorf("subnetwork of network %s in %s", got.GetNetwork(), got.GetRegion())
	}
	refused(t, "a network", s.c.Networks().Delete(t.Context(), s.name("net")))
	all, err := s.c.AggregatedSubnetworks(t.Context())
	if i := slices.IndexFunc(all, func(x *computepb.Subnetwork) bool { return x.GetName() == s.name("subnet") }); err != nil || i < 0 || gce.Base(all[i].GetRegion()) != s.c.Region() {
		t.Errorf("the subnetworks of all regions: %v, %v", all, err)
	}
	err = s.c.Subnetworks().Insert(t.Context(), &computepb.Subnetwork{
		Name: new(s.name("overlap")), Network: got.Network, IpCidrRange: new("10.140.1.0/24"),
	})
	if err == nil || gce.ClassOf(err) != gce.No {
		t.Errorf("an overlapping range: %v, want class no", err)
	}
}

func (s *suite) firewall(t *testing.T) {
	got := create(t, s, s.firewalls(), &computepb.Firewall{
		Name: new(s.name("all")), Description: &s.mark, Network: new(s.path("global/networks/%s", s.name("net"))),
		SourceRanges: []string{"10.140.0.0/22"}, TargetTags: []string{s.name("tag")},
		Allowed: []*computepb.Allowed{
			{IPProtocol: new("tcp"), Ports: []string{"1-2379", "2382-65535"}},
			{IPProtocol: new("icmp")},
		},
	})
	if got.GetDirection() != "INGRESS" || got.GetPriority() != 1000 || len(got.GetAllowed()) != 2 {
		t.Errorf("rule is %v, want ingress of priority 1000 with two protocols", got)
	}
	err := s.c.Firewalls().Insert(t.Context(), &computepb.Firewall{
		Name: new(s.name("nowhere")), Network: new(s.path("global/networks/%s", s.name("absent"))),
		Allowed: []*computepb.Allowed{{IPProtocol: new("tcp")}},
	})
	if err == nil || gce.IsNotFound(err) {
		t.Errorf("a rule in a network there is not: %v, want an error that is not the rule's absence", err)
	}
}

func (s *suite) address(t *testing.T) {
	name := s.name("ip")
	got := create(t, s, s.addresses(), &computepb.Address{
		Name: &name, Description: &s.mark, Labels: map[string]string{"suite": "1"},
	})
	if ip, err := netip.ParseAddr(got.GetAddress()); err != nil || !ip.Is4() {
		t.Errorf("address %q: %v", got.GetAddress(), err)
	}
	if got.GetStatus() != "RESERVED" || got.GetAddressType() != "EXTERNAL" || len(got.GetLabels()) != 0 {
		t.Errorf("address is %s %s with labels %v, want none: they come by setLabels only", got.GetStatus(), got.GetAddressType(), got.GetLabels())
	}
	ctx := t.Context()
	if err := s.c.Addresses().SetLabels(ctx, name, got.GetLabelFingerprint(), map[string]string{"suite": "2"}); err != nil {
		t.Fatal(err)
	}
	err := s.c.Addresses().SetLabels(ctx, name, got.GetLabelFingerprint(), map[string]string{"suite": "3"})
	if !gce.Stale(err) {
		t.Errorf("labels with an old fingerprint: %v, want stale", err)
	}
	now, err := s.c.Addresses().Get(ctx, name)
	if err != nil || now.GetLabels()["suite"] != "2" || now.GetLabelFingerprint() == got.GetLabelFingerprint() {
		t.Errorf("labels %v, fingerprint %q, %v; want 2 and another fingerprint", now.GetLabels(), now.GetLabelFingerprint(), err)
	}
}

func (s *suite) disk(t *testing.T) {
	got := create(t, s, s.disks(), &computepb.Disk{
		Name: new(s.name("pd")), Description: &s.mark, SizeGb: new(int64(10)),
		Type: new("zones/" + s.zone + "/diskTypes/pd-standard"), Labels: map[string]string{"suite": "1"},
	})
	if got.GetStatus() != "READY" || got.GetSizeGb() != 10 || len(got.GetUsers()) != 0 {
		t.Errorf("disk is %s, %d GB, used by %q", got.GetStatus(), got.GetSizeGb(), got.GetUsers())
	}
	all, err := s.c.AggregatedDisks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if d.GetName() == s.name("pd") && strings.HasSuffix(d.GetZone(), "/"+s.zone) {
			return
		}
	}
	t.Errorf("the disk is not in the list of all zones")
}
