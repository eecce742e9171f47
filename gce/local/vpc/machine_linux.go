package vpc

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/ruleset"
)

// Machine makes the network namespace of m with lo and eth0 and connects it to
// the VPC, and returns the namespace's path. What is there already stays, so a
// running machine is adopted by it. Packets pass once a Sync has told of m.
func (v *VPC) Machine(m emulator.Machine) (netnsPath string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	name := v.names.machineNS(m.ID)
	mac, err := checkNIC(m.NIC)
	seen := m
	if err == nil {
		seen = v.mapped(m)
		err = v.checkFree(seen)
	}
	if err == nil {
		err = v.ensureMachine(name, m, seen, mac)
	}
	if err == nil {
		err = v.addTables(v.now, v.behind)
	}
	if err != nil {
		return "", fmt.Errorf("connecting instance %q to the network: %w", m.Name, err)
	}
	return filepath.Join(netnsDir, name), nil
}

func checkNIC(n emulator.NIC) (net.HardwareAddr, error) {
	if !n.Address.Is4() || !n.Gateway.Is4() {
		return nil, fmt.Errorf("its address %v or its gateway %v is not IPv4", n.Address, n.Gateway)
	}
	mac, err := net.ParseMAC(n.MAC)
	if err != nil {
		return nil, fmt.Errorf("reading its MAC address: %w", err)
	}
	return mac, nil
}

// checkFree refuses what another machine has: its route would be taken over.
func (v *VPC) checkFree(m emulator.Machine) error {
	own := ruleset.MachineLink(m.ID)
	rs, err := again(func() ([]netlink.Route, error) {
		return v.in.RouteListFiltered(unix.AF_INET, &netlink.Route{Protocol: protocolID}, netlink.RT_FILTER_PROTOCOL)
	})
	if err != nil {
		return fmt.Errorf("listing the machines' routes: %w", err)
	}
	for _, r := range rs {
		there := prefixOf(r.Dst)
		if there.Bits() == 0 || !slices.ContainsFunc(ruleset.OwnRanges(m), there.Overlaps) {
			continue
		}
		l, err := v.in.LinkByIndex(r.LinkIndex)
		if err != nil || l.Attrs().Name == own {
			continue // gone in between, or its own from before
		}
		return fmt.Errorf("another machine (link %s) has %s; %s", l.Attrs().Name, ruleset.Show(there), ruleset.Apart)
	}
	return nil
}

// mapped is m as it appears in the namespace. Its network may be new: it
// counts from now on.
func (v *VPC) mapped(m emulator.Machine) emulator.Machine {
	if _, known := v.mappings[ruleset.NetworkOf(m)]; !known {
		var n emulator.Network
		if p := v.plain.Load(); p != nil {
			n = p.Network
		}
		n.Machines = append(slices.Clone(n.Machines), m)
		v.mappings.Follow(n, v.formerMapping)
		// Others that come before the next Sync count it too.
		v.plain.Store(&ruleset.View{Network: n, Mappings: maps.Clone(v.mappings)})
	}
	return v.mappings[ruleset.NetworkOf(m)].Machine(m)
}

// formerMapping is the mapping that an earlier process gave a machine that is
// still there: its routes tell. What cannot be read counts as not there.
func (v *VPC) formerMapping(m emulator.Machine) (ruleset.Mapping, bool) {
	l, err := find(v.in, ruleset.MachineLink(m.ID))
	if err != nil || l == nil {
		return 0, false
	}
	rs, err := again(func() ([]netlink.Route, error) {
		return v.in.RouteListFiltered(unix.AF_INET, &netlink.Route{LinkIndex: l.Attrs().Index, Protocol: protocolID}, netlink.RT_FILTER_OIF|netlink.RT_FILTER_PROTOCOL)
	})
	if err != nil || len(rs) == 0 {
		return 0, false
	}
	return ruleset.MappingOf(prefixOf(rs[0].Dst).Addr()), true
}

// ensureMachine makes all that belongs to m; seen is m as it appears outside.
func (v *VPC) ensureMachine(name string, m, seen emulator.Machine, mac net.HardwareAddr) error {
	ns, err := v.names.ensureRecordedNS(name)
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }() // only a descriptor for reading
	inside, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("opening netlink in %s: %w", name, err)
	}
	defer inside.Close()
	lo, err := inside.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding lo: %w", err)
	}
	if err := inside.LinkSetUp(lo); err != nil {
		return fmt.Errorf("setting lo up: %w", err)
	}
	mtu := m.NIC.MTU
	if mtu == 0 {
		mtu = linkMTU
	}
	eth0, err := find(inside, "eth0")
	if err != nil {
		return err
	}
	if eth0 == nil {
		if eth0, err = v.makeLink(ns, inside, m, mac, mtu); err != nil {
			return err
		}
	}
	if err := v.dressOuter(seen, mac, mtu); err != nil {
		return err
	}
	return dressInner(inside, eth0, m, mtu)
}

