package emulator

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
)

func subnetworks() collection {
	return collection{
		resource: "subnetworks", kind: "subnetworks", item: "compute#subnetwork",
		methods: map[string]handler{"insert": insertSubnetwork, "delete": deleteSubnetwork, "patch": patchSubnetwork},
		works: map[string]work{
			"insert": {run: synced}, "patch": {run: synced},
			"delete": {late: true, run: func(ctx context.Context, k *task) error {
				return k.remove(ctx, "subnetwork", subnetworkUsers, removeRoutes, leaveNetwork)
			}},
		},
	}
}

func insertSubnetwork(c *call) (obj, error) {
	for _, k := range []string{"ipv6AccessType", "externalIpv6Prefix", "reservedInternalRange", "ipCollection"} {
		if has(c.body, k) {
			return nil, notWritten("subnetworks.insert with " + k)
		}
	}
	r := c.ref("subnetworks", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		if str(o, "name") == "" {
			return missing("resource.name")
		}
		network, err := networkOf(t, c.project(), str(o, "network"), "resource.network")
		if err != nil {
			return err
		}
		o["network"] = network.link()
		return makeSubnetwork(c.s, t, r, o)
	})
}

// makeSubnetwork checks and stores a subnetwork of a network that exists.
func makeSubnetwork(s *Server, t *tx, r ref, o obj) error {
	if t.get(r) != nil {
		return exists(r)
	}
	network := toRef(str(o, "network"))
	if err := checkRanges(t, network, "", o); err != nil {
		return err
	}
	first := netip.MustParsePrefix(str(o, "ipCidrRange")).Addr().Next()
	fill(o, obj{
		"kind": "compute#subnetwork", "privateIpGoogleAccess": false, "purpose": "PRIVATE", "stackType": "IPV4_ONLY",
		"privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS", "enableFlowLogs": false,
	})
	o["id"], o["creationTimestamp"], o["selfLink"] = t.id(), stamp(s.opts.Now()), r.link()
	o["region"], o["gatewayAddress"] = regionLink(r.project(), r.place()), first.String()
	o["fingerprint"] = subnetworkPrint(o)
	t.put(r, o)
	n := t.edit(network)
	n["subnetworks"] = append(slices.Clone(list(n, "subnetworks")), r.link())
	addRoute(t, s, network, str(o, "ipCidrRange"), r, fmt.Sprintf("Default local route to the subnetwork %s.", str(o, "ipCidrRange")), 0)
	return nil
}

func subnetworkPrint(o obj) string {
	return fingerprint(o["id"], o["ipCidrRange"], o["secondaryIpRanges"], o["privateIpGoogleAccess"])
}

// checkRanges refuses ranges that overlap each other or those of the network's
// other subnetworks; except is the one being changed.
func checkRanges(t *tx, network, except ref, o obj) error {
	type taken struct {
		netip.Prefix
		by ref
	}
	var have []taken
	for _, other := range t.all(network.project(), "subnetworks") {
		if r := toRef(str(other, "selfLink")); str(other, "network") == network.link() && r != except {
			for _, p := range rangesOf(other) {
				have = append(have, taken{p, r})
			}
		}
	}
	add := func(s, field string) error {
		p, err := parsePrefix(s, field)
		if err != nil {
			return err
		}
		if p.Bits() > 29 || p.Bits() < 4 {
			return invalid(field, s, "The range must be between /4 and /29.")
		}
		if why := keptFree(t, network, o, p); why != "" {
			return invalid(field, s, why)
		}
		for _, h := range have {
			if h.Overlaps(p) {
				by := string(h.by)
				if by == "" {
					by = "another range of the request"
				}
				return invalid(field, s, fmt.Sprintf("Invalid IPCidrRange: %s conflicts with existing subnetwork '%s'.", s, by))
			}
		}
		have = append(have, taken{p, ""})
		return nil
	}
	if str(o, "ipCidrRange") == "" {
		return missing("resource.ipCidrRange")
	}
	if err := add(str(o, "ipCidrRange"), "resource.ipCidrRange"); err != nil {
		return err
	}
	names := map[string]bool{}
	for i, sec := range objects(o, "secondaryIpRanges") {
		field := fmt.Sprintf("resource.secondaryIpRanges[%d]", i)
		name := str(sec, "rangeName")
		if name == "" {
			return missing(field + ".rangeName")
		}
		if names[name] {
			return invalid(field+".rangeName", name, "Duplicate secondary range name.")
		}
		names[name] = true
		if err := add(str(sec, "ipCidrRange"), field+".ipCidrRange"); err != nil {
			return err
		}
	}
	return nil
}

