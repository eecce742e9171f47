// Package networks has networks, subnetworks, routes, firewall rules and addresses,
// and hands out addresses to whoever needs one.
package networks

import (
	"context"
	"slices"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

func networks() api.Collection {
	return api.Collection{
		Resource: "networks", Kind: "networks", Item: "compute#network",
		Methods: map[string]api.Handler{"insert": insertNetwork, "delete": deleteNetwork, "patch": patchNetwork},
		Lacks: map[string][]string{
			"insert": {"enableUlaInternalIpv6: IPv6", "internalIpv6Range: IPv6", "networkProfile"},
			"patch":  {"+routingConfig", "+mtu", "+name", "+autoCreateSubnetworks"},
		},
		Works: map[string]api.Work{
			"insert": {Run: api.Synced}, "patch": {Run: api.Synced},
			"delete": {Late: true, Run: func(ctx context.Context, k *api.Job) error {
				return k.Remove(ctx, "network", networkUsers, removeRoutes, removeAutomatic)
			}},
		},
	}
}

func insertNetwork(c *api.Call) (doc.Obj, error) {
	if doc.Has(c.Body, "IPv4Range") {
		return nil, problem.Refuse("Legacy networks are not supported. Create an auto or custom mode network.")
	}
	if m := doc.Num(c.Body, "mtu"); m != 0 && (m < 1300 || m > 8896) {
		return nil, problem.Invalid("resource.mtu", m, "Must be between 1300 and 8896.")
	}
	r := c.Ref("networks", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		if r.Name() == "" {
			return problem.Missing("resource.name")
		}
		return makeNetwork(c.S, t, r, doc.Clone(c.Body))
	})
}

// makeNetwork stores a network, with a subnetwork in each region unless it says
// that somebody else makes these.
func makeNetwork(s *api.Server, t *store.Tx, r doc.Ref, o doc.Obj) error {
	doc.Fill(o, doc.Obj{
		"kind": "compute#network", "autoCreateSubnetworks": true,
		"networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
		"routingConfig":                         doc.Obj{},
	})
	doc.Fill(doc.Sub(o, "routingConfig"), doc.Obj{"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY"})
	if err := s.New(t, r, o); err != nil {
		return err
	}
	addRoute(t, s, r, "0.0.0.0/0", "", "Default route to the Internet.", 1000)
	if !doc.Bool(o, "autoCreateSubnetworks") {
		return nil
	}
	for _, p := range doc.Places {
		sub := doc.Obj{"name": r.Name(), "network": r.Link(), "ipCidrRange": p.Auto}
		if err := makeSubnetwork(s, t, doc.RefIn(r.Project(), "regions/"+p.Region, "subnetworks", r.Name()), sub); err != nil {
			return err
		}
	}
	return nil
}

// automatic reports whether a subnetwork is one its network made itself: it can be
// removed only with that.
func automatic(t *store.Tx, r doc.Ref) bool {
	o := t.Get(r)
	n := doc.RefOf(doc.Str(o, "network"))
	return doc.Bool(t.Get(n), "autoCreateSubnetworks") && r.Name() == n.Name() && slices.ContainsFunc(doc.Places, func(p doc.Place) bool {
		return p.Region == r.Place() && p.Auto == doc.Str(o, "ipCidrRange")
	})
}

// removeAutomatic takes away what the network made itself.
func removeAutomatic(t *store.Tx, network doc.Ref) {
	for _, link := range doc.Strings(t.Get(network), "subnetworks") {
		if r := doc.RefOf(link); automatic(t, r) {
			t.Delete(r)
		}
	}
}

func patchNetwork(c *api.Call) (doc.Obj, error) {
	r := c.Target("networks")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if err := api.Immutable(o, c.Body, "name", "autoCreateSubnetworks"); err != nil {
			return err
		}
		doc.Merge(o, c.Body)
		return nil
	})
}

func deleteNetwork(c *api.Call) (doc.Obj, error) {
	r := c.Target("networks")
	// At Google a network in use is told by the operation, not at once.
	return c.Change(r, nil, func(t *store.Tx) error {
		if t.Get(r) == nil {
			return problem.NotFound(r)
		}
		return nil
	})
}

func networkUsers(t *store.Tx, r doc.Ref) doc.Ref {
	link := r.Link()
	for _, kind := range []string{"firewalls", "subnetworks", "addresses", "forwardingRules"} {
		for _, o := range t.All(r.Project(), kind) {
			user := doc.RefOf(doc.Str(o, "selfLink"))
			if doc.Str(o, "network") != link {
				continue
			}
			if automatic(t, user) { // it goes with the network, if it can
				user = subnetworkUsers(t, user)
			}
			if user != "" {
				return user
			}
		}
	}
	for _, o := range t.All(r.Project(), "instances") {
		for _, nic := range doc.Objects(o, "networkInterfaces") {
			if doc.Str(nic, "network") == link {
				return doc.RefOf(doc.Str(o, "selfLink"))
			}
		}
	}
	for _, o := range t.All(r.Project(), "routes") {
		if doc.Str(o, "network") == link && t.Get(doc.RefOf(doc.Str(o, "selfLink")).Note("routeOf")) == nil {
			return doc.RefOf(doc.Str(o, "selfLink"))
		}
	}
	for _, o := range t.All(r.Project(), "instanceGroups") {
		if doc.Str(o, "network") == link {
			return doc.RefOf(doc.Str(o, "selfLink"))
		}
	}
	for _, o := range t.List("projects/" + r.Project() + "/global/instanceTemplates") {
		for _, nic := range doc.Objects(doc.Sub(o, "properties"), "networkInterfaces") {
			if doc.Str(nic, "network") == link {
				return doc.RefOf(doc.Str(o, "selfLink"))
			}
		}
	}
	return ""
}

// NetworkOf reads a reference to a network of the project, which must exist.
func NetworkOf(t *store.Tx, project, s, field string) (doc.Ref, error) {
	if s == "" {
		s = "global/networks/default" // as Google assumes
	}
	r := doc.ParseRef(s, project, "global", "networks")
	if r == "" {
		return "", problem.Invalid(field, s, "The URL is malformed.")
	}
	if t.Get(r) == nil {
		return "", problem.NotFound(r)
	}
	return r, nil
}
