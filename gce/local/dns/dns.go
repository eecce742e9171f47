// Package dns is the resolver at 169.254.169.254 in the embedded GCE: Google's
// internal DNS for machines, and nothing else.
//
// It knows <name>.<zone>.c.<project>.internal and <name>.c.<project>.internal
// of machines on the asker's own VPC network, metadata.google.internal, and
// who has which internal address, and the services of Google's that the embedded GCE
// has, as a private zone for googleapis.com. Other names in .internal do not exist.
// There is no way to the internet and so no upstream: every other name is
// REFUSED at once, so that a lookup fails in milliseconds and not in a timeout.
package dns

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"

	// dns: the wire format and a server for UDP and TCP; the standard library
	// has a client only.
	"github.com/miekg/dns"

	"hakube/gce/emulator"
)

// ttl in seconds is small: a machine made again has another address.
const ttl = 5

var (
	metadataName = "metadata.google.internal."
	metadataAddr = netip.MustParseAddr("169.254.169.254")
)

// A Lookup returns, for the address that a question comes from, the network to
// answer from and the asker's address in it. It is called once for each
// question, from many goroutines at once.
type Lookup func(asker netip.Addr) (emulator.Network, netip.Addr)

// A Resolver answers questions from the network that Lookup returns.
type Resolver struct {
	Lookup Lookup
	// Services are names of Google's, and APIs is where they are.
	Services []string
	APIs     netip.Addr
}

// ServeDNS is [dns.Handler].
func (r Resolver) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	// A client that cannot be answered asks again.
	_ = w.WriteMsg(r.answer(q, addrOf(w.RemoteAddr())))
}

// answer is the reply to q asked from an address.
func (r Resolver) answer(q *dns.Msg, asker netip.Addr) *dns.Msg {
	reply := new(dns.Msg)
	reply.SetReply(q)
	reply.RecursionAvailable = true // stub resolvers do not ask on without it
	if opt := q.IsEdns0(); opt != nil {
		reply.SetEdns0(dns.DefaultMsgSize, opt.Do())
	}
	switch {
	case q.Opcode != dns.OpcodeQuery:
		reply.Rcode = dns.RcodeNotImplemented
		return reply
	case len(q.Question) != 1:
		reply.Rcode = dns.RcodeFormatError
		return reply
	}
	ask := q.Question[0]
	name := strings.ToLower(ask.Name)
	if ask.Qclass != dns.ClassINET {
		reply.Rcode = dns.RcodeRefused
		return reply
	}
	zone, records := "", []dns.RR(nil)
	known := false
	switch {
	case slices.Contains(r.Services, strings.TrimSuffix(name, ".")):
		zone, known = "googleapis.com.", true
		if ask.Qtype == dns.TypeA || ask.Qtype == dns.TypeANY {
			records = append(records, &dns.A{Hdr: header(ask.Name, dns.TypeA), A: net.IP(r.APIs.AsSlice())})
		}
	case dns.IsSubDomain("internal.", name):
		zone = "internal."
		var a netip.Addr
		if a, known = r.find(name, asker); known && (ask.Qtype == dns.TypeA || ask.Qtype == dns.TypeANY) {
			records = append(records, &dns.A{Hdr: header(ask.Name, dns.TypeA), A: net.IP(a.AsSlice())})
		}
		// The zones above a machine's name exist and are empty.
		known = known || name == "internal." || name == "google.internal."
	case dns.IsSubDomain("in-addr.arpa.", name):
		a, ok := arpaAddr(name)
		if !ok || !a.IsPrivate() && !a.IsLinkLocalUnicast() {
			break
		}
		zone = "in-addr.arpa."
		var owner string
		if owner, known = r.owner(a, asker); known && (ask.Qtype == dns.TypePTR || ask.Qtype == dns.TypeANY) {
			records = append(records, &dns.PTR{Hdr: header(ask.Name, dns.TypePTR), Ptr: owner})
		}
	}
	switch {
	case zone == "":
		reply.Rcode = dns.RcodeRefused
	case !known:
		reply.Rcode = dns.RcodeNameError
		reply.Ns = soa(zone)
	case len(records) == 0: // the name is there, not with this type
		reply.Ns = soa(zone)
	default:
		reply.Answer = records
	}
	reply.Authoritative = zone != ""
	return reply
}

// find is the address of a name, as the asker's network has it.
func (r Resolver) find(name string, asker netip.Addr) (netip.Addr, bool) {
	if name == metadataName {
		return metadataAddr, true
	}
	var best emulator.Machine
	for _, m := range neighbours(r.Lookup(asker)) {
		zonal, global := names(m)
		// Two machines of one name in two zones share the global name; the
		// older one has it.
		own := strings.ToLower(dns.Fqdn(m.Hostname))
		if name == own || name == zonal && own != global { // one with a global name has no other
			return m.NIC.Address, true
		}
		if name == global && (best.ID == 0 || m.ID < best.ID) {
			best = m
		}
	}
	return best.NIC.Address, best.ID != 0
}

// owner is the name of an address, as the asker's network has it.
func (r Resolver) owner(a, asker netip.Addr) (string, bool) {
	if a == metadataAddr {
		return metadataName, true
	}
	for _, m := range neighbours(r.Lookup(asker)) {
		if m.NIC.Address == a {
			zonal, _ := names(m)
			return dns.Fqdn(cmp.Or(m.Hostname, zonal)), true
		}
	}
	return "", false
}

// neighbours are the machines on the asker's network; none when the asker is
// no machine and no pod of one.
func neighbours(n emulator.Network, asker netip.Addr) []emulator.Machine {
	for _, self := range n.Machines {
		if !owns(self, asker) {
			continue
		}
		var out []emulator.Machine
		for _, m := range n.Machines {
			if m.Project == self.Project && m.NIC.Network == self.NIC.Network && m.NIC.Address.Is4() {
				out = append(out, m)
			}
		}
		return out
	}
	return nil
}

func owns(m emulator.Machine, a netip.Addr) bool {
	if m.NIC.Address == a {
		return true
	}
	for _, p := range m.NIC.Aliases {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// names are m's zonal and its project-wide name.
func names(m emulator.Machine) (zonal, global string) {
	tail := "." + m.Domain() + "."
	return strings.ToLower(m.Name + "." + m.Zone + tail), strings.ToLower(m.Name + tail)
}

// arpaAddr reads 2.0.40.10.in-addr.arpa.
func arpaAddr(name string) (netip.Addr, bool) {
	labels := strings.Split(strings.TrimSuffix(name, ".in-addr.arpa."), ".")
	if len(labels) != 4 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(labels[3] + "." + labels[2] + "." + labels[1] + "." + labels[0])
	return a, err == nil
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

// soa goes with "no": how long it may be remembered.
func soa(zone string) []dns.RR {
	return []dns.RR{&dns.SOA{Hdr: header(zone, dns.TypeSOA), Ns: metadataName, Mbox: "hostmaster.google.internal.",
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: ttl}}
}

func addrOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
