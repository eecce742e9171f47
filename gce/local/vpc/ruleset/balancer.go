package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hakube/gce/emulator"
)

// hashSeed is fixed, so that an affinity outlives a change of the rules: the
// kernel makes a new seed for each rule that names none.
const hashSeed = 0x68616b75

// healthySet is the set that holds the verdicts: nothing asks it but the next
// process, which goes on with them.
const healthySet = "healthy"

// balanceChains give each packet to a balancer's address the mark of the
// machine it is for. The mark of a new connection is kept with it, and comes
// back for packets of the calling direction only: answers go to the caller.
func balanceChains(b *strings.Builder, n emulator.Network, pools []Pool) {
	if len(pools) == 0 {
		return
	}
	fmt.Fprintf(b, "\tset %s {\n", healthySet)
	line(b, "type ipv4_addr . ipv4_addr")
	var well []string
	for _, p := range pools {
		for _, a := range p.Healthy {
			well = append(well, fmt.Sprintf("%s . %s", p.Address, a))
		}
	}
	if slices.Sort(well); len(well) > 0 {
		line(b, "elements = %s", set(slices.Compact(well)))
	}
	b.WriteString("\t}\n")
	chain(b, "balance", "type filter hook prerouting priority -150; policy accept;", func() {
		line(b, "ct direction reply accept")
		line(b, "ct mark != 0 meta mark set ct mark accept")
		var to []string
		for _, a := range vips(pools) {
			to = append(to, fmt.Sprintf("%s : goto balance-%s", a, a))
		}
		line(b, "ip daddr vmap %s", set(to))
	})
	for _, a := range vips(pools) {
		addressChain(b, n, a, pools)
	}
	for _, p := range pools {
		p.pickChain(b)
	}
	chain(b, "probes", "type filter hook output priority -150; policy accept;", func() {
		line(b, "ip saddr %s meta mark != 0 ct mark set meta mark", set(addrs(AllProbers())))
	})
}

// addressChain is for new connections to a balancer's address.
func addressChain(b *strings.Builder, n emulator.Network, a netip.Addr, pools []Pool) {
	chain(b, "balance-"+a.String(), "", func() {
		for _, m := range n.Machines {
			self := slices.ContainsFunc(pools, func(p Pool) bool { return p.Address == a && slices.Contains(p.Members, m.NIC.Address) })
			if self { // whatever a backend sends there comes back to it
				line(b, "iifname %q meta mark set 0x%08x ct mark set meta mark accept", MachineLink(m.ID), Mark(m.NIC.Address))
			}
		}
		if i := slices.IndexFunc(pools, func(p Pool) bool { return p.Address == a }); pools[i].Network == "" {
			line(b, "iifname != %q %sreject with icmp net-unreachable", InnerHostLink, withoutExternal(n))
		}
		for _, p := range pools {
			what, ok := p.ports()
			who, known := p.callers(n)
			if ok && known && p.Address == a {
				line(b, "%s%sgoto %s", who, what, p.chain())
			}
		}
		line(b, "reject with icmp port-unreachable")
	})
}

// callers is the condition for who may call: of an internal balancer the machines
// and pods of its network, and of its region unless it is global. Not ok means that
// there is nobody.
func (p Pool) callers(n emulator.Network) (cond string, ok bool) {
	if p.Network == "" {
		return "", true
	}
	var own []netip.Prefix
	for _, m := range n.Machines {
		if NetworkOf(m) == (NetworkID{p.Project, p.Network}) && (p.Global || strings.HasPrefix(m.Zone, p.Region+"-")) {
			own = append(own, OwnRanges(m)...)
		}
	}
	return match("ip saddr", own)
}

// ports is the condition for what the forwarding rule forwards. Not ok means
// one that cannot be understood: it forwards nothing.
func (p Pool) ports() (string, bool) {
	if p.Protocol == AllProtocols {
		return "", true
	}
	number, ok := known[strings.ToLower(p.Protocol)]
	if !ok {
		return "", false
	}
	return portsOf(number, "th dport", p.Ports)
}

// AllProtocols is the protocol of a rule that forwards all of them, which comes after
// those of the same address that name one.
const AllProtocols = "L3_DEFAULT"

func (p Pool) chain() string {
	return "balancer-" + strings.ReplaceAll(p.Project, ":", "_") + "/" + p.Region + "/" + p.Name
}

// pickChain picks a machine for a new connection.
func (p Pool) pickChain(b *strings.Builder) {
	chain(b, p.chain(), "", func() {
		switch len(p.Picks) {
		case 0:
			line(b, "reject with icmp host-unreachable")
			return
		case 1: // nft has no hash modulo 1
			line(b, "meta mark set 0x%08x", Mark(p.Picks[0]))
		default:
			by := "ip saddr . th sport . ip daddr . th dport . meta l4proto"
			switch p.Affinity {
			case "CLIENT_IP_NO_DESTINATION":
				by = "ip saddr"
			case "CLIENT_IP":
				by = "ip saddr . ip daddr"
			case "CLIENT_IP_PROTO":
				by = "ip saddr . ip daddr . meta l4proto"
			}
			var to []string
			for i, a := range p.Picks {
				to = append(to, fmt.Sprintf("%d : 0x%08x", i, Mark(a)))
			}
			line(b, "meta mark set jhash %s mod %d seed 0x%x map %s", by, len(to), hashSeed, set(to))
		}
		line(b, "ct mark set meta mark")
	})
}

// vips are the balancers' addresses, sorted.
func vips(pools []Pool) []netip.Addr {
	return vipsOf(pools, func(Pool) bool { return true })
}

// external are those of external balancers.
func external(pools []Pool) []netip.Addr {
	return vipsOf(pools, func(p Pool) bool { return p.Network == "" })
}

func vipsOf(pools []Pool, which func(Pool) bool) []netip.Addr {
	var out []netip.Addr
	for _, p := range pools {
		if which(p) {
			out = append(out, p.Address)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// OwnVIPs are the balancers' addresses m answers from.
func OwnVIPs(m emulator.Machine, pools []Pool) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range pools {
		if slices.Contains(p.Kept(), m.NIC.Address) {
			out = append(out, One(p.Address))
		}
	}
	return Merge(out)
}

// balancedChain is ingressChain for connections by a balancer: the machine
// called is told by their mark. Not ok when no machine of w is behind one.
func (w network) balancedChain(b *strings.Builder, pools []Pool) (ok bool) {
	var behind []emulator.Machine
	for _, m := range w.machines {
		if len(OwnVIPs(m, pools)) > 0 {
			behind = append(behind, m)
		}
	}
	if len(behind) == 0 {
		return false
	}
	chain(b, w.chain("balanced"), "", func() {
		w.ingressRules(b, func(f emulator.Firewall) (string, bool) {
			var marks []string
			for _, m := range behind {
				if len(f.TargetTags) == 0 {
					return "", true
				}
				if tagged(m, f.TargetTags) {
					marks = append(marks, fmt.Sprintf("0x%08x", Mark(m.NIC.Address)))
				}
			}
			if len(marks) == 0 {
				return "", false
			}
			return "ct mark " + set(marks) + " ", true
		})
	})
	return true
}

// balanced are the elements that lead connections by a balancer to the rules of
// the machine's network.
func (w network) balanced(pools []Pool) []string {
	var out []string
	for _, m := range w.machines {
		for _, a := range OwnVIPs(m, pools) {
			out = append(out, fmt.Sprintf("%s . 0x%08x : goto %s", Show(a), Mark(m.NIC.Address), w.chain("balanced")))
		}
	}
	return out
}
