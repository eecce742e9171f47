package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"hakube/gce/emulator"
)

// Addresses that every machine can reach inside the VPC.
var (
	// Metadata is the metadata server (port 80) and the DNS server (53).
	Metadata = netip.MustParseAddr("169.254.169.254")
	// Mirror is the mirror of downloads and images (port 80).
	Mirror = netip.MustParseAddr("169.254.169.252")
	// APIs is where machines find Google's services by name (port 443): the first of
	// private.googleapis.com, which Google leads nowhere but from a VPC.
	APIs = netip.MustParseAddr("199.36.153.8")
	// External is where external addresses come from (TEST-NET-2, RFC 5737).
	// The other two documentation ranges are in use on some hosts.
	External = netip.MustParsePrefix("198.51.100.0/24")
)

// Balancers' probes come from these in turn, one of each range that Google's come
// from: a firewall rule that leaves one out is found out here too.
// (https://cloud.google.com/load-balancing/docs/health-check-concepts#ip-ranges)
var (
	internalProbers = []netip.Addr{netip.MustParseAddr("35.191.0.1"), netip.MustParseAddr("130.211.0.1")}
	externalProbers = []netip.Addr{netip.MustParseAddr("35.191.0.1"), netip.MustParseAddr("209.85.152.1"), netip.MustParseAddr("209.85.204.1")}
)

// Probers are where a balancer's probes come from.
func Probers(internal bool) []netip.Addr {
	if internal {
		return internalProbers
	}
	return externalProbers
}

// AllProbers are where any balancer's probes come from, each once.
func AllProbers() []netip.Addr {
	all := append(slices.Clone(internalProbers), externalProbers...)
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// Services are the addresses the namespace itself answers at.
var Services = []netip.Addr{Mirror, Metadata, APIs}

// InnerHostLink is the VPC's end of the link to the host.
const InnerHostLink = "host0"

// MachineLink is the VPC's end of a machine's link. 14 letters at most, of the
// 15 that Linux allows.
func MachineLink(id uint64) string { return "v" + id36(id) }

func id36(id uint64) string { return strconv.FormatUint(id, 36) }

// Apart is where two networks may have the same addresses.
const Apart = "the embedded GCE can tell networks with the same addresses apart in 10.0.0.0/8 only, and 15 of them"

// An Overlap is two machines that want one address. On Google any two networks
// may use the same range; here all networks share one route table, and those
// that cannot be mapped must differ (mapping.go). The machine with the
// higher ID is left unconnected.
type Overlap struct {
	Range         netip.Prefix
	First, Second emulator.MachineKey
}

func (e *Overlap) Error() string {
	return fmt.Sprintf("connecting instance %q of %s: %s is in use by instance %q; %s",
		e.Second.Name, e.Second.Project, e.Range, e.First.Name, Apart)
}

// Hint says what to do about it.
func (e *Overlap) Hint() string {
	return "give the second cluster other ranges: NODE_IP_RANGE, CLUSTER_IP_RANGE"
}
