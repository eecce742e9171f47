package vpc

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"hakube/gce/local/vpc/ruleset"
)

// linkMTU is that of Google's networks, also on the link to the host, so that
// TCP agrees on it from the start.
const linkMTU = 1460

// ensureHostLink makes the veth between host and VPC, or adopts it with the
// addresses it has, and returns these.
func ensureHostLink(o Options, ns netns.NsHandle, in *netlink.Handle) (host, inner netip.Addr, err error) {
	name := o.hostLink()
	fail := func(err error) (netip.Addr, netip.Addr, error) {
		return netip.Addr{}, netip.Addr{}, fmt.Errorf("link %s: %w", name, err)
	}
	outside, err := find(onHost, name)
	if err != nil {
		return fail(err)
	}
	inside, err := find(in, ruleset.InnerHostLink)
	if err != nil {
		return fail(err)
	}
	if outside == nil || inside == nil {
		// Half of it is of a namespace that is gone, or by another hand.
		if err := errors.Join(remove(onHost, name), remove(in, ruleset.InnerHostLink)); err != nil {
			return fail(err)
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = name, linkMTU
		pair := &netlink.Veth{LinkAttrs: attrs, PeerName: ruleset.InnerHostLink, PeerNamespace: netlink.NsFd(ns), PeerMTU: linkMTU}
		if err := netlink.LinkAdd(pair); err != nil {
			return fail(fmt.Errorf("making it: %w", err))
		}
		if outside, err = netlink.LinkByName(name); err != nil {
			return fail(err)
		}
		if inside, err = in.LinkByName(ruleset.InnerHostLink); err != nil {
			return fail(err)
		}
	}
	if host, inner, err = pairOf(outside); err != nil {
		return fail(err)
	}
	for _, end := range []struct {
		h        *netlink.Handle
		l        netlink.Link
		own, far netip.Addr
	}{{onHost, outside, host, inner}, {in, inside, inner, host}} {
		if err := end.h.AddrReplace(end.l, &netlink.Addr{IPNet: ipNet(ruleset.One(end.own)), Peer: ipNet(ruleset.One(end.far))}); err != nil {
			return fail(fmt.Errorf("adding %s: %w", end.own, err))
		}
		if err := end.h.LinkSetUp(end.l); err != nil {
			return fail(fmt.Errorf("setting it up: %w", err))
		}
	}
	return host, inner, keepExternal(outside, host, inner)
}

// keepExternal sends the whole range of external addresses to the VPC, which
// refuses those that nobody has. Without it packets to a machine that is
// stopped would take the host's default route, and somebody else may answer.
// The metric is the link's own, since several VPCs of tests have the route.
func keepExternal(outside netlink.Link, host, inner netip.Addr) error {
	r := netlink.Route{
		LinkIndex: outside.Attrs().Index, Dst: ipNet(ruleset.External), Gw: inner.AsSlice(), Src: host.AsSlice(),
		Protocol: protocolID, Flags: int(netlink.FLAG_ONLINK), Priority: 1000 + outside.Attrs().Index,
	}
	if err := netlink.RouteReplace(&r); err != nil {
		return fmt.Errorf("routing %s: %w", ruleset.External, err)
	}
	return nil
}

// pairOf is the pair of addresses the link has, else the first free one.
func pairOf(outside netlink.Link) (host, inner netip.Addr, err error) {
	all, err := again(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, unix.AF_INET) })
	if err != nil {
		return host, inner, fmt.Errorf("listing the host's addresses: %w", err)
	}
	var used []netip.Prefix
	for _, a := range all {
		p := prefixOf(a.IPNet)
		for _, pair := range links() {
			if a.LinkIndex == outside.Attrs().Index && p.Addr() == pair[0] {
				return pair[0], pair[1], nil
			}
		}
		used = append(used, p)
	}
	routed, err := hostRoutes()
	if err != nil {
		return host, inner, err
	}
	for _, r := range routed {
		if p := prefixOf(r.Dst); p.Bits() > 0 {
			used = append(used, p)
		}
	}
	for _, pair := range links() {
		free := !slices.ContainsFunc(used, func(p netip.Prefix) bool {
			return p.IsValid() && (p.Contains(pair[0]) || p.Contains(pair[1]))
		})
		if free {
			return pair[0], pair[1], nil
		}
	}
	return host, inner, errors.New("finding a free address: 198.18.0.0/15 and 192.88.99.0/24 are both in use on this host")
}

// hostRoutes are the host's IPv4 routes of its main table.
func hostRoutes() ([]netlink.Route, error) {
	rs, err := again(func() ([]netlink.Route, error) {
		return netlink.RouteListFiltered(unix.AF_INET, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("listing the host's routes: %w", err)
	}
	return rs, nil
}

// externalIsFree refuses a host that has the range of external addresses in
// use for something else. Our own routes carry our mark.
func externalIsFree() error {
	rs, err := hostRoutes()
	if err != nil {
		return err
	}
	for _, r := range rs {
		if p := prefixOf(r.Dst); p.IsValid() && p.Bits() > 0 && p.Overlaps(ruleset.External) && r.Protocol != protocolID {
			return fmt.Errorf("%s, the range of external addresses, is in use on this host: route %s", ruleset.External, p)
		}
	}
	return nil
}

// syncHostRoutes gives the host a /32 route for each of ext, and no other /32
// by our link.
func (v *VPC) syncHostRoutes(ext []netip.Addr) error {
	link, err := netlink.LinkByName(v.names.hostLink())
	if err != nil {
		return fmt.Errorf("finding link %s: %w", v.names.hostLink(), err)
	}
	rs, err := hostRoutes()
	if err != nil {
		return err
	}
	var errs []error
	have := map[netip.Addr]bool{}
	for _, r := range rs {
		p := prefixOf(r.Dst)
		ours := r.LinkIndex == link.Attrs().Index
		switch {
		case !p.IsValid() || !ruleset.External.Overlaps(p) || p.Bits() == 0:
		case p == ruleset.External && r.Protocol == protocolID: // see keepExternal
		case ours && slices.Contains(ext, p.Addr()):
			have[p.Addr()] = true
		case ours:
			if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
				errs = append(errs, fmt.Errorf("removing the host's route to %s: %w", p, err))
			}
		case slices.ContainsFunc(ext, p.Contains):
			errs = append(errs, fmt.Errorf("routing external addresses: this host already has a route to %s", p))
		}
	}
	for _, a := range ext {
		if have[a] {
			continue
		}
		r := netlink.Route{
			LinkIndex: link.Attrs().Index, Dst: ipNet(ruleset.One(a)), Gw: v.inner.AsSlice(), Src: v.host.AsSlice(),
			Protocol: protocolID, Flags: int(netlink.FLAG_ONLINK),
		}
		if err := netlink.RouteReplace(&r); err != nil {
			errs = append(errs, fmt.Errorf("adding the host's route to %s: %w", a, err))
		}
	}
	return errors.Join(errs...)
}
