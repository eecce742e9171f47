package emulator

import (
	"context"
	"fmt"
)

func forwardingRules() collection {
	return collection{
		resource: "forwardingRules", kind: "forwardingRules", item: "compute#forwardingRule",
		methods: map[string]handler{
			"insert": insertRule, "delete": deleteRule, "patch": patchRule, "setLabels": labelsSetter("forwardingRules"),
		},
		works: map[string]work{
			"insert": {run: ruleArrives, late: true}, "patch": {}, "setLabels": {},
			"delete": {late: true, run: func(ctx context.Context, k *task) error {
				return k.remove(ctx, "forwarding_rule", func(*tx, ref) ref { return "" }, func(t *tx, r ref) {
					releaseExternal(t, r, str(t.get(r), "IPAddress"))
				})
			}},
		},
	}
}

// globalForwardingRules can be listed, since gcloud lists both; there are none.
func globalForwardingRules() collection {
	return collection{resource: "globalForwardingRules", kind: "forwardingRules", item: "compute#forwardingRule"}
}

// insertRule takes the address at once. Traffic follows when the operation is
// done: until then the rule is "arriving" and no balancer.
func insertRule(c *call) (obj, error) {
	r := c.ref("forwardingRules", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		if t.get(r) != nil {
			return exists(r)
		}
		if err := completeRule(t, r, o); err != nil {
			return err
		}
		if err := c.s.ruleAddress(t, r, o); err != nil {
			return err
		}
		if _, err := c.create(t, "forwardingRules", o); err != nil {
			return err
		}
		o = t.edit(r)
		o["fingerprint"], o["labelFingerprint"] = fingerprint(o["id"]), fingerprint(o["labels"])
		t.put(r.note("arriving"), obj{"id": o["id"]})
		return nil
	})
}

func ruleArrives(ctx context.Context, k *task) error {
	err := k.step("arrived", func(t *tx) error {
		t.delete(k.Target.note("arriving"))
		return nil
	})
	if err != nil {
		return err
	}
	return k.s.network.apply(ctx)
}

func deleteRule(c *call) (obj, error) {
	return c.removal("forwardingRules", "forwarding_rule", func(*tx, ref) ref { return "" })
}

// patchRule can change nothing that would show here: the tier is always PREMIUM.
func patchRule(c *call) (obj, error) {
	r := c.target("forwardingRules")
	return c.change(r, nil, func(t *tx) error {
		o := t.edit(r)
		if o == nil {
			return notFound(r)
		}
		if err := immutable(o, c.body, "name"); err != nil {
			return err
		}
		for k, v := range c.body {
			if k != "name" && k != "networkTier" && k != "fingerprint" {
				return notWritten("forwardingRules.patch of " + k)
			}
			if k == "networkTier" && v != "PREMIUM" {
				return notWritten("network tier " + fmt.Sprint(v))
			}
		}
		if f := str(c.body, "fingerprint"); f != "" && f != str(o, "fingerprint") {
			return stale("Invalid fingerprint.")
		}
		return nil
	})
}

// completeRule checks all of a rule but its address.
func completeRule(t *tx, r ref, o obj) error {
	for k, v := range o {
		switch k {
		case "name", "description", "IPAddress", "IPProtocol", "ports", "portRange", "allPorts", "backendService", "target", "loadBalancingScheme",
			"labels", "networkTier", "region", "kind":
		case "ipVersion":
			if v != "IPV4" && v != "UNSPECIFIED_VERSION" {
				return notWritten("forwarding rules with " + fmt.Sprint(v))
			}
			delete(o, k)
		default:
			if l, ok := v.([]any); ok && len(l) == 0 || v == false || v == "" {
				continue
			}
			return notWritten("forwarding rules with " + k) // subnetworks, …
		}
	}
	fill(o, obj{"kind": "compute#forwardingRule", "description": "", "loadBalancingScheme": "EXTERNAL", "IPProtocol": "TCP", "networkTier": "PREMIUM"})
	placed(r, o)
	if s := str(o, "loadBalancingScheme"); s != "EXTERNAL" {
		return notWritten("forwarding rules of scheme " + s)
	}
	if s := str(o, "networkTier"); s != "PREMIUM" {
		return notWritten("network tier " + s)
	}
	if err := checkLabels(sub(o, "labels")); err != nil {
		return err
	}
	switch target := str(o, "target"); {
	case str(o, "backendService") == "" && target == "":
		return missing("resource.backendService")
	case str(o, "backendService") != "" && target != "":
		return refuse("A forwarding rule has a target or a backend service, not both.")
	case target != "":
		return targeted(t, r, o)
	}
	s := parse(str(o, "backendService"), r.project(), r.scope(), "backendServices")
	if s == "" || s.scope() != r.scope() {
		return invalid("resource.backendService", str(o, "backendService"), "The backend service must be one of region '"+r.place()+"'.")
	}
	service := t.get(s)
	if service == nil {
		return notFound(s)
	}
	o["backendService"] = s.link()
	if p := str(o, "IPProtocol"); p != str(service, "protocol") {
		return invalid("resource.IPProtocol", p, "The protocol must be that of the backend service, "+str(service, "protocol")+".")
	}
	return completeRulePorts(o)
}