// makeLink makes both ends at once in their namespaces: a crash leaves both or
// neither.
func (v *VPC) makeLink(ns netns.NsHandle, inside *netlink.Handle, m emulator.Machine, mac net.HardwareAddr, mtu int) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = ruleset.MachineLink(m.ID), mtu
	// The end of a machine's former namespace, if its name was taken away.
	if err := remove(v.in, attrs.Name); err != nil {
		return nil, err
	}
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(ns), PeerMTU: uint32(mtu)}
	if err := v.in.LinkAdd(pair); err != nil {
		return nil, fmt.Errorf("making its link: %w", err)
	}
	eth0, err := inside.LinkByName("eth0")
	if err != nil {
		return nil, fmt.Errorf("finding eth0: %w", err)
	}
	return eth0, nil
}

// dressOuter is the VPC's end: the gateway's address, and where the machine is.
func (v *VPC) dressOuter(m emulator.Machine, mac net.HardwareAddr, mtu int) error {
	l, err := v.in.LinkByName(ruleset.MachineLink(m.ID))
	if err != nil {
		return fmt.Errorf("finding its link in the VPC: %w", err)
	}
	// The gateway has its address on each link, so that it answers ARP there.
	// Scope link: it is never taken as the source of anything else.
	if err := v.in.AddrReplace(l, &netlink.Addr{IPNet: ipNet(ruleset.One(m.NIC.Gateway)), Scope: unix.RT_SCOPE_LINK}); err != nil {
		return fmt.Errorf("adding the gateway's address: %w", err)
	}
	if err := v.in.LinkSetMTU(l, mtu); err != nil {
		return fmt.Errorf("setting its MTU: %w", err)
	}
	if err := v.in.LinkSetUp(l); err != nil {
		return fmt.Errorf("setting its link up: %w", err)
	}
	// Known once for all: no ARP in this direction.
	err = v.in.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT,
		IP: m.NIC.Address.AsSlice(), HardwareAddr: mac})
	if err != nil {
		return fmt.Errorf("telling its MAC address: %w", err)
	}
	return v.connect(l, m)
}

// dressInner is the machine's end, as Google's DHCP would leave it.
func dressInner(h *netlink.Handle, eth0 netlink.Link, m emulator.Machine, mtu int) error {
	if err := h.AddrReplace(eth0, &netlink.Addr{IPNet: ipNet(ruleset.One(m.NIC.Address))}); err != nil {
		return fmt.Errorf("adding its address: %w", err)
	}
	if err := h.LinkSetMTU(eth0, mtu); err != nil {
		return fmt.Errorf("setting its MTU: %w", err)
	}
	if err := h.LinkSetUp(eth0); err != nil {
		return fmt.Errorf("setting eth0 up: %w", err)
	}
	index := eth0.Attrs().Index
	for _, r := range []netlink.Route{
		{LinkIndex: index, Dst: ipNet(ruleset.One(m.NIC.Gateway)), Scope: netlink.SCOPE_LINK, Src: m.NIC.Address.AsSlice()},
		{LinkIndex: index, Dst: ipNet(ruleset.Whole), Gw: m.NIC.Gateway.AsSlice(), Src: m.NIC.Address.AsSlice(), Flags: int(netlink.FLAG_ONLINK)},
	} {
		if err := h.RouteReplace(&r); err != nil {
			return fmt.Errorf("adding its route to %s: %w", prefixOf(r.Dst), err)
		}
	}
	return nil
}

// connect routes what belongs to m by its link, and nothing else by it.
func (v *VPC) connect(l netlink.Link, m emulator.Machine) error {
	index := l.Attrs().Index
	wanted := ruleset.Merge(ruleset.OwnRanges(m))
	have, err := again(func() ([]netlink.Route, error) {
		return v.in.RouteListFiltered(unix.AF_INET, &netlink.Route{LinkIndex: index, Protocol: protocolID}, netlink.RT_FILTER_OIF|netlink.RT_FILTER_PROTOCOL)
	})
	if err != nil {
		return fmt.Errorf("listing the routes to instance %q: %w", m.Name, err)
	}
	for _, r := range have {
		if slices.Contains(wanted, prefixOf(r.Dst)) {
			continue
		}
		if err := v.in.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("removing the route to %s: %w", prefixOf(r.Dst), err)
		}
	}
	for _, p := range wanted {
		r := netlink.Route{LinkIndex: index, Dst: ipNet(p), Protocol: protocolID, Scope: netlink.SCOPE_LINK}
		if p != ruleset.One(m.NIC.Address) {
			// Behind the machine, not on its link.
			r.Gw, r.Scope, r.Flags = m.NIC.Address.AsSlice(), netlink.SCOPE_UNIVERSE, int(netlink.FLAG_ONLINK)
		}
		if err := v.in.RouteReplace(&r); err != nil {
			return fmt.Errorf("adding the route to %s of instance %q: %w", p, m.Name, err)
		}
	}
	return nil
}

// disconnect takes all routes to machines by l away.
func (v *VPC) disconnect(l netlink.Link) error {
	return v.connect(l, emulator.Machine{})
}

// Release removes the namespace of m and its link. One that is not there is no
// error. A machine that is stopped is best released too: it comes back with a
// clean network, as a real one does.
func (v *VPC) Release(m emulator.Machine) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	// The link first: the namespace lives as long as any process in it.
	if err := errors.Join(remove(v.in, ruleset.MachineLink(m.ID)), removeNS(v.names.machineNS(m.ID))); err != nil {
		return fmt.Errorf("disconnecting instance %q: %w", m.Name, err)
	}
	return nil
}
