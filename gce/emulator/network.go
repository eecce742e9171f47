package emulator

import (
	"context"
	"net/netip"
	"strings"
)

func networks() collection {
	return collection{
		resource: "networks", kind: "networks", item: "compute#network",
		methods: map[string]handler{"insert": insertNetwork, "delete": deleteNetwork, "patch": patchNetwork},
		works: map[string]work{
			"insert": {run: synced}, "patch": {run: synced},
			"delete": {late: true, run: func(ctx context.Context, k *task) error {
				return k.remove(ctx, "network", networkUsers, removeRoutes)
			}},
		},
	}
}

// synced is the work of a change that took hold when it was accepted: it is
// done when the network behind the API follows it.
func synced(ctx context.Context, k *task) error { return k.s.network.apply(ctx) }

// make fills in what every new object has and stores it.
func (c *call) create(t *tx, kind string, o obj) (ref, error) {
	name := str(o, "name")
	if name == "" {
		return "", missing("resource.name")
	}
	r := c.ref(kind, name)
	if t.get(r) != nil {
		return r, exists(r)
	}
	o["id"], o["creationTimestamp"], o["selfLink"] = t.id(), stamp(c.s.opts.Now()), r.link()
	t.put(r, o)
	return r, nil
}

// remove deletes the target of a task, unless something uses it by now.
// more are called in the same transaction.
func (k *task) remove(ctx context.Context, noun string, users func(*tx, ref) ref, more ...func(*tx, ref)) error {
	err := k.step("removed", func(t *tx) error {
		if t.get(k.Target) == nil {
			return notFound(k.Target)
		}
		if by := users(t, k.Target); by != "" {
			return inUse(noun, k.Target, by)
		}
		for _, f := range more {
			f(t, k.Target)
		}
		t.delete(k.Target)
		return nil
	})
	if err != nil {
		return err
	}
	return k.s.network.apply(ctx)
}

func insertNetwork(c *call) (obj, error) {
	if has(c.body, "IPv4Range") {
		return nil, refuse("Legacy networks are not supported. Create an auto or custom mode network.")
	}
	if m := num(c.body, "mtu"); m != 0 && (m < 1300 || m > 8896) {
		return nil, invalid("resource.mtu", m, "Must be between 1300 and 8896.")
	}
	r := c.ref("networks", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		fill(o, obj{
			"kind": "compute#network", "autoCreateSubnetworks": true, "mtu": 1460,
			"networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
			"routingConfig":                         obj{"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY"},
		})
		if _, err := c.create(t, "networks", o); err != nil {
			return err
		}
		o = t.edit(r)
		o["selfLinkWithId"] = base + string(r.within("networks", str(o, "id")))
		addRoute(t, c.s, r, "0.0.0.0/0", "", "Default route to the Internet.", 1000)
		if !flag(o, "autoCreateSubnetworks") {
			return nil
		}
		for _, p := range places {
			sub := obj{"name": r.name(), "network": r.link(), "ipCidrRange": p.auto}
			if err := makeSubnetwork(c.s, t, in(r.project(), "regions/"+p.region, "subnetworks", r.name()), sub); err != nil {
				return err
			}
		}
		return nil
	})
}

func patchNetwork(c *call) (obj, error) {
	r := c.target("networks")
	return c.change(r, nil, func(t *tx) error {
		o := t.edit(r)
		if o == nil {
			return notFound(r)
		}
		if err := immutable(o, c.body, "name", "autoCreateSubnetworks"); err != nil {
			return err
		}
		for k := range c.body {
			if k != "routingConfig" && k != "mtu" && k != "name" {
				return notWritten("networks.patch of " + k)
			}
		}
		merge(o, c.body)
		return nil
	})
}

func deleteNetwork(c *call) (obj, error) {
	r := c.target("networks")
	// At Google a network in use is told by the operation, not at once.
	return c.change(r, nil, func(t *tx) error {
		if t.get(r) == nil {
			return notFound(r)
		}
		return nil
	})
}

func networkUsers(t *tx, r ref) ref {
	link := r.link()
	for _, kind := range []string{"firewalls", "subnetworks", "addresses"} {
		for _, o := range t.all(r.project(), kind) {
			if str(o, "network") == link {
				return toRef(str(o, "selfLink"))
			}
		}
	}
	for _, o := range t.all(r.project(), "instances") {
		for _, nic := range objects(o, "networkInterfaces") {
			if str(nic, "network") == link {
				return toRef(str(o, "selfLink"))
			}
		}
	}
	for _, o := range t.all(r.project(), "routes") {
		if str(o, "network") == link && str(o, "nextHopInstance") != "" {
			return toRef(str(o, "selfLink"))
		}
	}
	for _, o := range t.all(r.project(), "instanceGroups") {
		if str(o, "network") == link {
			return toRef(str(o, "selfLink"))
		}
	}
	for _, o := range t.list("projects/" + r.project() + "/global/instanceTemplates") {
		for _, nic := range objects(sub(o, "properties"), "networkInterfaces") {
			if str(nic, "network") == link {
				return toRef(str(o, "selfLink"))
			}
		}
	}
	return ""
}

// networkOf reads a reference to a network of the project, which must exist.
func networkOf(t *tx, project, s, field string) (ref, error) {
	if s == "" {
		s = "global/networks/default" // as Google assumes
	}
	r := parse(s, project, "global", "networks")
	if r == "" {
		return "", invalid(field, s, "The URL is malformed.")
	}
	if t.get(r) == nil {
		return "", notFound(r)
	}
	return r, nil
}

// immutable refuses to change fields that stay as they were when the object was
// made. Clients may send them along as they are, a link also in part.
func immutable(o, body obj, fields ...string) error {
	for _, k := range fields {
		v := body[k]
		if s, ok := v.(string); v == nil || v == o[k] || ok && strings.HasSuffix(str(o, k), "/"+strings.TrimLeft(s, "/")) {
			continue
		}
		return invalid("resource."+k, v, "The field cannot be changed.")
	}
	return nil
}

// parsePrefix reads an IPv4 range whose address is its first.
func parsePrefix(s, field string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || !p.Addr().Is4() || p.Masked() != p {
		return p, invalid(field, s, "Must be a CIDR address range.")
	}
	return p, nil
}
