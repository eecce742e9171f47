package vpc

import (
	"fmt"
	"net/netip"
	"strconv"

	"hakube/gce/emulator"
)

// Addresses that every machine can reach inside the VPC.
var (
	// Metadata is the metadata server (port 80) and the DNS server (53).
	Metadata = netip.MustParseAddr("169.254.169.254")
	// Mirror is the mirror of downloads and images (port 80).
	Mirror = netip.MustParseAddr("169.254.169.252")
	// Prober is where balancers' probes come from, of the ranges Google's come
	// from: 35.191.0.0/16 is the one all of its balancers have.
	Prober = netip.MustParseAddr("35.191.0.1")
	// External is where external addresses come from (TEST-NET-2, RFC 5737).
	// The other two documentation ranges are in use on some hosts.
	External = netip.MustParsePrefix("198.51.100.0/24")
)

// services are the addresses the namespace itself answers at.
var services = []netip.Addr{Mirror, Metadata}

// links are the pairs of addresses (host, VPC) for the link between them: the
// first pair that is free on the host is taken. They are from the range for
// benchmarks (RFC 2544), where nothing else should be but tunnels of some
// proxies are, and at last from the given-up 6to4 range (RFC 7526). Several,
// because tests run beside a VPC in use.
func links() [][2]netip.Addr {
	var pairs [][2]netip.Addr
	add := func(a, b, c byte) {
		pairs = append(pairs, [2]netip.Addr{netip.AddrFrom4([4]byte{a, b, c, 1}), netip.AddrFrom4([4]byte{a, b, c, 2})})
	}
	for c := byte(172); c < 180; c++ {
		add(198, 18, c)
	}
	for c := byte(172); c < 180; c++ {
		add(198, 19, c)
	}
	add(192, 88, 99)
	return pairs
}

// Options say under which names a VPC lives.
type Options struct {
	// Prefix starts every name in the kernel: namespaces PREFIX-vpc and
	// PREFIX-<id>, the host's link PREFIX0. "" is "hakube". Tests use their
	// own, so that they leave a VPC in use alone. At most 10 letters.
	Prefix string
}

func (o Options) prefix() string {
	if o.Prefix == "" {
		return "hakube"
	}
	return o.Prefix
}

func (o Options) vpcNS() string { return o.prefix() + "-vpc" }

func (o Options) machineNS(id uint64) string { return o.prefix() + "-" + id36(id) }

// hostLink is the host's end of the link to the VPC.
func (o Options) hostLink() string { return o.prefix() + "0" }

// innerHostLink is the VPC's end of it.
const innerHostLink = "host0"

// machineLink is the VPC's end of a machine's link. 14 letters at most, of the
// 15 that Linux allows.
func machineLink(id uint64) string { return "v" + id36(id) }

func id36(id uint64) string { return strconv.FormatUint(id, 36) }

// apart is where two networks may have the same addresses.
const apart = "the embedded GCE can tell networks with the same addresses apart in 10.0.0.0/8 only, and 15 of them"

// An Overlap is two machines that want one address. On Google any two networks
// may use the same range; here all networks share one route table, and those
// that cannot be disguised in it must differ (guise.go). The machine with the
// higher ID is left unconnected.
type Overlap struct {
	Range         netip.Prefix
	First, Second emulator.MachineKey
}

func (e *Overlap) Error() string {
	return fmt.Sprintf("connecting instance %q of %s: %s is in use by instance %q; %s",
		e.Second.Name, e.Second.Project, e.Range, e.First.Name, apart)
}

// Hint says what to do about it.
func (e *Overlap) Hint() string {
	return "give the second cluster other ranges: NODE_IP_RANGE, CLUSTER_IP_RANGE"
}
