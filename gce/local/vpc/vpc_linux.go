package vpc

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	// netlink: links, addresses, routes and conntrack without the ip and
	// conntrack programs, whose output is not made for machines.
	"github.com/vishvananda/netlink"
	// netns: the same namespaces that ip netns names, so that people can look.
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/ruleset"
)

// A VPC is the network behind the embedded GCE. All of it is in the kernel:
// a process that dies leaves it as it is, and the next one's New adopts it.
// Methods may be called from several goroutines.
type VPC struct {
	names Options
	ns    netns.NsHandle
	in    *netlink.Handle // inside ns: routes and conntrack
	host  netip.Addr      // the host as machines see it
	inner netip.Addr      // the VPC's end of the link to it
	nft   string          // path of the program

	mu       sync.Mutex // over changes, and over the following
	mappings ruleset.Mappings
	now      emulator.Network // as last synced, mapped and settled
	loaded   string           // the rules in effect, "" when not all went well
	behind   []ruleset.Pool   // the balancers in effect
	drains   ruleset.Drains
	timer    *time.Timer // wakes up when a drain is over; nil before the first
	closed   bool

	plain atomic.Pointer[ruleset.View] // as last synced, for those who ask from inside

	running sync.WaitGroup // probes
	health  sync.Mutex     // over the following; taken last, never held for long
	probes  map[probed]*probe
	// verdicts are by backend, so that they outlive a change of the probe.
	verdicts map[probed]ruleset.Verdict
	failed   error // of the last refresh
}

// New makes the namespace and the host's link to it, or adopts those that are
// there: links, rules and open connections of an earlier process stay. Fresh
// ones let nothing through until the first Sync.
func New(o Options) (_ *VPC, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("making the machines' network: needs root (or use model machines)")
	}
	v := &VPC{names: o, ns: netns.None(), mappings: ruleset.Mappings{}, probes: map[probed]*probe{}, verdicts: map[probed]ruleset.Verdict{}}
	defer func() {
		if err != nil {
			err = fmt.Errorf("making the machines' network: %w", errors.Join(err, v.Close()))
		}
	}()
	if v.nft, err = exec.LookPath("nft"); err != nil {
		return nil, fmt.Errorf("finding nft (package nftables): %w", err)
	}
	if err := externalIsFree(); err != nil {
		return nil, err
	}
	if v.ns, err = o.ensureRecordedNS(o.vpcNS()); err != nil {
		return nil, err
	}
	if v.in, err = netlink.NewHandleAt(v.ns, unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER); err != nil {
		return nil, fmt.Errorf("opening netlink in %s: %w", o.vpcNS(), err)
	}
	if err := v.ensureInside(); err != nil {
		return nil, err
	}
	if v.host, v.inner, err = ensureHostLink(o, v.ns, v.in); err != nil {
		return nil, err
	}
	if !v.hasRules() {
		if err := v.firstRules(); err != nil {
			return nil, err
		}
	}
	// Last: nothing is forwarded before there are rules.
	if err := sysctls(v.ns, map[string]string{"net/ipv4/ip_forward": "1"}); err != nil {
		return nil, err
	}
	return v, nil
}

// firstRules lets nothing through. It also finds out now, and not with the
// first machine, whether this kernel and this nft know all that rules are made of.
func (v *VPC) firstRules() error {
	a := netip.MustParseAddr
	member := a("10.0.0.2")
	probe := emulator.Network{
		Machines: []emulator.Machine{{
			MachineKey: emulator.MachineKey{Project: "p", ID: 1}, Tags: []string{"t"},
			NIC: emulator.NIC{Network: "n", Address: member, External: a("198.51.100.1"), Aliases: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}},
		}, {
			MachineKey: emulator.MachineKey{Project: "p", ID: 2}, NIC: emulator.NIC{Network: "m", Address: ruleset.FirstMapping.Address(member)},
		}},
		Balancers: []emulator.Balancer{{Project: "p", Region: "r", Name: "b", Address: a("198.51.100.2"), Protocol: "TCP", Ports: []string{"1-2"}}},
		Firewalls: []emulator.Firewall{{Project: "p", Network: "n", Name: "f", SourceTags: []string{"t"},
			Allowed: []emulator.Protocol{{Name: "tcp", Ports: []string{"1-2", "4"}}}}},
	}
	two := []netip.Addr{member, a("10.0.0.3")}
	behind := []ruleset.Pool{{Balancer: probe.Balancers[0], Members: two, Picks: two, Healthy: two}}
	if err := v.load(ruleset.Text(probe, v.host, behind), "-c"); err != nil {
		return fmt.Errorf("trying whether this kernel has all that is needed of nftables: %w", err)
	}
	return v.load(ruleset.Text(emulator.Network{}, v.host, nil))
}

// Close lets go of the network and leaves it in the kernel, where connections
// go on, but nobody is probed. Listeners are their callers' to close.
func (v *VPC) Close() error {
	v.mu.Lock()
	v.closed = true
	if v.timer != nil {
		v.timer.Stop()
	}
	v.syncProbes(nil)
	v.mu.Unlock()
	v.running.Wait() // not under the lock: a probe may be about to refresh
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.in != nil {
		v.in.Close()
		v.in = nil
	}
	if v.ns.IsOpen() {
		return v.ns.Close()
	}
	return nil
}

// ensureInside makes what the namespace has of its own: switches, and the
// services' addresses on lo (not every kernel has dummy links).
func (v *VPC) ensureInside() error {
	err := sysctls(v.ns, map[string]string{
		"net/ipv4/conf/all/rp_filter":          "0", // the rules know better who may send what
		"net/ipv4/conf/default/rp_filter":      "0",
		"net/ipv4/conf/all/send_redirects":     "0", // a machine calling its own external address comes back on its own link
		"net/ipv4/conf/default/send_redirects": "0",
		"net/ipv4/conf/all/accept_redirects":   "0",
		"net/ipv4/icmp_ratelimit":              "0", // each refusal is told, not one a second
		"net/ipv6/conf/all/disable_ipv6":       "1",
		"net/ipv6/conf/default/disable_ipv6":   "1",
	})
	if err != nil {
		return err
	}
	lo, err := v.in.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding lo in %s: %w", v.names.vpcNS(), err)
	}
	if err := v.in.LinkSetUp(lo); err != nil {
		return fmt.Errorf("setting lo up in %s: %w", v.names.vpcNS(), err)
	}
	for _, a := range append(slices.Clone(ruleset.Services), ruleset.AllProbers()...) {
		if err := v.in.AddrReplace(lo, &netlink.Addr{IPNet: ipNet(ruleset.One(a))}); err != nil {
			return fmt.Errorf("adding %s in %s: %w", a, v.names.vpcNS(), err)
		}
	}
	// What has no route is no machine: say so at once.
	nowhere := netlink.Route{Dst: ipNet(ruleset.Whole), Type: unix.RTN_UNREACHABLE, Protocol: protocolID}
	if err := v.in.RouteReplace(&nowhere); err != nil {
		return fmt.Errorf("adding the unreachable route in %s: %w", v.names.vpcNS(), err)
	}
	return nil
}
