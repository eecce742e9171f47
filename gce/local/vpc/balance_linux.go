package vpc

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/ruleset"
)

// tcpAsked is TCP_CONNTRACK_SYN_SENT: called, not answered.
const tcpAsked = 1

// pools are the balancers as they are now. It notes who has left, and wakes up
// when the last of their connections are to end.
func (v *VPC) pools() []ruleset.Pool {
	now := time.Now()
	if v.timer != nil {
		v.timer.Stop()
	}
	if next := v.drains.Follow(v.now, now); !next.IsZero() && !v.closed {
		v.timer = time.AfterFunc(next.Sub(now), v.refresh)
	}
	return ruleset.Pools(v.now, v.isHealthy, v.drains.Of)
}

// refresh puts into effect what has changed without a Sync: health, and drains
// that are over. What fails is tried again with the next probe.
func (v *VPC) refresh() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return
	}
	ps := v.pools()
	rules := ruleset.Text(v.now, v.host, ps)
	var err error
	if rules != v.loaded {
		v.loaded = ""
		if err = v.load(rules); err == nil {
			err = errors.Join(v.forget(v.now, ps), v.dropTables(ps))
		}
	}
	v.settled(rules, ps, err)
}

// settled notes what is in effect now.
func (v *VPC) settled(rules string, ps []ruleset.Pool, err error) {
	v.behind = ps
	if err == nil {
		v.loaded = rules
	}
	v.health.Lock()
	defer v.health.Unlock()
	v.failed = err
}

// adopt goes on where an earlier process was: with its verdicts, and with the
// machines that connections are with, whose drain begins anew if they are no
// members any more.
func (v *VPC) adopt(n emulator.Network) error {
	known, err := v.knownHealthy()
	if err != nil {
		return err
	}
	flows, err := again(func() ([]*netlink.ConntrackFlow, error) {
		return v.in.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
	})
	if err != nil {
		return fmt.Errorf("listing connections: %w", err)
	}
	v.drains.Members = map[ruleset.BalancerID][]netip.Addr{}
	v.health.Lock()
	defer v.health.Unlock()
	for _, b := range n.Balancers {
		id := ruleset.IDOf(b)
		for _, f := range flows {
			if f.Mark != 0 && addrOf(f.Forward.DstIP) == b.Address {
				v.drains.Members[id] = append(v.drains.Members[id], ruleset.Marked(f.Mark))
			}
		}
		for _, a := range ruleset.Members(n, b) {
			if slices.Contains(known, [2]netip.Addr{b.Address, a}) {
				v.verdicts[probed{id, a}] = ruleset.Verdict{Probed: true, Healthy: true}
			}
		}
	}
	return nil
}

var pairOfAddresses = regexp.MustCompile(`([0-9.]{7,15}) \. ([0-9.]{7,15})`)

// knownHealthy reads the set of those an earlier process found healthy:
// balancer's address, machine's address.
func (v *VPC) knownHealthy() (pairs [][2]netip.Addr, err error) {
	err = within(v.ns, func() error {
		out, err := exec.Command(v.nft, "list", "sets", "table", "ip", ruleset.Table).Output()
		if err != nil {
			return fmt.Errorf("reading the firewall: %w", err)
		}
		for _, m := range pairOfAddresses.FindAllSubmatch(bytes.TrimSpace(out), -1) {
			vip, err1 := netip.ParseAddr(string(m[1]))
			at, err2 := netip.ParseAddr(string(m[2]))
			if err1 == nil && err2 == nil {
				pairs = append(pairs, [2]netip.Addr{vip, at})
			}
		}
		return nil
	})
	return pairs, err
}

// misled tells whether a connection goes by a balancer that is no more, or to a
// machine that is not to have it: one that has left, and one that is unwell, if
// it has not answered yet or, as on Google, the protocol knows no connections.
func misled(f *netlink.ConntrackFlow, pools []ruleset.Pool) bool {
	to, at := addrOf(f.Forward.DstIP), ruleset.Marked(f.Mark)
	balanced, keeps, picked := false, false, false
	for _, p := range pools {
		if p.Address == to {
			balanced = true
			keeps = keeps || slices.Contains(p.Kept(), at)
			picked = picked || slices.Contains(p.Picks, at)
		}
	}
	if !balanced || !keeps {
		return balanced || f.Mark != 0
	}
	if picked {
		return false
	}
	if f.Forward.Protocol == unix.IPPROTO_TCP {
		tcp, ok := f.ProtoInfo.(*netlink.ProtoInfoTCP)
		return ok && tcp.State == tcpAsked
	}
	return !slices.ContainsFunc(pools, func(p ruleset.Pool) bool { return slices.Contains(p.Draining, at) })
}
