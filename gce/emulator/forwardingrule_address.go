package emulator

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// completeRulePorts wants one of the three ways to name ports.
func completeRulePorts(o obj) error {
	ways := 0
	if ports := stringsOf(o, "ports"); len(ports) > 0 {
		ways++
		if len(ports) > 5 {
			return invalid("resource.ports", len(ports), "At most 5 ports can be specified.")
		}
		for i, p := range ports {
			if low, high, ok := portRange(p); !ok || low != high || low == 0 {
				return invalid(fmt.Sprintf("resource.ports[%d]", i), p, "Must be a port number.")
			}
		}
	} else {
		delete(o, "ports")
	}
	if p := str(o, "portRange"); p != "" {
		ways++
		low, high, ok := portRange(p)
		if !ok || low == 0 {
			return invalid("resource.portRange", p, "Must be a port or a range of ports.")
		}
		o["portRange"] = fmt.Sprintf("%d-%d", low, high)
	} else {
		delete(o, "portRange")
	}
	if flag(o, "allPorts") {
		ways++
	} else {
		delete(o, "allPorts")
	}
	if ways != 1 {
		return refuse("Exactly one of the fields 'ports', 'portRange' and 'allPorts' must be specified for an external passthrough forwarding rule.")
	}
	return nil
}

// portRange reads "443" or "8000-8080".
func portRange(s string) (low, high uint16, ok bool) {
	first, last, both := strings.Cut(s, "-")
	if !both {
		last = first
	}
	a, err := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	return uint16(a), uint16(b), err == nil && err2 == nil && a <= b
}

// portsOf are a rule's ports as the network wants them: none means all.
func portsOf(o obj) []string {
	if p := str(o, "portRange"); p != "" {
		if low, high, _ := portRange(p); low == high {
			return []string{strconv.Itoa(int(low))}
		}
		return []string{p}
	}
	return stringsOf(o, "ports")
}

// ruleAddress gives a rule the reserved address it names by its URL, its name
// or itself, or any. Rules may share one if they are about different ports.
func (s *Server) ruleAddress(t *tx, r ref, o obj) error {
	const field = "resource.IPAddress"
	want := str(o, "IPAddress")
	if want == "" {
		a, err := s.freeExternal(t)
		o["IPAddress"] = a.String()
		return err
	}
	var address ref
	if _, err := netip.ParseAddr(want); err == nil {
		address = reservedAs(t, want)
	} else {
		address = parse(want, r.project(), r.scope(), "addresses")
	}
	a := t.get(address)
	if a == nil || address.collection() != r.within("addresses", "x").collection() || str(a, "addressType") != "EXTERNAL" {
		return invalid(field, want, "Invalid IP address specified.")
	}
	for _, by := range stringsOf(a, "users") {
		if other := toRef(by); other.kind() != "forwardingRules" || overlap(t.get(other), o) {
			return invalid(field, str(a, "address"), "Specified IP address is in-use and would result in a conflict.")
		}
	}
	use(t, address, r)
	o["IPAddress"] = str(a, "address")
	return nil
}

// overlap reports whether two rules claim a port of one protocol.
func overlap(a, b obj) bool {
	if str(a, "IPProtocol") != str(b, "IPProtocol") {
		return false
	}
	p, q := portsOf(a), portsOf(b)
	if len(p) == 0 || len(q) == 0 {
		return true
	}
	return slices.ContainsFunc(p, func(x string) bool {
		low, high, _ := portRange(x)
		return slices.ContainsFunc(q, func(y string) bool {
			l, h, _ := portRange(y)
			return low <= h && l <= high
		})
	})
}
