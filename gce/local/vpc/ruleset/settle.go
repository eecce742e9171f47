package ruleset

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"

	"hakube/gce/emulator"
)

// Settle sorts n, so that equal networks give equal rules, and leaves out each
// machine that wants an address of a machine with a lower ID, or has none. The
// error holds one [*Overlap] for each of those and does not make n useless.
// A balancer whose address is a machine's is left out too.
func Settle(n emulator.Network) (emulator.Network, error) {
	var errs []error
	type claim struct {
		what netip.Prefix
		by   emulator.MachineKey
	}
	var claims []claim
	machines := slices.Clone(n.Machines)
	slices.SortFunc(machines, func(a, b emulator.Machine) int { return cmp.Compare(a.ID, b.ID) })
	out := emulator.Network{Subnets: n.Subnets}
next:
	for _, m := range machines {
		if !m.NIC.Address.Is4() {
			continue
		}
		wants := OwnRanges(m)
		if m.NIC.External.Is4() {
			wants = append(wants, One(m.NIC.External))
		}
		for _, w := range wants {
			for _, c := range claims {
				if c.what.Overlaps(w) {
					errs = append(errs, &Overlap{Range: w, First: c.by, Second: m.MachineKey})
					continue next
				}
			}
		}
		for _, w := range wants {
			claims = append(claims, claim{w, m.MachineKey})
		}
		out.Machines = append(out.Machines, m)
	}
	var more []error
	out.Balancers, more = settleBalancers(n.Balancers, out.Machines)
	errs = append(errs, more...)
	out.Watched = n.Watched
	out.Firewalls = slices.Clone(n.Firewalls)
	slices.SortFunc(out.Firewalls, func(a, b emulator.Firewall) int {
		return cmp.Or(
			cmp.Compare(a.Project, b.Project), cmp.Compare(a.Network, b.Network),
			cmp.Compare(a.Priority, b.Priority),
			cmp.Compare(second(a.Deny), second(b.Deny)), // at equal priority deny wins
			cmp.Compare(a.Name, b.Name))
	})
	return out, errors.Join(errs...)
}

// second sorts what is not so behind what is.
func second(is bool) int {
	if is {
		return 0
	}
	return 1
}

// OwnRanges are the internal addresses that belong to m: its own and its aliases.
func OwnRanges(m emulator.Machine) []netip.Prefix {
	return append([]netip.Prefix{One(m.NIC.Address)}, m.NIC.Aliases...)
}

// Externals are the external addresses in use, sorted: those the host has
// routes for.
func Externals(n emulator.Network) []netip.Addr {
	var out []netip.Addr
	for _, m := range n.Machines {
		if m.NIC.External.Is4() {
			out = append(out, m.NIC.External)
		}
	}
	for _, b := range n.Balancers {
		if b.Address.Is4() && b.Network == "" {
			out = append(out, b.Address)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}
