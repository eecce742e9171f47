package networks

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

func subnetworks() api.Collection {
	return api.Collection{
		Resource: "subnetworks", Kind: "subnetworks", Item: "compute#subnetwork",
		Methods: map[string]api.Handler{"insert": insertSubnetwork, "delete": deleteSubnetwork, "patch": patchSubnetwork},
		Lacks: map[string][]string{
			"insert": {"ipv6AccessType: IPv6", "stackType!IPV4_ONLY", "externalIpv6Prefix", "reservedInternalRange", "ipCollection", "secondaryIpRanges.reservedInternalRange"},
			"patch":  {"+fingerprint", "+secondaryIpRanges", "+privateIpGoogleAccess", "+name", "+network", "+ipCidrRange", "+region"},
		},
		Works: map[string]api.Work{
			"insert": {Run: api.Synced}, "patch": {Run: api.Synced},
			"delete": {Late: true, Run: func(ctx context.Context, k *api.Job) error {
				return k.Remove(ctx, "subnetwork", subnetworkUsers, removeRoutes, leaveNetwork)
			}},
		},
	}
}

func insertSubnetwork(c *api.Call) (doc.Obj, error) {
	r := c.Ref("subnetworks", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if doc.Str(o, "name") == "" {
			return problem.Missing("resource.name")
		}
		network, err := NetworkOf(t, c.Project(), doc.Str(o, "network"), "resource.network")
		if err != nil {
			return err
		}
		o["network"] = network.Link()
		doc.Fill(o, doc.Obj{"allowSubnetCidrRoutesOverlap": false}) // those of an automatic network have none
		return makeSubnetwork(c.S, t, r, o)
	})
}

// makeSubnetwork checks and stores a subnetwork of a network that exists.
func makeSubnetwork(s *api.Server, t *store.Tx, r doc.Ref, o doc.Obj) error {
	if t.Get(r) != nil {
		return problem.Exists(r)
	}
	network := doc.RefOf(doc.Str(o, "network"))
	if err := checkRanges(t, network, "", o); err != nil {
		return err
	}
	first := netip.MustParsePrefix(doc.Str(o, "ipCidrRange")).Addr().Next()
	doc.Fill(o, doc.Obj{
		"kind": "compute#subnetwork", "privateIpGoogleAccess": false, "purpose": "PRIVATE", "stackType": "IPV4_ONLY",
		"privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
	})
	if doc.Has(o, "logConfig") {
		doc.Fill(o, doc.Obj{"enableFlowLogs": doc.Bool(doc.Sub(o, "logConfig"), "enable")})
	}
	o["id"], o["creationTimestamp"], o["selfLink"] = t.ID(), doc.Stamp(s.Opts.Now()), r.Link()
	o["region"], o["gatewayAddress"] = doc.RegionLink(r.Project(), r.Place()), first.String()
	o["fingerprint"] = subnetworkPrint(o)
	t.Put(r, o)
	n := t.Edit(network)
	n["subnetworks"] = append(slices.Clone(doc.List(n, "subnetworks")), r.Link())
	addRoute(t, s, network, doc.Str(o, "ipCidrRange"), r, fmt.Sprintf("Default local route to the subnetwork %s.", doc.Str(o, "ipCidrRange")), 0)
	return nil
}

func subnetworkPrint(o doc.Obj) string {
	return doc.Fingerprint(o["id"], o["ipCidrRange"], o["secondaryIpRanges"], o["privateIpGoogleAccess"])
}

