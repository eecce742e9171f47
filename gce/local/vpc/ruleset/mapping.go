package ruleset

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"hakube/gce/emulator"
)

// All networks share one route table, where an address is one machine's. On
// Google two networks may use the same ranges. So a network whose ranges another
// one has already is mapped here: its addresses in 10.0.0.0/8 appear as those of
// 241.0.0.0/8, or of a higher such range, which are nobody's (RFC 1112, class E).
// The first rules that a packet of its machines meets map its addresses, the last
// ones map them back, so machines never see that; routes, firewall, connections
// and marks in between know a machine by one address only.
//
// A refusal (ICMP) quotes mapped addresses, and a machine that is mapped does not
// recognise it: there it is as on Google, where what is not let through is lost.

// A Mapping is the first octet that a network's addresses appear with, 0 when they
// appear as they are.
type Mapping byte

const (
	FirstMapping Mapping = 241
	lastMapping  Mapping = 254
)

// mappable are the addresses that can be mapped.
var mappable = netip.MustParsePrefix("10.0.0.0/8")

// prefix is where mapped addresses are.
func (g Mapping) prefix() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(g)}), 8) }

// MappingOf tells how an address was mapped.
func MappingOf(a netip.Addr) Mapping {
	if a.Is4() {
		if g := Mapping(a.As4()[0]); g >= FirstMapping && g <= lastMapping {
			return g
		}
	}
	return 0
}

// Address is an address as it appears.
func (g Mapping) Address(a netip.Addr) netip.Addr {
	if g == 0 || !mappable.Contains(a) {
		return a
	}
	b := a.As4()
	b[0] = byte(g)
	return netip.AddrFrom4(b)
}

// Unmapped is the address as its machine knows it.
func Unmapped(a netip.Addr) netip.Addr {
	if MappingOf(a) == 0 {
		return a
	}
	b := a.As4()
	b[0] = mappable.Addr().As4()[0]
	return netip.AddrFrom4(b)
}

// ranges are ranges as they appear: a wider one than 10.0.0.0/8 means both.
func (g Mapping) ranges(all []netip.Prefix) []netip.Prefix {
	if g == 0 {
		return all
	}
	var out []netip.Prefix
	for _, p := range all {
		if p.Addr().Is4() && p.Overlaps(mappable) && p.Bits() < mappable.Bits() && p.Bits() > 0 {
			out = append(out, g.prefix())
		}
		if p.Bits() >= mappable.Bits() {
			p = netip.PrefixFrom(g.Address(p.Addr()), p.Bits())
		}
		out = append(out, p)
	}
	return out
}

// Machine is m as it appears in the namespace. Its gateway stays as it is: it
// answers ARP on the machine's own link, where nothing is mapped.
func (g Mapping) Machine(m emulator.Machine) emulator.Machine {
	m.NIC.Address, m.NIC.Aliases = g.Address(m.NIC.Address), g.ranges(m.NIC.Aliases)
	return m
}

// A NetworkID is a VPC network's project and name.
type NetworkID struct{ Project, Name string }

// NetworkOf is the network that m is on.
func NetworkOf(m emulator.Machine) NetworkID { return NetworkID{m.Project, m.NIC.Network} }

// Mappings are those of all networks that were seen with machines. Nobody's
// changes while its network is there: it would end all of its connections.
type Mappings map[NetworkID]Mapping

// rangesOf are all internal addresses of each network.
func rangesOf(n emulator.Network) map[NetworkID][]netip.Prefix {
	own := map[NetworkID][]netip.Prefix{}
	for _, s := range n.Subnets {
		id := NetworkID{s.Project, s.Network}
		own[id] = append(append(own[id], s.Range), s.Secondary...)
	}
	for _, m := range n.Machines {
		if m.NIC.Address.Is4() {
			own[NetworkOf(m)] = append(own[NetworkOf(m)], OwnRanges(m)...)
		}
	}
	return own
}

