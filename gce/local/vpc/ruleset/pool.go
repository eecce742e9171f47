package ruleset

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"hakube/gce/emulator"
)

// A Pool is a balancer with what decides where its packets go at present.
type Pool struct {
	emulator.Balancer
	Members  []netip.Addr // its backends that are machines, sorted
	Picks    []netip.Addr // those that get new connections
	Healthy  []netip.Addr // those whose probes say so
	Draining []netip.Addr // former members that keep their connections
}

// Kept are the machines that connections may be with.
func (p Pool) Kept() []netip.Addr { return append(slices.Clone(p.Members), p.Draining...) }

// A BalancerID tells balancers apart, also two of one name that lived one
// after the other at different addresses.
type BalancerID struct {
	project, region, name string
	Address               netip.Addr
}

// IDOf is what tells b apart.
func IDOf(b emulator.Balancer) BalancerID {
	return BalancerID{b.Project, b.Region, b.Name, b.Address}
}

// Pools are the balancers of a settled n.
func Pools(n emulator.Network, healthy func(BalancerID, netip.Addr) bool, draining func(BalancerID) []netip.Addr) []Pool {
	var out []Pool
	for _, b := range n.Balancers {
		p := Pool{Balancer: b, Members: Members(n, b), Draining: draining(IDOf(b))}
		for _, a := range p.Members {
			if b.Check.Protocol == "" || healthy(IDOf(b), a) {
				p.Healthy = append(p.Healthy, a)
			}
		}
		p.Picks = sorted(b.Picked(
			func(a netip.Addr) bool { return hasMachine(n, a) },
			func(a netip.Addr) bool { return slices.Contains(p.Healthy, a) }))
		out = append(out, p)
	}
	return out
}

// Watched are the groups of n that are probed and have no address, as pools that nobody
// sends to.
func Watched(n emulator.Network) (out []Pool) {
	for _, b := range n.Watched {
		out = append(out, Pool{Balancer: b, Members: Members(n, b)})
	}
	return out
}

// Members are the addresses of b's backends that are machines of n, sorted.
func Members(n emulator.Network, b emulator.Balancer) []netip.Addr {
	var out []netip.Addr
	for _, g := range b.Backends {
		for _, a := range g.Machines {
			if hasMachine(n, a) {
				out = append(out, a)
			}
		}
	}
	return sorted(out)
}

func sorted(all []netip.Addr) []netip.Addr {
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

func hasMachine(n emulator.Network, a netip.Addr) bool {
	return slices.ContainsFunc(n.Machines, func(m emulator.Machine) bool { return m.NIC.Address == a })
}

// settleBalancers sorts balancers and leaves out those without an address, and
// those whose address is a machine's.
func settleBalancers(all []emulator.Balancer, machines []emulator.Machine) (out []emulator.Balancer, errs []error) {
	for _, b := range all {
		if !b.Address.Is4() {
			continue
		}
		i := slices.IndexFunc(machines, func(m emulator.Machine) bool {
			return m.NIC.External == b.Address || slices.ContainsFunc(OwnRanges(m), func(p netip.Prefix) bool { return p.Contains(b.Address) })
		})
		if i >= 0 {
			errs = append(errs, fmt.Errorf("connecting balancer %q of %s: %s is in use by instance %q", b.Name, b.Project, b.Address, machines[i].Name))
			continue
		}
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b emulator.Balancer) int {
		return cmp.Or(
			cmp.Compare(second(a.Protocol != AllProtocols), second(b.Protocol != AllProtocols)),
			cmp.Compare(a.Project, b.Project), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Name, b.Name))
	})
	return out, errs
}

// Mark is what marks packets and connections for the machine at a: its address
// as a number. So no mark has to be given or remembered, and a later process
// reads those of connections it finds.
func Mark(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// Marked is the other way round.
func Marked(m uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], m)
	return netip.AddrFrom4(b)
}

// Drains remembers who was a member, and until when those that left keep the
// connections they have.
type Drains struct {
	Members map[BalancerID][]netip.Addr
	until   map[BalancerID]map[netip.Addr]time.Time
}

// Follow takes note of n and returns when the next drain is over, the zero
// time when there is none.
func (d *Drains) Follow(n emulator.Network, now time.Time) (next time.Time) {
	had, until := d.Members, d.until
	d.Members, d.until = map[BalancerID][]netip.Addr{}, map[BalancerID]map[netip.Addr]time.Time{}
	for _, b := range n.Balancers {
		id, cur := IDOf(b), Members(n, b)
		left := maps.Clone(until[id])
		if left == nil {
			left = map[netip.Addr]time.Time{}
		}
		for _, a := range had[id] {
			if _, known := left[a]; !known {
				left[a] = now.Add(b.Drain)
			}
		}
		maps.DeleteFunc(left, func(a netip.Addr, end time.Time) bool {
			// A machine that has gone altogether answers nobody: its callers are better told.
			return slices.Contains(cur, a) || !hasMachine(n, a) || !now.Before(end)
		})
		for _, end := range left {
			if next.IsZero() || end.Before(next) {
				next = end
			}
		}
		d.Members[id], d.until[id] = cur, left
	}
	return next
}

// Of are those that drain, sorted.
func (d *Drains) Of(id BalancerID) []netip.Addr {
	return slices.SortedFunc(maps.Keys(d.until[id]), netip.Addr.Compare)
}
