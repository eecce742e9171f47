package vpc

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/ruleset"
)

// balancerRule is the priority of our ip rules: "fwmark <machine> lookup
// <machine>", mark and table both the machine's address as a number. By it
// they are found again.
const balancerRule = 172

// addTables gives each machine behind a balancer its table, before any rule
// marks packets for it. A machine without a link yet gets it from Machine.
func (v *VPC) addTables(n emulator.Network, pools []ruleset.Pool) error {
	have, err := v.rules()
	if err != nil {
		return err
	}
	for _, m := range n.Machines {
		if len(ruleset.OwnVIPs(m, pools)) == 0 {
			continue
		}
		a := m.NIC.Address
		l, err := find(v.in, ruleset.MachineLink(m.ID))
		if err != nil {
			return err
		}
		if l != nil {
			r := netlink.Route{
				LinkIndex: l.Attrs().Index, Dst: ipNet(ruleset.Whole), Gw: a.AsSlice(), Flags: int(netlink.FLAG_ONLINK),
				Table: int(ruleset.Mark(a)), Protocol: protocolID,
			}
			if err := v.in.RouteReplace(&r); err != nil {
				return fmt.Errorf("adding the balancer's route to instance %q: %w", m.Name, err)
			}
		}
		if !slices.Contains(have, a) {
			if err := v.in.RuleAdd(ruleFor(a)); err != nil && !errors.Is(err, unix.EEXIST) {
				return fmt.Errorf("adding the balancer's ip rule for instance %q: %w", m.Name, err)
			}
		}
	}
	return nil
}

// dropTables removes those that no balancer needs.
func (v *VPC) dropTables(pools []ruleset.Pool) error {
	have, err := v.rules()
	if err != nil {
		return err
	}
	for _, a := range have {
		if slices.ContainsFunc(pools, func(p ruleset.Pool) bool { return slices.Contains(p.Kept(), a) }) {
			continue
		}
		if err := v.in.RuleDel(ruleFor(a)); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("removing the balancer's ip rule for %s: %w", a, err)
		}
		// The link may be gone, and the route with it.
		r := netlink.Route{Dst: ipNet(ruleset.Whole), Table: int(ruleset.Mark(a)), Protocol: protocolID}
		if err := v.in.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("removing the balancer's route to %s: %w", a, err)
		}
	}
	return nil
}

func ruleFor(a netip.Addr) *netlink.Rule {
	r := netlink.NewRule()
	r.Priority, r.Mark, r.Table, r.Protocol = balancerRule, ruleset.Mark(a), int(ruleset.Mark(a)), protocolID
	return r
}

// rules are the machines that have an ip rule.
func (v *VPC) rules() ([]netip.Addr, error) {
	rs, err := again(func() ([]netlink.Rule, error) {
		return v.in.RuleListFiltered(unix.AF_INET, &netlink.Rule{Priority: balancerRule}, netlink.RT_FILTER_PRIORITY)
	})
	if err != nil {
		return nil, fmt.Errorf("listing the balancers' ip rules: %w", err)
	}
	var out []netip.Addr
	for _, r := range rs {
		out = append(out, ruleset.Marked(r.Mark))
	}
	return out, nil
}
