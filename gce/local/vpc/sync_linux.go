package vpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/ruleset"
)

// Sync makes rules and routes exactly those of n, and ends what they no longer
// allow. Machines without a namespace yet are connected by Machine. An
// [*Overlap] is reported after everything else has been done.
func (v *VPC) Sync(ctx context.Context, n emulator.Network) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	v.mappings.Follow(n, v.formerMapping)
	v.plain.Store(&ruleset.View{Network: n, Mappings: maps.Clone(v.mappings)})
	n, overlaps := ruleset.Settle(v.mappings.Network(n))
	if v.drains.Members == nil {
		if err := v.adopt(n); err != nil {
			return err
		}
	}
	v.now = n
	ps := v.pools()
	rules := ruleset.Text(n, v.host, ps)
	// Nothing is in a balancer's table that is not marked by the new rules.
	err := v.addTables(n, ps)
	// Rules first: a route must never lead where the old rules let more in.
	if err == nil {
		v.loaded = ""
		err = v.load(rules)
	}
	if err != nil {
		return err
	}
	err = errors.Join(v.syncRoutes(n), v.forget(n, ps), v.dropTables(ps), v.syncHostRoutes(ruleset.Externals(n)))
	v.settled(rules, ps, err)
	v.syncProbes(append(ps, ruleset.Watched(n)...))
	return errors.Join(err, overlaps)
}

// load replaces the table, in one transaction. With "-c" it only asks the
// kernel whether it could.
func (v *VPC) load(rules string, flags ...string) error {
	return within(v.ns, func() error {
		cmd := exec.Command(v.nft, append(flags, "-f", "-")...) // starts in this thread's namespace
		cmd.Stdin = strings.NewReader(rules)
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("loading the firewall: %w: %s", err, bytes.TrimSpace(said.Bytes()))
		}
		return nil
	})
}

func (v *VPC) hasRules() bool {
	return within(v.ns, func() error { return exec.Command(v.nft, "list", "table", "ip", ruleset.Table).Run() }) == nil
}

// syncRoutes connects the machines of n that have a link, and disconnects the others.
func (v *VPC) syncRoutes(n emulator.Network) error {
	machines := map[string]emulator.Machine{}
	for _, m := range n.Machines {
		machines[ruleset.MachineLink(m.ID)] = m
	}
	ls, err := again(v.in.LinkList)
	if err != nil {
		return fmt.Errorf("listing the machines' links: %w", err)
	}
	var errs []error
	known := map[netlink.Link]emulator.Machine{}
	for _, l := range ls {
		name := l.Attrs().Name
		if m, ok := machines[name]; ok {
			known[l] = m
		} else if name != "lo" && name != ruleset.InnerHostLink {
			errs = append(errs, v.disconnect(l))
		}
	}
	// After the others have let go of what may now be somebody else's.
	for l, m := range known {
		errs = append(errs, v.connect(l, m))
	}
	return errors.Join(errs...)
}

// forget removes connections translated by an external address that is no
// longer where it was, and those balanced to where they are not to be. The rules drop their packets anyway; but as long as the
// entry is there, a caller that keeps its port would never reach the new place.
func (v *VPC) forget(n emulator.Network, pools []ruleset.Pool) error {
	internal := map[netip.Addr]netip.Addr{} // external → internal
	external := map[netip.Addr]netip.Addr{}
	for _, m := range n.Machines {
		if m.NIC.External.Is4() {
			internal[m.NIC.External], external[m.NIC.Address] = m.NIC.Address, m.NIC.External
		}
	}
	stale := flowFilter(func(f *netlink.ConntrackFlow) bool {
		from, to := addrOf(f.Forward.SrcIP), addrOf(f.Forward.DstIP)
		seen, at := addrOf(f.Reverse.DstIP), addrOf(f.Reverse.SrcIP)
		return to != at && internal[to] != at || from != seen && external[from] != seen || misled(f, pools)
	})
	_, err := again(func() (uint, error) {
		return v.in.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, stale)
	})
	if err != nil {
		return fmt.Errorf("ending connections that have lost their way: %w", err)
	}
	return nil
}

type flowFilter func(*netlink.ConntrackFlow) bool

// MatchConntrackFlow is netlink's way to ask.
func (f flowFilter) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool { return f(flow) }

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
