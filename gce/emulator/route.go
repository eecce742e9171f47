package emulator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
)

// routes are those that come with networks and subnetworks, and those whose
// next hop is an instance. The latter are what Kubernetes' route controller
// makes where pods have no alias ranges: they are kept so that they can be
// found and removed, and hold their network, but nothing behind the API sends
// packets by them. Making any other kind answers 501.
func routes() collection {
	return collection{
		resource: "routes", kind: "routes", item: "compute#route", view: warnedRoute,
		methods: map[string]handler{"insert": insertRoute, "delete": deleteRoute},
		works: map[string]work{
			"insert": {},
			"delete": {late: true, run: func(ctx context.Context, k *task) error {
				return k.remove(ctx, "route", func(*tx, ref) ref { return "" })
			}},
		},
	}
}

func insertRoute(c *call) (obj, error) {
	r := c.ref("routes", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		for k, v := range o {
			switch k {
			case "name", "description", "network", "destRange", "priority", "nextHopInstance":
			default:
				if l, ok := v.([]any); ok && len(l) == 0 || v == "" {
					delete(o, k)
					continue
				}
				return notWritten("routes with " + k)
			}
		}
		network, err := networkOf(t, r.project(), str(o, "network"), "resource.network")
		if err != nil {
			return err
		}
		dest, err := parsePrefix(str(o, "destRange"), "resource.destRange")
		if err != nil {
			return err
		}
		for _, s := range t.all(r.project(), "subnetworks") {
			ranges := []string{str(s, "ipCidrRange")}
			for _, x := range objects(s, "secondaryIpRanges") {
				ranges = append(ranges, str(x, "ipCidrRange"))
			}
			for _, text := range ranges {
				p, err := netip.ParsePrefix(text)
				if err == nil && str(s, "network") == network.link() && p.Overlaps(dest) && dest.Bits() >= p.Bits() {
					return invalid("resource.destRange", dest, "The destination range must not be within the range of a subnetwork.")
				}
			}
		}
		hop := parse(str(o, "nextHopInstance"), r.project(), "", "instances")
		if hop == "" {
			return invalid("resource.nextHopInstance", str(o, "nextHopInstance"), "The URL is malformed.")
		}
		if t.get(hop) == nil {
			return notFound(hop)
		}
		o["network"], o["nextHopInstance"] = network.link(), hop.link()
		fill(o, obj{"kind": "compute#route", "description": "", "routeType": "STATIC"})
		_, err = c.create(t, "routes", o)
		return err
	})
}

// deleteRoute takes routes to instances only: the others are how the network
// behind the API works.
func deleteRoute(c *call) (obj, error) {
	r := c.target("routes")
	return c.change(r, nil, func(t *tx) error {
		o := t.get(r)
		switch {
		case o == nil:
			return notFound(r)
		case str(o, "routeType") == "SUBNET":
			return refuse("The local route '%s' cannot be deleted.", r)
		case str(o, "nextHopInstance") == "":
			return notWritten("routes.delete of a network's own route")
		}
		return nil
	})
}

// warnedRoute says when the machine a route leads to is gone.
func warnedRoute(t *tx, _ ref, o obj) obj {
	hop := toRef(str(o, "nextHopInstance"))
	if hop == "" || t.get(hop) != nil {
		return o
	}
	out := clone(o)
	out["warnings"] = []any{obj{
		"code": "NEXT_HOP_INSTANCE_NOT_FOUND", "message": "Next hop instance '" + string(hop) + "' does not exist.",
		"data": []any{obj{"key": "instance", "value": hop.link()}},
	}}
	return out
}

// addRoute makes the default route of a network, or with a subnet the one to
// its range.
func addRoute(t *tx, s *Server, network ref, dest string, subnet ref, text string, priority int) {
	sum := sha256.Sum256([]byte(string(network) + " " + dest + " " + string(subnet)))
	name := "default-route-" + hex.EncodeToString(sum[:8])
	if subnet != "" {
		name = "default-route-r-" + hex.EncodeToString(sum[:8])
	}
	r := in(network.project(), "global", "routes", name)
	o := obj{
		"kind": "compute#route", "id": t.id(), "name": name, "description": text, "creationTimestamp": stamp(s.opts.Now()),
		"network": network.link(), "destRange": dest, "priority": priority, "selfLink": r.link(), "routeType": "STATIC",
	}
	if subnet == "" {
		o["nextHopGateway"] = base + "projects/" + network.project() + "/global/gateways/default-internet-gateway"
	} else {
		o["nextHopNetwork"], o["routeType"] = network.link(), "SUBNET"
	}
	t.put(r, o)
	// Which subnetwork a route came with is no part of the API's route.
	t.put(r.note("routeOf"), obj{"subnetwork": string(subnet), "network": string(network)})
}

// removeRoutes takes away the routes that came with a network or subnetwork.
func removeRoutes(t *tx, of ref) {
	for _, o := range t.list("projects/" + of.project() + "/global/routes") {
		r := toRef(str(o, "selfLink"))
		if n := t.get(r.note("routeOf")); str(n, "subnetwork") == string(of) || str(n, "network") == string(of) {
			t.delete(r)
			t.delete(r.note("routeOf"))
		}
	}
}