// neverSubnets are ranges that no subnetwork may have.
var neverSubnets = []string{"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "199.36.153.4/30", "199.36.153.8/30"}

// autoRange is kept for the subnetworks an automatic network makes itself.
const autoRange = "10.128.0.0/9"

// keptFree is why a subnetwork's range may not be, though no other one has it: "" if it may.
func keptFree(t *tx, network ref, o obj, p netip.Prefix) string {
	for _, x := range neverSubnets {
		if netip.MustParsePrefix(x).Overlaps(p) {
			return "Invalid IPCidrRange: " + p.String() + " overlaps the reserved range " + x + "."
		}
	}
	if flag(t.get(network), "autoCreateSubnetworks") && str(o, "name") != network.name() && netip.MustParsePrefix(autoRange).Overlaps(p) {
		return "Invalid IPCidrRange: " + p.String() + " conflicts with the range " + autoRange + " of an auto mode network."
	}
	for _, x := range t.list("projects/" + network.project() + "/global/routes") {
		dest, err := netip.ParsePrefix(str(x, "destRange"))
		if err == nil && str(x, "network") == network.link() && str(x, "nextHopInstance") != "" && p.Overlaps(dest) && dest.Bits() >= p.Bits() {
			return "Invalid IPCidrRange: " + p.String() + " conflicts with existing route '" + str(x, "name") + "'."
		}
	}
	return ""
}

// rangesOf returns the primary range, then the secondary ones.
func rangesOf(o obj) []netip.Prefix {
	out := []netip.Prefix{netip.MustParsePrefix(str(o, "ipCidrRange"))}
	for _, s := range objects(o, "secondaryIpRanges") {
		out = append(out, netip.MustParsePrefix(str(s, "ipCidrRange")))
	}
	return out
}

// patchSubnetwork can set the secondary ranges; those in use must stay.
func patchSubnetwork(c *call) (obj, error) {
	r := c.target("subnetworks")
	return c.change(r, nil, func(t *tx) error {
		o := t.edit(r)
		if o == nil {
			return notFound(r)
		}
		if f := str(c.body, "fingerprint"); f != str(o, "fingerprint") {
			return stale("Invalid fingerprint.")
		}
		if err := immutable(o, c.body, "name", "network", "ipCidrRange", "region"); err != nil {
			return err
		}
		for k := range c.body {
			if !slices.Contains([]string{"fingerprint", "secondaryIpRanges", "privateIpGoogleAccess", "name", "kind"}, k) {
				return notWritten("subnetworks.patch of " + k)
			}
		}
		before := objects(o, "secondaryIpRanges")
		merge(o, c.body)
		if err := checkRanges(t, toRef(str(o, "network")), r, o); err != nil {
			return err
		}
		for _, b := range before {
			kept := slices.ContainsFunc(objects(o, "secondaryIpRanges"), func(a obj) bool {
				return str(a, "rangeName") == str(b, "rangeName") && str(a, "ipCidrRange") == str(b, "ipCidrRange")
			})
			if by := rangeUser(t, r, str(b, "rangeName")); !kept && by != "" {
				return inUse("subnetwork secondary range", r, by)
			}
		}
		o["fingerprint"] = subnetworkPrint(o)
		return nil
	})
}

func deleteSubnetwork(c *call) (obj, error) {
	r := c.target("subnetworks")
	return c.change(r, nil, func(t *tx) error {
		o := t.get(r)
		if o == nil {
			return notFound(r)
		}
		if n := t.get(toRef(str(o, "network"))); flag(n, "autoCreateSubnetworks") {
			return refuse("Cannot delete auto subnetwork '%s'.", r)
		}
		if by := subnetworkUsers(t, r); by != "" {
			return inUse("subnetwork", r, by)
		}
		return nil
	})
}

func leaveNetwork(t *tx, r ref) {
	if n := t.edit(toRef(str(t.get(r), "network"))); n != nil {
		n["subnetworks"] = without(list(n, "subnetworks"), r.link())
	}
}

func subnetworkUsers(t *tx, r ref) ref {
	for _, o := range t.all(r.project(), "instances") {
		for _, nic := range objects(o, "networkInterfaces") {
			if str(nic, "subnetwork") == r.link() {
				return toRef(str(o, "selfLink"))
			}
		}
	}
	for _, o := range t.list("projects/" + r.project() + "/" + r.scope() + "/addresses") {
		if str(o, "subnetwork") == r.link() {
			return toRef(str(o, "selfLink"))
		}
	}
	return ""
}

// rangeUser is an instance with an alias address out of a secondary range.
func rangeUser(t *tx, r ref, name string) ref {
	for _, o := range t.all(r.project(), "instances") {
		for _, nic := range objects(o, "networkInterfaces") {
			for _, a := range objects(nic, "aliasIpRanges") {
				if str(nic, "subnetwork") == r.link() && str(a, "subnetworkRangeName") == name {
					return toRef(str(o, "selfLink"))
				}
			}
		}
	}
	return ""
}
