package preflight

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// largest is the length of the largest range a subnetwork may have.
const largest = 4

// A taken range is in the way of one that is to be made in the network.
type taken struct {
	netip.Prefix
	by string
}

// prohibited are ranges that no subnetwork may have, whatever its network.
// (https://cloud.google.com/vpc/docs/subnets#prohibited-ipv4-subnets)
var prohibited = prohibitions("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "199.36.153.4/30", "199.36.153.8/30")

func prohibitions(ranges ...string) (list []taken) {
	for _, p := range ranges {
		list = append(list, taken{netip.MustParsePrefix(p), "Compute Engine gives to no subnetwork"})
	}
	return list
}

// automatic is what a network in auto mode keeps for the subnetworks it makes in
// all regions, those to come included.
// (https://cloud.google.com/vpc/docs/subnets#ip-ranges)
var automatic = netip.MustParsePrefix("10.128.0.0/9")

// rangesTaken are the ranges of the subnetwork to be made that the network's other
// subnetworks, in whatever region, or its routes have already. Compute Engine
// refuses the subnetwork then, after network, address and firewall rules were made.
func rangesTaken(ctx context.Context, r *env.Env, missing []inventory.Object) (refusal.Blockers, error) {
	lacks := func(k inventory.Kind) bool {
		return slices.ContainsFunc(missing, func(o inventory.Object) bool { return o.Kind == k })
	}
	if !lacks(inventory.Subnetwork) {
		return nil, nil
	}
	all := slices.Clone(prohibited)
	if !lacks(inventory.Network) {
		more, err := rangesOfNetwork(ctx, r)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return overlaps(r, all), nil
}

// rangesOfNetwork reads what the network has.
func rangesOfNetwork(ctx context.Context, r *env.Env) (all []taken, err error) {
	network := r.Want.Names.Network()
	add := func(text, by string) {
		if p, err := netip.ParsePrefix(text); err == nil { // IPv6 ones overlap nothing of ours
			all = append(all, taken{p, by})
		}
	}
	subnets, err := r.GCE.AggregatedSubnetworks(ctx)
	if err != nil {
		return nil, err
	}
	routes, err := r.GCE.Routes().List(ctx)
	if err != nil {
		return nil, err
	}
	n, err := r.GCE.Networks().Get(ctx, network)
	if err != nil {
		return nil, err
	}
	for _, s := range subnets {
		own := s.GetName() == r.Want.Names.Subnetwork() && gce.Base(s.GetRegion()) == r.Region() // it is missing: the list is behind
		if gce.Base(s.GetNetwork()) != network || own {
			continue
		}
		by := fmt.Sprintf("subnetwork %s in %s has, which is in network %s too", s.GetName(), gce.Base(s.GetRegion()), network)
		add(s.GetIpCidrRange(), by)
		for _, x := range s.GetSecondaryIpRanges() {
			add(x.GetIpCidrRange(), by)
		}
	}
	if n.GetAutoCreateSubnetworks() {
		all = append(all, taken{automatic, "network " + network + " keeps for its automatic subnetworks"})
	}
	for _, x := range routes { // a range that holds the whole of a route's is refused
		if gce.Base(x.GetNetwork()) == network && x.GetNextHopNetwork() == "" && x.GetDestRange() != "0.0.0.0/0" {
			add(x.GetDestRange(), fmt.Sprintf("route %s of network %s leads elsewhere", x.GetName(), network))
		}
	}
	return all, nil
}

// overlaps compares the settings' ranges with what is taken, and names a free one.
func overlaps(r *env.Env, all []taken) (no refusal.Blockers) {
	s := r.Want.Settings
	ours := []struct {
		variable string
		netip.Prefix
	}{{"NODE_IP_RANGE", s.NodeRange.Prefix}, {"CLUSTER_IP_RANGE", s.ClusterRange.Prefix}, {"SERVICE_CLUSTER_IP_RANGE", s.ServiceRange.Prefix}}
	blocked := slices.Clone(all)
	for _, o := range ours {
		blocked = append(blocked, taken{Prefix: o.Prefix})
	}
	for _, o := range ours {
		if o.Bits() < largest {
			no = append(no, refusal.Because("%s=%s is too large: a subnetwork's range is a /%d at most", o.variable, o.Prefix, largest))
			continue
		}
		i := slices.IndexFunc(all, func(t taken) bool { return t.Overlaps(o.Prefix) && t.Bits() > 0 })
		if i < 0 {
			continue
		}
		way := cure.Hint(fmt.Sprintf("another %s, or another network with KUBE_GCE_NETWORK; what is taken", o.variable),
			cure.Compute("networks subnets list --network="+r.Want.Names.Network()))
		if s.Restores() { // data have addresses of it
			way = "a network of its own for the cluster that is made of the backup, with KUBE_GCE_NETWORK; hakube makes it"
		} else if free, ok := freeRange(o.Bits(), blocked); ok {
			way = fmt.Sprintf("%s=%s is free; or another network with KUBE_GCE_NETWORK", o.variable, free)
			blocked = append(blocked, taken{Prefix: free})
		}
		no = append(no, &refusal.Refused{Why: fmt.Sprintf("%s=%s overlaps %s, which %s", o.variable, o.Prefix, all[i].Prefix, all[i].by), Cure: way})
	}
	return no
}

// freeRange is the first range of a length that overlaps nothing. It is one of
// 10.0.0.0/8: the firewall rules let machines of no other range in.
func freeRange(bits int, blocked []taken) (netip.Prefix, bool) {
	if bits < netip.MustParsePrefix(task.Internal).Bits() {
		return netip.Prefix{}, false
	}
	for p := netip.PrefixFrom(netip.MustParsePrefix(task.Internal).Addr(), bits); netip.MustParsePrefix(task.Internal).Overlaps(p); p = nextRange(p) {
		if !slices.ContainsFunc(blocked, func(t taken) bool { return t.Overlaps(p) && t.Bits() > 0 }) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// nextRange is the next range of the same length.
func nextRange(p netip.Prefix) netip.Prefix {
	a := p.Addr().As4()
	n := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	n += 1 << (32 - p.Bits())
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), p.Bits())
}
