package model

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"hakube/gce/emulator"
)

// admits is the VPC firewall's word on a TCP connection from an address to one of
// a machine's, its internal one or a balancer's: of
// the rules that speak of it the one with the lowest priority number decides,
// at equal numbers one that denies, and without any nothing gets in.
func admits(rules []emulator.Firewall, x emulator.Machine, port uint16, from, to netip.Addr) bool {
	var best *emulator.Firewall
	for i := range rules {
		r := &rules[i]
		if r.Egress || r.Project != x.Project || r.Network != x.NIC.Network || !speaksOf(r, x, port, from, to) {
			continue
		}
		if best == nil || r.Priority < best.Priority || r.Priority == best.Priority && r.Deny {
			best = r
		}
	}
	return best != nil && !best.Deny
}

func speaksOf(r *emulator.Firewall, x emulator.Machine, port uint16, from, to netip.Addr) bool {
	isTarget := len(r.TargetTags) == 0 || slices.ContainsFunc(r.TargetTags, func(t string) bool { return slices.Contains(x.Tags, t) })
	isSource := slices.ContainsFunc(r.Ranges, func(p netip.Prefix) bool { return p.Contains(from) })
	isCalled := len(r.Own) == 0 || slices.ContainsFunc(r.Own, func(p netip.Prefix) bool { return p.Contains(to) })
	return isTarget && isSource && isCalled && slices.ContainsFunc(r.Allowed, func(p emulator.Protocol) bool {
		switch strings.ToLower(p.Name) {
		case "all":
			return true
		case "tcp", "6":
			return len(p.Ports) == 0 || slices.ContainsFunc(p.Ports, func(s string) bool { return inPorts(s, port) })
		}
		return false
	})
}

// inPorts reads "22" and "2382-65535". What is neither holds no port.
func inPorts(ports string, port uint16) bool {
	from, to, isRange := strings.Cut(ports, "-")
	if !isRange {
		to = from
	}
	low, err := strconv.ParseUint(from, 10, 16)
	if err != nil {
		return false
	}
	high, err := strconv.ParseUint(to, 10, 16)
	return err == nil && uint64(port) >= low && uint64(port) <= high
}
