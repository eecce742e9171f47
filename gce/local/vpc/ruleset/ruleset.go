package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hakube/gce/emulator"
)

// Table is the nftables table in the namespace, all of it ours.
const Table = "hakube"

// network is one VPC network with what is on it.
type network struct {
	project, name string
	machines      []emulator.Machine
	firewalls     []emulator.Firewall // in the order they are asked
}

// chain names a chain of the network. A project may hold a colon, which nft
// does not take.
func (w network) chain(direction string) string {
	return direction + "-" + strings.ReplaceAll(w.project, ":", "_") + "/" + w.name
}

func (w network) ranges() []netip.Prefix {
	var all []netip.Prefix
	for _, m := range w.machines {
		all = append(all, OwnRanges(m)...)
	}
	return Merge(all)
}

// networks sorts a settled n by network; those without machines have no traffic.
func networks(n emulator.Network) []network {
	var out []network
	for _, m := range n.Machines {
		i := slices.IndexFunc(out, func(w network) bool { return w.project == m.Project && w.name == m.NIC.Network })
		if i < 0 {
			i, out = len(out), append(out, network{project: m.Project, name: m.NIC.Network})
		}
		out[i].machines = append(out[i].machines, m)
	}
	slices.SortFunc(out, func(a, b network) int {
		return strings.Compare(a.project+"\x00"+a.name, b.project+"\x00"+b.name)
	})
	for i := range out {
		for _, f := range n.Firewalls {
			if f.Project == out[i].project && f.Network == out[i].name {
				out[i].firewalls = append(out[i].firewalls, f)
			}
		}
	}
	return out
}

// Text is the whole table for a settled n, as nft -f reads it: the old one
// goes and the new one comes in one transaction. host is the address the host
// is seen as.
func Text(n emulator.Network, host netip.Addr, pools []Pool) string {
	var b strings.Builder
	// A table must be there to be deleted.
	fmt.Fprintf(&b, "table ip %[1]s\ndelete table ip %[1]s\ntable ip %[1]s {\n", Table)
	mappingChains(&b, n)
	spoofChain(&b, n, host, pools)
	balanceChains(&b, n, pools)
	natChains(&b, n, pools)
	localChains(&b, n, pools)
	nets := networks(n)
	var balanced []string
	for _, w := range nets {
		w.egressChain(&b)
		w.ingressChain(&b)
		if w.balancedChain(&b, pools) {
			balanced = append(balanced, w.balanced(pools)...)
		}
	}
	firewallChain(&b, n, nets, balanced)
	b.WriteString("}\n")
	return b.String()
}

// line writes one indented rule.
func line(b *strings.Builder, format string, args ...any) {
	fmt.Fprintf(b, "\t\t"+format+"\n", args...)
}

func chain(b *strings.Builder, name, hook string, rules func()) {
	fmt.Fprintf(b, "\tchain %s {\n", name)
	if hook != "" {
		line(b, "%s", hook)
	}
	rules()
	b.WriteString("\t}\n")
}

// spoofChain lets in only what its link may send, before anything else looks
// at it. From here on a source address says who sends.
func spoofChain(b *strings.Builder, n emulator.Network, host netip.Addr, pools []Pool) {
	chain(b, "spoof", "type filter hook prerouting priority -300; policy drop;", func() {
		line(b, `iifname "lo" accept`)
		var own []string
		for _, m := range n.Machines {
			for _, p := range append(Merge(OwnRanges(m)), OwnVIPs(m, pools)...) {
				own = append(own, fmt.Sprintf("%q . %s", MachineLink(m.ID), Show(p)))
			}
		}
		if len(own) > 0 {
			line(b, "iifname . ip saddr %s accept", set(own))
		}
		if ext := Externals(n); len(ext) > 0 {
			line(b, "iifname %q ip saddr %s ip daddr %s accept", InnerHostLink, host, set(addrs(ext)))
		}
		line(b, "iifname %q reject with icmp host-unreachable", InnerHostLink)
	})
}

func addrs(as []netip.Addr) []string {
	var s []string
	for _, a := range as {
		s = append(s, a.String())
	}
	return s
}

