package balancers

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// completeRulePorts wants one of the three ways to name ports.
func completeRulePorts(o doc.Obj) error {
	ways := 0
	if ports := doc.Strings(o, "ports"); len(ports) > 0 {
		ways++
		if len(ports) > 5 {
			return problem.Invalid("resource.ports", len(ports), "At most 5 ports can be specified.")
		}
		for i, p := range ports {
			if low, high, ok := portRange(p); !ok || low != high || low == 0 {
				return problem.Invalid(fmt.Sprintf("resource.ports[%d]", i), p, "Must be a port number.")
			}
		}
	} else {
		delete(o, "ports")
	}
	if p := doc.Str(o, "portRange"); p != "" {
		ways++
		if doc.Str(o, "loadBalancingScheme") == internal {
			return problem.Invalid("resource.portRange", p, "An internal forwarding rule names its ports with 'ports', or forwards all of them.")
		}
		low, high, ok := portRange(p)
		if !ok || low == 0 {
			return problem.Invalid("resource.portRange", p, "Must be a port or a range of ports.")
		}
		o["portRange"] = fmt.Sprintf("%d-%d", low, high)
	} else {
		delete(o, "portRange")
	}
	if doc.Bool(o, "allPorts") {
		ways++
	} else {
		delete(o, "allPorts")
	}
	if ways != 1 {
		return problem.Refuse("Exactly one of the fields 'ports', 'portRange' and 'allPorts' must be specified for a passthrough forwarding rule.")
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
func portsOf(o doc.Obj) []string {
	if p := doc.Str(o, "portRange"); p != "" {
		if low, high, _ := portRange(p); low == high {
			return []string{strconv.Itoa(int(low))}
		}
		return []string{p}
	}
	return doc.Strings(o, "ports")
}

// ruleAddress gives a rule the reserved address it names by its URL, its name
// or itself, or any. Rules may share one if they are about different ports.
func ruleAddress(s *api.Server, t *store.Tx, r doc.Ref, o doc.Obj) error {
	const field = "resource.IPAddress"
	want := doc.Str(o, "IPAddress")
	if want == "" {
		a, err := networks.FreeExternal(s, t)
		o["IPAddress"] = a.String()
		return err
	}
	var address doc.Ref
	if _, err := netip.ParseAddr(want); err == nil {
		address = networks.ReservedAs(t, want)
	} else {
		address = doc.ParseRef(want, r.Project(), r.Scope(), "addresses")
	}
	a := t.Get(address)
	if a == nil || address.Collection() != r.Within("addresses", "x").Collection() || doc.Str(a, "addressType") != "EXTERNAL" {
		return problem.Invalid(field, want, "Invalid IP address specified.")
	}
	for _, by := range doc.Strings(a, "users") {
		if other := doc.RefOf(by); other.Kind() != "forwardingRules" || overlap(t.Get(other), o) {
			return problem.Invalid(field, doc.Str(a, "address"), "Specified IP address is in-use and would result in a conflict.")
		}
	}
	networks.Use(t, address, r)
	o["IPAddress"] = doc.Str(a, "address")
	return nil
}

// innerAddress gives an internal rule the address it asks for, one that is reserved
// for this or that nobody has, or any of its subnetwork's. Rules share one that was
// reserved to be shared.
func innerAddress(_ *api.Server, t *store.Tx, r doc.Ref, o doc.Obj) error {
	subnet, err := networks.SubnetworkOf(t, r.Project(), r.Place(), doc.Str(o, "subnetwork"), doc.Str(o, "network"), "resource.subnetwork")
	if err != nil {
		return err
	}
	o["subnetwork"], o["network"] = subnet.Link(), doc.Str(t.Get(subnet), "network")
	for _, x := range doc.Objects(t.Get(doc.RefOf(doc.Str(o, "backendService"))), "backends") {
		if n := doc.Str(t.Get(doc.RefOf(doc.Str(x, "group"))), "network"); n != "" && n != doc.Str(o, "network") {
			return problem.Invalid("resource.network", doc.Str(o, "network"), "The network must be that of the backends, '"+string(doc.RefOf(n))+"'.")
		}
	}
	shares := func(address doc.Ref) bool {
		for _, by := range doc.Strings(t.Get(address), "users") {
			if other := doc.RefOf(by); other.Kind() != "forwardingRules" || overlap(t.Get(other), o) {
				return false
			}
		}
		return doc.Str(t.Get(address), "purpose") == "SHARED_LOADBALANCER_VIP"
	}
	o["IPAddress"], err = networks.ClaimForRule(t, r, subnet, doc.Str(o, "IPAddress"), shares)
	return err
}

// overlap reports whether two rules claim a port of one protocol.
func overlap(a, b doc.Obj) bool {
	if doc.Str(a, "IPProtocol") != doc.Str(b, "IPProtocol") {
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
