package emulator

import (
	"crypto/sha256"
	"encoding/hex"
)

// routes are those that come with networks and subnetworks: nothing behind the
// API obeys others, so making one answers 501.
func routes() collection {
	return collection{resource: "routes", kind: "routes", item: "compute#route"}
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
