package vpc

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"hakube/gce/emulator"
)

func nobodyBefore(emulator.Machine) (guise, bool) { return 0, false }

func TestGuises(t *testing.T) {
	g := guises{}
	first, second := networkID{"p", "default"}, networkID{"p", "second"}
	old := machine(1, "old", "10.40.0.2")
	late := machine(2, "late", "10.40.0.2", on("p", "second"), alias("10.64.1.0/24"))
	g.follow(emulator.Network{Machines: []emulator.Machine{late, old}}, nobodyBefore)
	if g[first] != 0 || g[second] != firstGuise {
		t.Fatalf("guises are %v", g)
	}
	if m := g[second].machine(late); m.NIC.Address.String() != "241.40.0.2" || m.NIC.Aliases[0].String() != "241.64.1.0/24" || m.NIC.Gateway != gateway {
		t.Errorf("%s appears as %+v", late.Name, m.NIC)
	}
	// A balancer's backends are those of their group's network.
	two := netip.MustParseAddr("10.40.0.2")
	b := g.disguise(emulator.Network{Balancers: []emulator.Balancer{{Project: "p", Backends: []emulator.Backends{
		{Network: "default", Machines: []netip.Addr{two}}, {Network: "second", Machines: []netip.Addr{two}}}}}}).Balancers[0]
	if b.Backends[0].Machines[0] != two || b.Backends[1].Machines[0].String() != "241.40.0.2" {
		t.Errorf("backends appear as %+v", b.Backends)
	}
	// A range is another network's as soon as a subnetwork has it, and nobody's
	// guise changes while his network is there.
	secondary := emulator.Subnet{Project: "p", Network: "third", Name: "s", Range: netip.MustParsePrefix("10.90.0.0/24"),
		Secondary: []netip.Prefix{netip.MustParsePrefix("10.40.0.0/16")}}
	third := machine(3, "third", "10.90.0.2", on("p", "third"))
	g.follow(emulator.Network{Subnets: []emulator.Subnet{secondary}, Machines: []emulator.Machine{late, old, third}}, nobodyBefore)
	if got := g[networkID{"p", "third"}]; got != firstGuise+1 {
		t.Errorf("the third network's guise is %d", got)
	}
	g.follow(emulator.Network{Machines: []emulator.Machine{late}}, nobodyBefore)
	if len(g) != 1 || g[second] != firstGuise {
		t.Errorf("alone its guise is %v", g)
	}
	// A process that finds machines goes on with what they have.
	g = guises{}
	g.follow(emulator.Network{Machines: []emulator.Machine{old, late}}, func(m emulator.Machine) (guise, bool) { return 245, m.ID == 2 })
	if g[first] != 0 || g[second] != 245 {
		t.Errorf("guises of running machines are %v", g)
	}
	// What cannot be disguised, and the sixteenth, is an overlap.
	g = guises{}
	n := emulator.Network{Machines: []emulator.Machine{machine(1, "a", "192.168.0.2"), machine(2, "b", "192.168.0.2", on("p", "second"))}}
	g.follow(n, nobodyBefore)
	if _, err := settle(g.disguise(n)); err == nil || !strings.Contains(err.Error(), "10.0.0.0/8 only") {
		t.Errorf("two of 192.168.0.2: %v", err)
	}
	g, n = guises{}, emulator.Network{}
	for i := range 16 {
		n.Machines = append(n.Machines, machine(uint64(i+1), fmt.Sprint("m", i), "10.40.0.2", on(fmt.Sprint("p", i), "default")))
	}
	g.follow(n, nobodyBefore)
	if got, err := settle(g.disguise(n)); len(got.Machines) != 15 || err == nil {
		t.Errorf("%d of 16 networks with one address have a place: %v", len(got.Machines), err)
	}
}

func TestGuiseOfRanges(t *testing.T) {
	var got []string
	for _, p := range []string{"0.0.0.0/0", "8.0.0.0/6", "10.0.0.0/8", "10.64.0.0/14", "35.191.0.0/16", "192.168.0.0/16"} {
		got = append(got, shown(firstGuise.ranges([]netip.Prefix{netip.MustParsePrefix(p)}))...)
	}
	want := []string{"0.0.0.0/0", "241.0.0.0/8", "8.0.0.0/6", "241.0.0.0/8", "241.64.0.0/14", "35.191.0.0/16", "192.168.0.0/16"}
	if !slices.Equal(got, want) {
		t.Errorf("ranges appear as %q, want %q", got, want)
	}
	for _, a := range []string{"10.1.2.3", "198.51.100.1", "192.168.1.1"} {
		if a := netip.MustParseAddr(a); undisguised(firstGuise.on(a)) != a {
			t.Errorf("%s comes back as %s", a, undisguised(firstGuise.on(a)))
		}
	}
}
