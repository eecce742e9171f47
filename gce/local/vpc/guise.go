package vpc

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
// one has already goes about in a guise here: its addresses in 10.0.0.0/8 appear
// as those of 241.0.0.0/8, or of a higher such range, which are nobody's (RFC
// 1112, class E). The first rules a packet of its machines meets put the guise
// on, the last ones take it off, so machines never see it; routes, firewall,
// connections and marks in between know a machine by one address only.
//
// A refusal (ICMP) quotes addresses in guise, and a machine in one does not
// recognise it: there it is as on Google, where what is not let through is lost.

// A guise is the first octet of a network's addresses, 0 when it has none.
type guise byte

const (
	firstGuise guise = 241
	lastGuise  guise = 254
)

// disguisable are the addresses that a guise can be put on.
var disguisable = netip.MustParsePrefix("10.0.0.0/8")

// appears are the addresses of a guise.
func (g guise) appears() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(g)}), 8) }

// guiseOf is the guise an address is in.
func guiseOf(a netip.Addr) guise {
	if a.Is4() {
		if g := guise(a.As4()[0]); g >= firstGuise && g <= lastGuise {
			return g
		}
	}
	return 0
}

// on puts the guise on an address.
func (g guise) on(a netip.Addr) netip.Addr {
	if g == 0 || !disguisable.Contains(a) {
		return a
	}
	b := a.As4()
	b[0] = byte(g)
	return netip.AddrFrom4(b)
}

// undisguised is the address as its machine knows it.
func undisguised(a netip.Addr) netip.Addr {
	if guiseOf(a) == 0 {
		return a
	}
	b := a.As4()
	b[0] = disguisable.Addr().As4()[0]
	return netip.AddrFrom4(b)
}

// ranges puts the guise on ranges: a wider one than 10.0.0.0/8 means both.
func (g guise) ranges(all []netip.Prefix) []netip.Prefix {
	if g == 0 {
		return all
	}
	var out []netip.Prefix
	for _, p := range all {
		if p.Addr().Is4() && p.Overlaps(disguisable) && p.Bits() < disguisable.Bits() && p.Bits() > 0 {
			out = append(out, g.appears())
		}
		if p.Bits() >= disguisable.Bits() {
			p = netip.PrefixFrom(g.on(p.Addr()), p.Bits())
		}
		out = append(out, p)
	}
	return out
}

// machine is m as it appears in the namespace. Its gateway stays as it is: it
// answers ARP on the machine's own link, which knows no guise.
func (g guise) machine(m emulator.Machine) emulator.Machine {
	m.NIC.Address, m.NIC.Aliases = g.on(m.NIC.Address), g.ranges(m.NIC.Aliases)
	return m
}

// A networkID is a VPC network's project and name.
type networkID struct{ project, name string }

func networkOf(m emulator.Machine) networkID { return networkID{m.Project, m.NIC.Network} }

// guises are those of all networks that were seen with machines. Nobody's
// changes while his network is there: it would end all of its connections.
type guises map[networkID]guise

// rangesOf are all internal addresses of each network.
func rangesOf(n emulator.Network) map[networkID][]netip.Prefix {
	own := map[networkID][]netip.Prefix{}
	for _, s := range n.Subnets {
		id := networkID{s.Project, s.Network}
		own[id] = append(append(own[id], s.Range), s.Secondary...)
	}
	for _, m := range n.Machines {
		if m.NIC.Address.Is4() {
			own[networkOf(m)] = append(own[networkOf(m)], ownRanges(m)...)
		}
	}
	return own
}

// follow forgets networks that are gone, and gives each new one a guise if it
// needs one. before is the guise that a machine has from an earlier process.
func (g guises) follow(n emulator.Network, before func(emulator.Machine) (guise, bool)) {
	own := rangesOf(n)
	maps.DeleteFunc(g, func(id networkID, _ guise) bool { return own[id] == nil })
	machines := slices.SortedFunc(slices.Values(n.Machines), func(a, b emulator.Machine) int { return cmp.Compare(a.ID, b.ID) })
	for _, m := range machines {
		if _, known := g[networkOf(m)]; !known {
			if is, was := before(m); was {
				g[networkOf(m)] = is
			}
		}
	}
	for _, m := range machines {
		id := networkOf(m)
		if _, known := g[id]; known || !m.NIC.Address.Is4() {
			continue
		}
		g[id] = g.free(own, id)
	}
}

// free is the guise a network needs: none if nobody in no guise has its ranges.
// When all are taken, or it has an address that cannot be disguised, it gets
// none, and its machines are an [Overlap].
func (g guises) free(own map[networkID][]netip.Prefix, id networkID) guise {
	needs := false
	taken := map[guise]bool{}
	for other, is := range g {
		taken[is] = true
		if is == 0 && slices.ContainsFunc(own[other], func(p netip.Prefix) bool { return slices.ContainsFunc(own[id], p.Overlaps) }) {
			needs = true
		}
	}
	for _, p := range own[id] {
		needs = needs && p.Overlaps(disguisable) && p.Bits() >= disguisable.Bits()
	}
	if needs {
		for is := firstGuise; is <= lastGuise; is++ {
			if !taken[is] {
				return is
			}
		}
	}
	return 0
}

// disguise is n as it appears in the namespace.
func (g guises) disguise(n emulator.Network) emulator.Network {
	out := emulator.Network{Subnets: n.Subnets}
	for _, m := range n.Machines {
		out.Machines = append(out.Machines, g[networkOf(m)].machine(m))
	}
	for _, f := range n.Firewalls {
		f.Ranges = g[networkID{f.Project, f.Network}].ranges(f.Ranges)
		out.Firewalls = append(out.Firewalls, f)
	}
	for _, b := range n.Balancers {
		groups := b.Backends
		b.Backends = nil
		for _, x := range groups {
			all := x.Machines
			x.Machines = nil
			for _, a := range all {
				x.Machines = append(x.Machines, g[networkID{b.Project, x.Network}].on(a))
			}
			b.Backends = append(b.Backends, x)
		}
		out.Balancers = append(out.Balancers, b)
	}
	return out
}

// guiseChains put guises on and off: before everything else, connection
// tracking included, and after everything.
func guiseChains(b *strings.Builder, n emulator.Network) {
	links := map[guise][]string{}
	for _, m := range n.Machines {
		if g := guiseOf(m.NIC.Address); g != 0 {
			links[g] = append(links[g], fmt.Sprintf("%q", machineLink(m.ID)))
		}
	}
	if len(links) == 0 {
		return
	}
	translate := func(name, hook, link string, from, to func(guise) netip.Prefix) {
		chain(b, name, hook, func() {
			for _, g := range slices.Sorted(maps.Keys(links)) {
				for _, field := range []string{"ip saddr", "ip daddr"} {
					line(b, "%s %s %s %s %s set %s & 0.255.255.255 | %s", link, set(links[g]), field, from(g), field, field, to(g).Addr())
				}
			}
		})
	}
	plain := func(guise) netip.Prefix { return disguisable }
	translate("guise-on", "type filter hook prerouting priority -310; policy accept;", "iifname", plain, guise.appears)
	translate("guise-off", "type filter hook postrouting priority 310; policy accept;", "oifname", guise.appears, plain)
}
