package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/vpctest"
)

func nobodyBefore(emulator.Machine) (Mapping, bool) { return 0, false }

func TestMappings(t *testing.T) {
	g := Mappings{}
	first, second := NetworkID{"p", "default"}, NetworkID{"p", "second"}
	old := vpctest.Machine(1, "old", "10.40.0.2")
	late := vpctest.Machine(2, "late", "10.40.0.2", vpctest.On("p", "second"), vpctest.Alias("10.64.1.0/24"))
	g.Follow(emulator.Network{Machines: []emulator.Machine{late, old}}, nobodyBefore)
	if g[first] != 0 || g[second] != FirstMapping {
		t.Fatalf("mappings are %v", g)
	}
	if m := g[second].Machine(late); m.NIC.Address.String() != "241.40.0.2" || m.NIC.Aliases[0].String() != "241.64.1.0/24" || m.NIC.Gateway != gateway {
		t.Errorf("%s appears as %+v", late.Name, m.NIC)
	}
	// A balancer's backends are those of their group's network.
	two := netip.MustParseAddr("10.40.0.2")
	b := g.Network(emulator.Network{Balancers: []emulator.Balancer{{Project: "p", Backends: []emulator.Backends{
		{Network: "default", Machines: []netip.Addr{two}}, {Network: "second", Machines: []netip.Addr{two}}}}}}).Balancers[0]
	if b.Backends[0].Machines[0] != two || b.Backends[1].Machines[0].String() != "241.40.0.2" {
		t.Errorf("backends appear as %+v", b.Backends)
	}
	// A range is another network's as soon as a subnetwork has it, and nobody's
	// mapping changes while its network is there.
	secondary := emulator.Subnet{Project: "p", Network: "third", Name: "s", Range: netip.MustParsePrefix("10.90.0.0/24"),
		Secondary: []netip.Prefix{netip.MustParsePrefix("10.40.0.0/16")}}
	third := vpctest.Machine(3, "third", "10.90.0.2", vpctest.On("p", "third"))
	g.Follow(emulator.Network{Subnets: []emulator.Subnet{secondary}, Machines: []emulator.Machine{late, old, third}}, nobodyBefore)
	if got := g[NetworkID{"p", "third"}]; got != FirstMapping+1 {
		t.Errorf("the third network's mapping is %d", got)
	}
	g.Follow(emulator.Network{Machines: []emulator.Machine{late}}, nobodyBefore)
	if len(g) != 1 || g[second] != FirstMapping {
		t.Errorf("alone its mapping is %v", g)
	}
	// A process that finds machines goes on with what they have.
	g = Mappings{}
	g.Follow(emulator.Network{Machines: []emulator.Machine{old, late}}, func(m emulator.Machine) (Mapping, bool) { return 245, m.ID == 2 })
	if g[first] != 0 || g[second] != 245 {
		t.Errorf("mappings of running machines are %v", g)
	}
	// What cannot be mapped, and the sixteenth, is an overlap.
	g = Mappings{}
	n := emulator.Network{Machines: []emulator.Machine{vpctest.Machine(1, "a", "192.168.0.2"), vpctest.Machine(2, "b", "192.168.0.2", vpctest.On("p", "second"))}}
	g.Follow(n, nobodyBefore)
	if _, err := Settle(g.Network(n)); err == nil || !strings.Contains(err.Error(), "10.0.0.0/8 only") {
		t.Errorf("two of 192.168.0.2: %v", err)
	}
	g, n = Mappings{}, emulator.Network{}
	for i := range 16 {
		n.Machines = append(n.Machines, vpctest.Machine(uint64(i+1), fmt.Sprint("m", i), "10.40.0.2", vpctest.On(fmt.Sprint("p", i), "default")))
	}
	g.Follow(n, nobodyBefore)
	if got, err := Settle(g.Network(n)); len(got.Machines) != 15 || err == nil {
		t.Errorf("%d of 16 networks with one address have a place: %v", len(got.Machines), err)
	}
}

func TestMappingOfRanges(t *testing.T) {
	var got []string
	for _, p := range []string{"0.0.0.0/0", "8.0.0.0/6", "10.0.0.0/8", "10.64.0.0/14", "35.191.0.0/16", "192.168.0.0/16"} {
		got = append(got, shown(FirstMapping.ranges([]netip.Prefix{netip.MustParsePrefix(p)}))...)
	}
	want := []string{"0.0.0.0/0", "241.0.0.0/8", "8.0.0.0/6", "241.0.0.0/8", "241.64.0.0/14", "35.191.0.0/16", "192.168.0.0/16"}
	if !slices.Equal(got, want) {
		t.Errorf("ranges appear as %q, want %q", got, want)
	}
	for _, a := range []string{"10.1.2.3", "198.51.100.1", "192.168.1.1"} {
		if a := netip.MustParseAddr(a); Unmapped(FirstMapping.Address(a)) != a {
			t.Errorf("%s comes back as %s", a, Unmapped(FirstMapping.Address(a)))
		}
	}
}
