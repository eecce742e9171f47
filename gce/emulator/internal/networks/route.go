package networks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// routes are those that come with networks and subnetworks, those to the internet's
// gateway, where all goes anyhow that is not for a subnetwork, and those whose
// next hop is an instance. The last are what Kubernetes' route controller
// makes where pods have no alias ranges: they are kept so that they can be
// found and removed, and hold their network, but nothing behind the API sends
// packets by them. Making any other kind is refused.
func routes() api.Collection {
	return api.Collection{
		Resource: "routes", Kind: "routes", Item: "compute#route", View: warnedRoute,
		Methods: map[string]api.Handler{"insert": insertRoute, "delete": deleteRoute},
		Lacks:   map[string][]string{"insert": {"+name", "+description", "+network", "+destRange", "+priority", "+nextHopInstance", "+nextHopGateway"}},
		Works: map[string]api.Work{
			"insert": {},
			"delete": {Late: true, Run: func(ctx context.Context, k *api.Job) error {
				return k.Remove(ctx, "route", func(*store.Tx, doc.Ref) doc.Ref { return "" })
			}},
		},
	}
}

func insertRoute(c *api.Call) (doc.Obj, error) {
	r := c.Ref("routes", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		for k := range o {
			switch k {
			case "name", "description", "network", "destRange", "priority", "nextHopInstance", "nextHopGateway":
			default:
				delete(o, k) // it says nothing
			}
		}
		network, err := NetworkOf(t, r.Project(), doc.Str(o, "network"), "resource.network")
		if err != nil {
			return err
		}
		dest, err := parsePrefix(doc.Str(o, "destRange"), "resource.destRange")
		if err != nil {
			return err
		}
		for _, s := range t.All(r.Project(), "subnetworks") {
			ranges := []string{doc.Str(s, "ipCidrRange")}
			for _, x := range doc.Objects(s, "secondaryIpRanges") {
				ranges = append(ranges, doc.Str(x, "ipCidrRange"))
			}
			for _, text := range ranges {
				p, err := netip.ParsePrefix(text)
				if err == nil && doc.Str(s, "network") == network.Link() && p.Overlaps(dest) && dest.Bits() >= p.Bits() {
					return problem.Invalid("resource.destRange", dest, "The destination range must not be within the range of a subnetwork.")
				}
			}
		}
		if err := nextHop(t, r, o); err != nil {
			return err
		}
		o["network"] = network.Link()
		doc.Fill(o, doc.Obj{"kind": "compute#route", "description": "", "routeType": "STATIC"})
		_, err = c.Create(t, "routes", o)
		return err
	})
}

// nextHop makes the one next hop of a new route a link.
func nextHop(t *store.Tx, r doc.Ref, o doc.Obj) error {
	gateway, instance := doc.Str(o, "nextHopGateway"), doc.Str(o, "nextHopInstance")
	if (gateway == "") == (instance == "") {
		return problem.Refuse("Exactly one next hop must be specified.")
	}
	if gateway != "" {
		hop := doc.ParseRef(gateway, r.Project(), "global", "gateways")
		if hop != r.Within("gateways", "default-internet-gateway") {
			return problem.Invalid("resource.nextHopGateway", gateway, "The referenced gateway resource cannot be found.")
		}
		o["nextHopGateway"] = hop.Link()
		return nil
	}
	hop := doc.ParseRef(instance, r.Project(), "", "instances")
	if hop == "" {
		return problem.Invalid("resource.nextHopInstance", instance, "The URL is malformed.")
	}
	if t.Get(hop) == nil {
		return problem.NotFound(hop)
	}
	o["nextHopInstance"] = hop.Link()
	return nil
}

// deleteRoute takes routes that somebody made: the others are how the network
// behind the API works.
func deleteRoute(c *api.Call) (doc.Obj, error) {
	r := c.Target("routes")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Get(r)
		switch {
		case o == nil:
			return problem.NotFound(r)
		case doc.Str(o, "routeType") == "SUBNET":
			return problem.Refuse("The local route '%s' cannot be deleted.", r)
		case t.Get(r.Note("routeOf")) != nil:
			return problem.NotWritten("routes.delete of a network's own route")
		}
		return nil
	})
}

// warnedRoute says when the machine a route leads to is gone.
func warnedRoute(t *store.Tx, _ doc.Ref, o doc.Obj) doc.Obj {
	hop := doc.RefOf(doc.Str(o, "nextHopInstance"))
	if hop == "" || t.Get(hop) != nil {
		return o
	}
	out := doc.Clone(o)
	out["warnings"] = []any{doc.Obj{
		"code": "NEXT_HOP_INSTANCE_NOT_FOUND", "message": "Next hop instance '" + string(hop) + "' does not exist.",
		"data": []any{doc.Obj{"key": "instance", "value": hop.Link()}},
	}}
	return out
}

// addRoute makes the default route of a network, or with a subnet the one to
// its range.
func addRoute(t *store.Tx, s *api.Server, network doc.Ref, dest string, subnet doc.Ref, text string, priority int) {
	sum := sha256.Sum256([]byte(string(network) + " " + dest + " " + string(subnet)))
	name := "default-route-" + hex.EncodeToString(sum[:8])
	if subnet != "" {
		name = "default-route-r-" + hex.EncodeToString(sum[:8])
	}
	r := doc.RefIn(network.Project(), "global", "routes", name)
	o := doc.Obj{
		"kind": "compute#route", "id": t.ID(), "name": name, "description": text, "creationTimestamp": doc.Stamp(s.Opts.Now()),
		"network": network.Link(), "destRange": dest, "priority": priority, "selfLink": r.Link(), "routeType": "STATIC",
	}
	if subnet == "" {
		o["nextHopGateway"] = doc.Base + "projects/" + network.Project() + "/global/gateways/default-internet-gateway"
	} else {
		o["nextHopNetwork"], o["routeType"] = network.Link(), "SUBNET"
	}
	t.Put(r, o)
	// Which subnetwork a route came with is no part of the API's route.
	t.Put(r.Note("routeOf"), doc.Obj{"subnetwork": string(subnet), "network": string(network)})
}

// removeRoutes takes away the routes that came with a network or subnetwork.
func removeRoutes(t *store.Tx, of doc.Ref) {
	for _, o := range t.List("projects/" + of.Project() + "/global/routes") {
		r := doc.RefOf(doc.Str(o, "selfLink"))
		if n := t.Get(r.Note("routeOf")); doc.Str(n, "subnetwork") == string(of) || doc.Str(n, "network") == string(of) {
			t.Delete(r)
			t.Delete(r.Note("routeOf"))
		}
	}
}
