package vpc

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

// A pool is a balancer with what decides where its packets go at present.
type pool struct {
	emulator.Balancer
	members  []netip.Addr // its backends that are machines, sorted
	picks    []netip.Addr // those that get new connections
	healthy  []netip.Addr // those whose probes say so
	draining []netip.Addr // former members that keep their connections
}

// kept are the machines that connections may be with.
func (p pool) kept() []netip.Addr { return append(slices.Clone(p.members), p.draining...) }

// A balancerID tells balancers apart, also two of one name that lived one
// after the other at different addresses.
type balancerID struct {
	project, region, name string
	address               netip.Addr
}

func idOf(b emulator.Balancer) balancerID {
	return balancerID{b.Project, b.Region, b.Name, b.Address}
}

// pools are the balancers of a settled n.
func pools(n emulator.Network, healthy func(balancerID, netip.Addr) bool, draining func(balancerID) []netip.Addr) []pool {
	var out []pool
	for _, b := range n.Balancers {
		p := pool{Balancer: b, members: members(n, b), draining: draining(idOf(b))}
		for _, a := range p.members {
			if healthy(idOf(b), a) {
				p.healthy = append(p.healthy, a)
			}
		}
		// As on Google, all are tried when none is known to be well.
		if p.picks = p.healthy; len(p.picks) == 0 {
			p.picks = p.members
		}
		out = append(out, p)
	}
	return out
}

// members are the addresses of b's backends that are machines of n, sorted.
func members(n emulator.Network, b emulator.Balancer) []netip.Addr {
	var out []netip.Addr
	for _, g := range b.Backends {
		for _, a := range g.Machines {
			if hasMachine(n, a) {
				out = append(out, a)
			}
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
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
		i := slices.IndexFunc(machines, func(m emulator.Machine) bool { return m.NIC.External == b.Address })
		if i >= 0 {
			errs = append(errs, fmt.Errorf("connecting balancer %q of %s: %s is in use by instance %q", b.Name, b.Project, b.Address, machines[i].Name))
			continue
		}
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b emulator.Balancer) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Name, b.Name))
	})
	return out, errs
}

// mark is what marks packets and connections for the machine at a: its address
// as a number. So no mark has to be given or remembered, and a later process
// reads those of connections it finds.
func mark(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// marked is the other way round.
func marked(m uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], m)
	return netip.AddrFrom4(b)
}

// drains remembers who was a member, and until when those that left keep the
// connections they have.
type drains struct {
	members map[balancerID][]netip.Addr
	until   map[balancerID]map[netip.Addr]time.Time
}

// follow takes note of n and returns when the next drain is over, the zero
// time when there is none.
func (d *drains) follow(n emulator.Network, now time.Time) (next time.Time) {
	had, until := d.members, d.until
	d.members, d.until = map[balancerID][]netip.Addr{}, map[balancerID]map[netip.Addr]time.Time{}
	for _, b := range n.Balancers {
		id, cur := idOf(b), members(n, b)
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
			// Who has gone altogether answers nobody: his callers are better told.
			return slices.Contains(cur, a) || !hasMachine(n, a) || !now.Before(end)
		})
		for _, end := range left {
			if next.IsZero() || end.Before(next) {
				next = end
			}
		}
		d.members[id], d.until[id] = cur, left
	}
	return next
}

// of are those that drain, sorted.
func (d *drains) of(id balancerID) []netip.Addr {
	return slices.SortedFunc(maps.Keys(d.until[id]), netip.Addr.Compare)
}
