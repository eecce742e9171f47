package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"hakube/gce/emulator"
)

// egressChain is asked for connections that a machine of the network begins.
// It returns what may go out: the called machine's network still has its say.
func (w network) egressChain(b *strings.Builder) {
	chain(b, w.chain("egress"), "", func() {
		// Not translated means called by an internal address: those of other
		// networks do not exist for this one.
		// A balancer's is external too, and its connections carry a mark.
		line(b, "ct status & dnat == 0 ct mark 0 ct reply ip saddr != %s drop", set(shown(w.ranges())))
		for _, f := range w.firewalls {
			if !f.Egress {
				continue
			}
			verdict := "return"
			if f.Deny {
				verdict = "drop"
			}
			self, ok := match("ct original ip saddr", w.targets(f))
			own, ok2 := match("ct original ip saddr", ranges(f.Own))
			// Egress is judged by the address called, before translation.
			other, ok3 := match("ct original ip daddr", ranges(f.Ranges))
			if ok && ok2 && ok3 {
				w.rule(b, f, self+own+other, verdict)
			}
		}
	})
}

// ingressChain is asked for connections to a machine of the network. What it
// does not accept is dropped.
func (w network) ingressChain(b *strings.Builder) {
	chain(b, w.chain("ingress"), "", func() {
		w.ingressRules(b, func(f emulator.Firewall) (string, bool) { return match("ct reply ip saddr", w.targets(f)) })
	})
}

// ingressRules writes the ingress rules; called is the condition that the
// machine called is one a rule is about.
func (w network) ingressRules(b *strings.Builder, called func(emulator.Firewall) (string, bool)) {
	for _, f := range w.firewalls {
		if f.Egress {
			continue
		}
		verdict := "accept"
		if f.Deny {
			verdict = "drop"
		}
		self, ok := called(f)
		// The address called is the machine's internal one, whatever external
		// one it was called by, or a balancer's, which stays as it is.
		own, ok2 := match("ct reply ip saddr", ranges(f.Own))
		// The caller as the called sees it: after translation.
		other, ok3 := match("ct reply ip daddr", w.sources(f))
		if ok && ok2 && ok3 {
			w.rule(b, f, self+own+other, verdict)
		}
	}
}

// rule writes a line for each protocol of f.
func (w network) rule(b *strings.Builder, f emulator.Firewall, who, verdict string) {
	for _, p := range f.Allowed {
		what, ok := protocol(p)
		if ok {
			line(b, "%s%s%s comment %q", who, what, verdict, f.Name)
		}
	}
}

// match is the condition that field is in ranges, "" for all addresses. Not ok
// means that nothing can fit it.
func match(field string, in []netip.Prefix) (string, bool) {
	in = Merge(in)
	switch {
	case len(in) == 0:
		return "", false
	case in[0] == Whole:
		return "", true
	}
	return field + " " + set(shown(in)) + " ", true
}

// targets are the addresses of the machines f is about, aliases included.
func (w network) targets(f emulator.Firewall) []netip.Prefix {
	if len(f.TargetTags) == 0 {
		return []netip.Prefix{Whole} // the chain is for this network only
	}
	var out []netip.Prefix
	for _, m := range w.machines {
		if tagged(m, f.TargetTags) {
			out = append(out, OwnRanges(m)...)
		}
	}
	return out
}

// sources are f's source ranges and the primary addresses of the machines with
// one of its source tags: aliases and external addresses carry no tag.
func (w network) sources(f emulator.Firewall) []netip.Prefix {
	if len(f.SourceTags) == 0 {
		return ranges(f.Ranges)
	}
	out := slices.Clone(f.Ranges)
	for _, m := range w.machines {
		if tagged(m, f.SourceTags) {
			out = append(out, One(m.NIC.Address))
		}
	}
	return out
}

// ranges are a rule's ranges; one that names nobody is about everybody.
func ranges(named []netip.Prefix) []netip.Prefix {
	if len(named) == 0 {
		return []netip.Prefix{Whole}
	}
	return named
}

func tagged(m emulator.Machine, tags []string) bool {
	return slices.ContainsFunc(tags, func(t string) bool { return slices.Contains(m.Tags, t) })
}

// known are the protocols nft names by itself, without the host's
// /etc/protocols, by their names and numbers.
var known = map[string]string{
	"icmp": "icmp", "tcp": "tcp", "udp": "udp", "esp": "esp", "ah": "ah", "sctp": "sctp", "ipip": "4",
	"1": "icmp", "6": "tcp", "17": "udp", "50": "esp", "51": "ah", "132": "sctp",
}

// protocol is the condition for one entry of a rule, "" for everything. The
// port called is where answers come from, whatever was translated. Not ok means
// an entry that cannot be understood: it opens nothing.
func protocol(p emulator.Protocol) (string, bool) {
	name := strings.ToLower(p.Name)
	if name == "all" {
		return "", true
	}
	number, ok := known[name]
	if !ok {
		n, err := strconv.ParseUint(name, 10, 8)
		if err != nil {
			return "", false
		}
		number = strconv.FormatUint(n, 10)
	}
	return portsOf(number, "ct reply proto-src", p.Ports)
}

// portsOf is the condition for a protocol and some of its ports, all if none are
// named. field is where the port is. Not ok means ports that cannot be understood.
func portsOf(number, field string, specs []string) (string, bool) {
	cond := fmt.Sprintf("meta l4proto %s ", number)
	if len(specs) == 0 {
		return cond, true
	}
	var list []string
	for _, r := range ports(specs) {
		list = append(list, r.String())
	}
	if len(list) == 0 {
		return "", false
	}
	return cond + field + " " + set(list) + " ", true
}
