package dns

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"hakube/gce/emulator"
)

func machine(id uint64, project, zone, name, network, address string, aliases ...string) emulator.Machine {
	m := emulator.Machine{
		MachineKey: emulator.MachineKey{Project: project, Zone: zone, Name: name, ID: id},
		NIC:        emulator.NIC{Network: network, Address: netip.MustParseAddr(address)},
	}
	for _, a := range aliases {
		m.NIC.Aliases = append(m.NIC.Aliases, netip.MustParsePrefix(a))
	}
	return m
}

func network() emulator.Network {
	named := machine(6, "p", "b", "named", "default", "10.40.0.6")
	named.Hostname = "db.example.internal"
	global := machine(7, "p", "b", "global", "default", "10.40.0.7")
	global.Hostname = "global.c.p.internal"
	return emulator.Network{Machines: []emulator.Machine{
		machine(5, "p", "c", "m", "default", "10.40.0.5"),
		machine(2, "p", "b", "m", "default", "10.40.0.2", "10.64.1.0/24"),
		machine(3, "p", "b", "other", "second", "10.50.0.2"),
		machine(4, "domain.com:q", "b", "m", "default", "10.60.0.2"),
		named, global,
		// Asks over loopback.
		machine(9, "p", "b", "tester", "default", "127.0.0.1"),
	}}
}

func lookup(asker netip.Addr) (emulator.Network, netip.Addr) { return network(), asker }

func TestAnswers(t *testing.T) {
	r := Resolver{Lookup: lookup, Services: []string{"compute.googleapis.com"}, APIs: netip.MustParseAddr("199.36.153.8")}
	const node, pod, second, scoped, stranger = "10.40.0.2", "10.64.1.7", "10.50.0.2", "10.60.0.2", "198.18.172.1"
	for _, c := range []struct {
		asker, name string
		kind        uint16
		want        string
	}{
		{node, "m.b.c.p.internal.", dns.TypeA, "10.40.0.2"},
		{node, "m.c.c.p.internal.", dns.TypeA, "10.40.0.5"},
		{node, "M.C.c.P.Internal.", dns.TypeA, "10.40.0.5"},
		{node, "m.c.p.internal.", dns.TypeA, "10.40.0.2"}, // the older one
		{pod, "m.b.c.p.internal.", dns.TypeA, "10.40.0.2"},
		{node, "m.b.c.p.internal.", dns.TypeAAAA, "NOERROR"},
		{node, "db.example.internal.", dns.TypeA, "10.40.0.6"},
		{node, "global.c.p.internal.", dns.TypeA, "10.40.0.7"},
		{node, "global.b.c.p.internal.", dns.TypeA, "NXDOMAIN"}, // as its project has it
		{node, "7.0.40.10.in-addr.arpa.", dns.TypePTR, "global.c.p.internal."},
		{node, "none.b.c.p.internal.", dns.TypeA, "NXDOMAIN"},
		{node, "other.b.c.p.internal.", dns.TypeA, "NXDOMAIN"}, // another network
		{second, "other.b.c.p.internal.", dns.TypeA, "10.50.0.2"},
		{scoped, "m.b.c.q.domain.com.internal.", dns.TypeA, "10.60.0.2"},
		{stranger, "m.b.c.p.internal.", dns.TypeA, "NXDOMAIN"},
		{stranger, "metadata.google.internal.", dns.TypeA, "169.254.169.254"},
		{node, "google.internal.", dns.TypeA, "NOERROR"},
		{node, "2.0.40.10.in-addr.arpa.", dns.TypePTR, "m.b.c.p.internal."},
		{node, "6.0.40.10.in-addr.arpa.", dns.TypePTR, "db.example.internal."},
		{node, "254.169.254.169.in-addr.arpa.", dns.TypePTR, "metadata.google.internal."},
		{node, "2.0.40.10.in-addr.arpa.", dns.TypeA, "NOERROR"},
		{node, "77.0.40.10.in-addr.arpa.", dns.TypePTR, "NXDOMAIN"},
		{node, "2.0.50.10.in-addr.arpa.", dns.TypePTR, "NXDOMAIN"},
		{node, "8.8.8.8.in-addr.arpa.", dns.TypePTR, "REFUSED"},
		{node, "x.in-addr.arpa.", dns.TypePTR, "REFUSED"},
		{node, "compute.googleapis.com.", dns.TypeA, "199.36.153.8"},
		{pod, "Compute.GoogleAPIs.com.", dns.TypeA, "199.36.153.8"},
		{node, "compute.googleapis.com.", dns.TypeAAAA, "NOERROR"},
		{node, "storage.googleapis.com.", dns.TypeA, "REFUSED"},
		{node, "registry.k8s.io.", dns.TypeA, "REFUSED"},
		{node, "internal.example.com.", dns.TypeA, "REFUSED"},
		{node, ".", dns.TypeNS, "REFUSED"},
	} {
		q := new(dns.Msg).SetQuestion(c.name, c.kind)
		reply := r.answer(q, netip.MustParseAddr(c.asker))
		if got := told(reply); got != c.want {
			t.Errorf("%s asks for %s %s: %s, want %s", c.asker, c.name, dns.TypeToString[c.kind], got, c.want)
		}
		if !reply.RecursionAvailable || reply.Id != q.Id || reply.Question[0].Name != c.name {
			t.Errorf("%s: reply does not fit the question: %v", c.name, reply)
		}
		if no := reply.Rcode == dns.RcodeNameError || c.want == "NOERROR"; no != (len(reply.Ns) == 1) {
			t.Errorf("%s: %d records in authority", c.name, len(reply.Ns))
		}
	}
}

func told(m *dns.Msg) string {
	if len(m.Answer) == 0 {
		return dns.RcodeToString[m.Rcode]
	}
	switch rr := m.Answer[0].(type) {
	case *dns.A:
		return rr.A.String()
	case *dns.PTR:
		return rr.Ptr
	}
	return fmt.Sprint(m.Answer)
}

func TestOddQuestions(t *testing.T) {
	r := Resolver{Lookup: lookup}
	notify := new(dns.Msg).SetNotify("internal.")
	two := new(dns.Msg).SetQuestion("m.b.c.p.internal.", dns.TypeA)
	two.Question = append(two.Question, two.Question[0])
	chaos := new(dns.Msg).SetQuestion("version.bind.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	for q, want := range map[*dns.Msg]int{notify: dns.RcodeNotImplemented, two: dns.RcodeFormatError, chaos: dns.RcodeRefused} {
		if got := r.answer(q, netip.Addr{}).Rcode; got != want {
			t.Errorf("%v: %s, want %s", q.Question, dns.RcodeToString[got], dns.RcodeToString[want])
		}
	}
}

func TestServe(t *testing.T) {
	p, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Serve(Resolver{Lookup: lookup}, p, l)
	if err != nil {
		t.Fatal(err)
	}
	for proto, addr := range map[string]net.Addr{"udp": p.LocalAddr(), "tcp": l.Addr()} {
		q := new(dns.Msg).SetQuestion("m.b.c.p.internal.", dns.TypeA)
		q.SetEdns0(1232, false)
		reply, _, err := (&dns.Client{Net: proto, Timeout: time.Minute}).Exchange(q, addr.String())
		if err != nil || told(reply) != "10.40.0.2" || reply.IsEdns0() == nil {
			t.Errorf("%s: %v, %v", proto, reply, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp4", l.Addr().String()); err == nil {
		t.Error("still listening")
	}
}