// natChains translate external addresses 1:1. Only the machine's primary
// address has one, aliases do not.
func natChains(b *strings.Builder, n emulator.Network, pools []Pool) {
	var in, out []string
	for _, m := range n.Machines {
		if m.NIC.External.Is4() {
			in = append(in, fmt.Sprintf("%s : %s", m.NIC.External, m.NIC.Address))
			out = append(out, fmt.Sprintf("%s : %s", m.NIC.Address, m.NIC.External))
		}
	}
	chain(b, "in-nat", "type nat hook prerouting priority -100; policy accept;", func() {
		if len(in) > 0 {
			line(b, "dnat to ip daddr map %s", set(in))
		}
	})
	chain(b, "out-nat", "type nat hook postrouting priority 100; policy accept;", func() {
		// A machine that calls an external address is seen there by its own external address.
		if len(out) > 0 {
			line(b, "ct status dnat snat to ip saddr map %s", set(out))
			if vips := external(pools); len(vips) > 0 {
				line(b, "ip daddr %s snat to ip saddr map %s", set(addrs(vips)), set(out))
			}
		}
	})
}

// localChains are about the namespace's own addresses, and refuse at once what
// on Google would be lost on the way.
func localChains(b *strings.Builder, n emulator.Network, pools []Pool) {
	chain(b, "input", "type filter hook input priority 0; policy drop;", func() {
		line(b, "ip daddr %s accept", set(addrs(Services)))
		// Answers to what the namespace itself has asked.
		line(b, "ct direction reply accept")
		line(b, "ct state related accept")
	})
	chain(b, "forward", "type filter hook forward priority 0; policy accept;", func() {
		line(b, "oifname %q ct direction original reject with icmp admin-prohibited", InnerHostLink)
		line(b, "iifname != %q ct direction original ct status dnat %sreject with icmp net-unreachable", InnerHostLink, withoutExternal(n))
		if len(pools) > 0 {
			// A balancer's address answers and never calls. Above all, an answer
			// whose connection is forgotten must not be taken for a call.
			line(b, "ct direction original ip saddr %s drop", set(addrs(vips(pools))))
		}
	})
}

// withoutExternal is the condition that a packet's sender has no external
// address of its own, and so no way to one: neither a machine without an access
// config nor an alias has anything to be seen as.
func withoutExternal(n emulator.Network) string {
	var callers []string
	for _, m := range n.Machines {
		if m.NIC.External.Is4() {
			callers = append(callers, m.NIC.Address.String())
		}
	}
	if len(callers) == 0 {
		return ""
	}
	return "ip saddr != " + set(callers) + " "
}

// firewallChain judges every packet, of both directions, by its connection: by
// who began it (original source) and by who is called, as called and answering
// after translation (reply). It comes after all translation, when both are
// known, and before a new connection is remembered.
func firewallChain(b *strings.Builder, n emulator.Network, nets []network, balanced []string) {
	chain(b, "firewall", "type filter hook postrouting priority 110; policy drop;", func() {
		line(b, "ip saddr %s accept", set(addrs(Services)))
		line(b, "meta l4proto icmp fib saddr type local accept")
		// An external address that has moved takes its connections along.
		var in, out, callers, called []string
		for _, m := range n.Machines {
			if m.NIC.External.Is4() {
				in = append(in, fmt.Sprintf("%s . %s", m.NIC.External, m.NIC.Address))
				out = append(out, fmt.Sprintf("%s . %s", m.NIC.Address, m.NIC.External))
			}
		}
		unless := func(what string, pairs []string) string {
			if len(pairs) == 0 {
				return ""
			}
			return what + " != " + set(pairs) + " "
		}
		line(b, "ct status dnat %sdrop", unless("ct original ip daddr . ct reply ip saddr", in))
		line(b, "ct status snat %sdrop", unless("ct original ip saddr . ct reply ip daddr", out))
		line(b, "ct state related accept")
		for _, w := range nets {
			for _, p := range w.ranges() {
				callers = append(callers, fmt.Sprintf("%s : jump %s", Show(p), w.chain("egress")))
				called = append(called, fmt.Sprintf("%s : goto %s", Show(p), w.chain("ingress")))
			}
		}
		if len(callers) > 0 {
			line(b, "ct original ip saddr vmap %s", set(callers))
			line(b, "ct reply ip saddr vmap %s", set(called))
		}
		if len(balanced) > 0 {
			line(b, "ct reply ip saddr . ct mark vmap %s", set(balanced))
		}
	})
}