// Follow forgets networks that are gone, and maps each new one if that is needed.
// before is the mapping that a machine has from an earlier process.
func (g Mappings) Follow(n emulator.Network, before func(emulator.Machine) (Mapping, bool)) {
	own := rangesOf(n)
	maps.DeleteFunc(g, func(id NetworkID, _ Mapping) bool { return own[id] == nil })
	machines := slices.SortedFunc(slices.Values(n.Machines), func(a, b emulator.Machine) int { return cmp.Compare(a.ID, b.ID) })
	for _, m := range machines {
		if _, known := g[NetworkOf(m)]; !known {
			if is, was := before(m); was {
				g[NetworkOf(m)] = is
			}
		}
	}
	for _, m := range machines {
		id := NetworkOf(m)
		if _, known := g[id]; known || !m.NIC.Address.Is4() {
			continue
		}
		g[id] = g.free(own, id)
	}
}

// free is the mapping a network needs: none if no network that is not mapped has its
// ranges. When all are taken, or it has an address that cannot be mapped, it gets
// none, and its machines are an [Overlap].
func (g Mappings) free(own map[NetworkID][]netip.Prefix, id NetworkID) Mapping {
	needs := false
	taken := map[Mapping]bool{}
	for other, is := range g {
		taken[is] = true
		if is == 0 && slices.ContainsFunc(own[other], func(p netip.Prefix) bool { return slices.ContainsFunc(own[id], p.Overlaps) }) {
			needs = true
		}
	}
	for _, p := range own[id] {
		needs = needs && p.Overlaps(mappable) && p.Bits() >= mappable.Bits()
	}
	if needs {
		for is := FirstMapping; is <= lastMapping; is++ {
			if !taken[is] {
				return is
			}
		}
	}
	return 0
}

// Network is n as it appears in the namespace.
func (g Mappings) Network(n emulator.Network) emulator.Network {
	out := emulator.Network{Subnets: n.Subnets}
	for _, m := range n.Machines {
		out.Machines = append(out.Machines, g[NetworkOf(m)].Machine(m))
	}
	for _, f := range n.Firewalls {
		is := g[NetworkID{f.Project, f.Network}]
		f.Ranges, f.Own = is.ranges(f.Ranges), is.ranges(f.Own)
		out.Firewalls = append(out.Firewalls, f)
	}
	for _, b := range n.Balancers {
		out.Balancers = append(out.Balancers, g.Balancer(b))
	}
	for _, b := range n.Watched {
		out.Watched = append(out.Watched, g.Balancer(b))
	}
	return out
}

// Balancer is b as it appears in the namespace: an internal one's address is of its
// network.
func (g Mappings) Balancer(b emulator.Balancer) emulator.Balancer {
	if b.Network != "" {
		b.Address = g[NetworkID{b.Project, b.Network}].Address(b.Address)
	}
	groups := b.Backends
	b.Backends = nil
	for _, x := range groups {
		all := x.Machines
		x.Machines = nil
		for _, a := range all {
			x.Machines = append(x.Machines, g[NetworkID{b.Project, x.Network}].Address(a))
		}
		b.Backends = append(b.Backends, x)
	}
	return b
}

// mappingChains map addresses before everything else, connection tracking
// included, and back after everything.
func mappingChains(b *strings.Builder, n emulator.Network) {
	links := map[Mapping][]string{}
	for _, m := range n.Machines {
		if g := MappingOf(m.NIC.Address); g != 0 {
			links[g] = append(links[g], fmt.Sprintf("%q", MachineLink(m.ID)))
		}
	}
	if len(links) == 0 {
		return
	}
	translate := func(name, hook, link string, from, to func(Mapping) netip.Prefix) {
		chain(b, name, hook, func() {
			for _, g := range slices.Sorted(maps.Keys(links)) {
				for _, field := range []string{"ip saddr", "ip daddr"} {
					line(b, "%s %s %s %s %s set %s & 0.255.255.255 | %s", link, set(links[g]), field, from(g), field, field, to(g).Addr())
				}
			}
		})
	}
	plain := func(Mapping) netip.Prefix { return mappable }
	translate("map-in", "type filter hook prerouting priority -310; policy accept;", "iifname", plain, Mapping.prefix)
	translate("map-out", "type filter hook postrouting priority 310; policy accept;", "oifname", Mapping.prefix, plain)
}