// checkRanges refuses ranges that overlap each other or those of the network's
// other subnetworks; except is the one being changed.
func checkRanges(t *store.Tx, network, except doc.Ref, o doc.Obj) error {
	type taken struct {
		netip.Prefix
		by doc.Ref
	}
	var have []taken
	for _, other := range t.All(network.Project(), "subnetworks") {
		if r := doc.RefOf(doc.Str(other, "selfLink")); doc.Str(other, "network") == network.Link() && r != except {
			for _, p := range RangesOf(other) {
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
			return problem.Invalid(field, s, "The range must be between /4 and /29.")
		}
		if why := keptFree(t, network, o, p); why != "" {
			return problem.Invalid(field, s, why)
		}
		for _, h := range have {
			if h.Overlaps(p) {
				by := string(h.by)
				if by == "" {
					by = "another range of the request"
				}
				return problem.Invalid(field, s, fmt.Sprintf("Invalid IPCidrRange: %s conflicts with existing subnetwork '%s'.", s, by))
			}
		}
		have = append(have, taken{p, ""})
		return nil
	}
	if doc.Str(o, "ipCidrRange") == "" {
		return problem.Missing("resource.ipCidrRange")
	}
	if err := add(doc.Str(o, "ipCidrRange"), "resource.ipCidrRange"); err != nil {
		return err
	}
	names := map[string]bool{}
	for i, sec := range doc.Objects(o, "secondaryIpRanges") {
		field := fmt.Sprintf("resource.secondaryIpRanges[%d]", i)
		name := doc.Str(sec, "rangeName")
		if name == "" {
			return problem.Missing(field + ".rangeName")
		}
		if names[name] {
			return problem.Invalid(field+".rangeName", name, "Duplicate secondary range name.")
		}
		names[name] = true
		if err := add(doc.Str(sec, "ipCidrRange"), field+".ipCidrRange"); err != nil {
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
func keptFree(t *store.Tx, network doc.Ref, o doc.Obj, p netip.Prefix) string {
	for _, x := range neverSubnets {
		if netip.MustParsePrefix(x).Overlaps(p) {
			return "Invalid IPCidrRange: " + p.String() + " overlaps the reserved range " + x + "."
		}
	}
	if doc.Bool(t.Get(network), "autoCreateSubnetworks") && doc.Str(o, "name") != network.Name() && netip.MustParsePrefix(autoRange).Overlaps(p) {
		return "Invalid IPCidrRange: " + p.String() + " conflicts with the range " + autoRange + " of an auto mode network."
	}
	for name, x := range keptRanges(t, network) {
		if x.Overlaps(p) {
			return "Invalid IPCidrRange: " + p.String() + " conflicts with the allocated range '" + name + "'."
		}
	}
	for _, x := range t.List("projects/" + network.Project() + "/global/routes") {
		dest, err := netip.ParsePrefix(doc.Str(x, "destRange"))
		if err == nil && doc.Str(x, "network") == network.Link() && t.Get(doc.RefOf(doc.Str(x, "selfLink")).Note("routeOf")) == nil && p.Overlaps(dest) && dest.Bits() >= p.Bits() {
			return "Invalid IPCidrRange: " + p.String() + " conflicts with existing route '" + doc.Str(x, "name") + "'."
		}
	}
	return ""
}

// RangesOf returns the primary range, then the secondary ones.
func RangesOf(o doc.Obj) []netip.Prefix {
	out := []netip.Prefix{netip.MustParsePrefix(doc.Str(o, "ipCidrRange"))}
	for _, s := range doc.Objects(o, "secondaryIpRanges") {
		out = append(out, netip.MustParsePrefix(doc.Str(s, "ipCidrRange")))
	}
	return out
}

// patchSubnetwork can set the secondary ranges; those in use must stay.
func patchSubnetwork(c *api.Call) (doc.Obj, error) {
	r := c.Target("subnetworks")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if f := doc.Str(c.Body, "fingerprint"); f != doc.Str(o, "fingerprint") {
			return problem.Stale("Invalid fingerprint.")
		}
		if err := api.Immutable(o, c.Body, "name", "network", "ipCidrRange", "region"); err != nil {
			return err
		}
		before := doc.Objects(o, "secondaryIpRanges")
		doc.Merge(o, c.Body)
		if err := checkRanges(t, doc.RefOf(doc.Str(o, "network")), r, o); err != nil {
			return err
		}
		for _, b := range before {
			kept := slices.ContainsFunc(doc.Objects(o, "secondaryIpRanges"), func(a doc.Obj) bool {
				return doc.Str(a, "rangeName") == doc.Str(b, "rangeName") && doc.Str(a, "ipCidrRange") == doc.Str(b, "ipCidrRange")
			})
			if by := rangeUser(t, r, doc.Str(b, "rangeName")); !kept && by != "" {
				return problem.InUse("subnetwork secondary range", r, by)
			}
		}
		o["fingerprint"] = subnetworkPrint(o)
		return nil
	})
}

func deleteSubnetwork(c *api.Call) (doc.Obj, error) {
	r := c.Target("subnetworks")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Get(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if automatic(t, r) {
			return problem.Refuse("Cannot delete auto subnetwork '%s'.", r)
		}
		if by := subnetworkUsers(t, r); by != "" {
			return problem.InUse("subnetwork", r, by)
		}
		return nil
	})
}

func leaveNetwork(t *store.Tx, r doc.Ref) {
	if n := t.Edit(doc.RefOf(doc.Str(t.Get(r), "network"))); n != nil {
		if n["subnetworks"] = doc.Without(doc.List(n, "subnetworks"), r.Link()); len(doc.List(n, "subnetworks")) == 0 {
			delete(n, "subnetworks")
		}
	}
}

func subnetworkUsers(t *store.Tx, r doc.Ref) doc.Ref {
	for _, o := range t.All(r.Project(), "instances") {
		for _, nic := range doc.Objects(o, "networkInterfaces") {
			if doc.Str(nic, "subnetwork") == r.Link() {
				return doc.RefOf(doc.Str(o, "selfLink"))
			}
		}
	}
	for _, kind := range []string{"addresses", "forwardingRules"} {
		for _, o := range t.List("projects/" + r.Project() + "/" + r.Scope() + "/" + kind) {
			if doc.Str(o, "subnetwork") == r.Link() {
				return doc.RefOf(doc.Str(o, "selfLink"))
			}
		}
	}
	return ""
}

// rangeUser is an instance with an alias address out of a secondary range.
func rangeUser(t *store.Tx, r doc.Ref, name string) doc.Ref {
	for _, o := range t.All(r.Project(), "instances") {
		for _, nic := range doc.Objects(o, "networkInterfaces") {
			for _, a := range doc.Objects(nic, "aliasIpRanges") {
				if doc.Str(nic, "subnetwork") == r.Link() && doc.Str(a, "subnetworkRangeName") == name {
					return doc.RefOf(doc.Str(o, "selfLink"))
				}
			}
		}
	}
	return ""
}

// SubnetworkOf finds the subnetwork a NIC or address means: the one it names,
// or that of an automatic network in the region.
func SubnetworkOf(t *store.Tx, project, region, subnet, network, field string) (doc.Ref, error) {
	if subnet != "" {
		r := doc.ParseRef(subnet, project, "regions/"+region, "subnetworks")
		if r == "" {
			return "", problem.Invalid(field, subnet, "The URL is malformed.")
		}
		if r.Place() != region {
			return "", problem.Invalid(field, subnet, "The subnetwork is not in region '"+region+"'.")
		}
		o := t.Get(r)
		if o == nil {
			return "", problem.NotFound(r)
		}
		if network != "" {
			if n := doc.ParseRef(network, project, "global", "networks"); n.Link() != doc.Str(o, "network") {
				return "", problem.Invalid(field, subnet, "The subnetwork is not of the network.")
			}
		}
		return r, nil
	}
	n, err := NetworkOf(t, project, network, "resource.network")
	if err != nil {
		return "", err
	}
	if !doc.Bool(t.Get(n), "autoCreateSubnetworks") {
		return "", problem.Invalid(field, "", "Network interface must specify a subnet if the network resource is in custom subnet mode.")
	}
	r := doc.RefIn(project, "regions/"+region, "subnetworks", n.Name())
	if t.Get(r) == nil {
		return "", problem.NotFound(r)
	}
	return r, nil
}
