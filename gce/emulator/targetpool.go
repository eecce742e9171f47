package emulator

import (
	"context"
	"fmt"
	"slices"
)

// Target pools are the older of the two things a forwarding rule can send to:
// machines of one region by name, and at most one legacy HTTP health check.
// They are kept with all their rules, since Kubernetes' cloud provider makes
// one for each Service of type LoadBalancer and they have to be found and
// removed. Nothing behind the API sends packets to one: a forwarding rule with
// a target is an object only, and getHealth, setBackup and failover answer 501.
//
// Google's documents do not say what becomes of a member whose machine is
// deleted. Here it stays in the list, as the next hop of a route does.
func targetPools() collection {
	return collection{
		resource: "targetPools", kind: "targetPools", item: "compute#targetPool",
		methods: map[string]handler{
			"insert": insertPool, "delete": deletePool, "addInstance": addPoolInstances, "removeInstance": removePoolInstances,
			"addHealthCheck": addPoolCheck, "removeHealthCheck": removePoolCheck,
		},
		works: map[string]work{
			"insert": {}, "addInstance": {}, "removeInstance": {}, "addHealthCheck": {}, "removeHealthCheck": {},
			"delete": {late: true, run: func(ctx context.Context, k *task) error { return k.remove(ctx, "target_pool", poolUser) }},
		},
	}
}

func insertPool(c *call) (obj, error) {
	r := c.ref("targetPools", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		if has(o, "backupPool") || has(o, "failoverRatio") {
			return notWritten("target pools with a backup pool")
		}
		fill(o, obj{"kind": "compute#targetPool", "description": "", "sessionAffinity": "NONE"})
		switch s := str(o, "sessionAffinity"); s {
		case "NONE", "CLIENT_IP", "CLIENT_IP_PROTO":
		default:
			return invalid("resource.sessionAffinity", s, "Session affinity of a target pool must be NONE, CLIENT_IP or CLIENT_IP_PROTO.")
		}
		placed(r, o)
		instances, checks := stringsOf(o, "instances"), stringsOf(o, "healthChecks")
		delete(o, "instances")
		delete(o, "healthChecks")
		if err := joinPool(t, r, o, instances); err != nil {
			return err
		}
		if err := probePool(t, r, o, checks); err != nil {
			return err
		}
		_, err := c.create(t, "targetPools", o)
		return err
	})
}

// joinPool adds machines, which must be there and in the pool's region. One
// that is in it stays in it.
func joinPool(t *tx, r ref, o obj, instances []string) error {
	for i, s := range instances {
		field := fmt.Sprintf("resource.instances[%d]", i)
		m := parse(s, r.project(), "", "instances")
		if m == "" || m.region() != r.place() {
			return invalid(field, s, "The instance must be in a zone of region '"+r.place()+"'.")
		}
		if t.get(m) == nil {
			return notFound(m)
		}
		if !slices.Contains(stringsOf(o, "instances"), m.link()) {
			o["instances"] = append(slices.Clone(list(o, "instances")), m.link())
		}
	}
	return nil
}

// probePool gives a pool its one health check.
func probePool(t *tx, r ref, o obj, checks []string) error {
	for i, s := range checks {
		h := parse(s, r.project(), "global", "httpHealthChecks")
		if h == "" {
			return invalid(fmt.Sprintf("resource.healthChecks[%d]", i), s, "A target pool takes legacy HTTP health checks only.")
		}
		if t.get(h) == nil {
			return notFound(h)
		}
		if !slices.Contains(stringsOf(o, "healthChecks"), h.link()) {
			o["healthChecks"] = append(slices.Clone(list(o, "healthChecks")), h.link())
		}
	}
	if n := len(list(o, "healthChecks")); n > 1 {
		return invalid("resource.healthChecks", n, "At most one health check can be specified.")
	}
	return nil
}

// poolEdited is a change to a pool that is there.
func (c *call) poolEdited(f func(t *tx, r ref, o obj) error) (obj, error) {
	r := c.target("targetPools")
	return c.change(r, nil, func(t *tx) error {
		o := t.edit(r)
		if o == nil {
			return notFound(r)
		}
		return f(t, r, o)
	})
}

// listed reads a list of references out of a request: {"instances": [{"instance": …}]}.
func (c *call) listed(many, one string) (out []string, err error) {
	for _, x := range objects(c.body, many) {
		out = append(out, str(x, one))
	}
	if len(out) == 0 {
		return nil, missing("resource." + many)
	}
	return out, nil
}

func addPoolInstances(c *call) (obj, error) {
	return c.poolEdited(func(t *tx, r ref, o obj) error {
		names, err := c.listed("instances", "instance")
		if err != nil {
			return err
		}
		return joinPool(t, r, o, names)
	})
}

func addPoolCheck(c *call) (obj, error) {
	return c.poolEdited(func(t *tx, r ref, o obj) error {
		names, err := c.listed("healthChecks", "healthCheck")
		if err != nil {
			return err
		}
		return probePool(t, r, o, names)
	})
}

func removePoolInstances(c *call) (obj, error) { return c.leavePool("instances", "instance") }
func removePoolCheck(c *call) (obj, error)     { return c.leavePool("healthChecks", "healthCheck") }

// leavePool takes members out, also those that are gone.
func (c *call) leavePool(many, one string) (obj, error) {
	return c.poolEdited(func(_ *tx, r ref, o obj) error {
		names, err := c.listed(many, one)
		if err != nil {
			return err
		}
		kind, scope := many, ""
		if many == "healthChecks" {
			kind, scope = "httpHealthChecks", "global"
		}
		for i, s := range names {
			m := parse(s, r.project(), scope, kind)
			if m == "" || !slices.Contains(stringsOf(o, many), m.link()) {
				return invalid(fmt.Sprintf("resource.%s[%d].%s", many, i, one), s, "It is not in the target pool '"+r.name()+"'.")
			}
			if o[many] = without(list(o, many), m.link()); len(list(o, many)) == 0 {
				delete(o, many)
			}
		}
		return nil
	})
}

func deletePool(c *call) (obj, error) { return c.removal("targetPools", "target_pool", poolUser) }

// poolUser is a forwarding rule that sends to a pool.
func poolUser(t *tx, r ref) ref {
	for _, o := range t.list(r.within("forwardingRules", "x").collection()) {
		if toRef(str(o, "target")) == r {
			return toRef(str(o, "selfLink"))
		}
	}
	return ""
}

// targeted completes a forwarding rule that sends to a target pool.
func targeted(t *tx, r ref, o obj) error {
	p := parse(str(o, "target"), r.project(), r.scope(), "targetPools")
	if p == "" || p.scope() != r.scope() {
		return invalid("resource.target", str(o, "target"), "The target must be a target pool of region '"+r.place()+"'.")
	}
	if t.get(p) == nil {
		return notFound(p)
	}
	o["target"] = p.link()
	if s := str(o, "IPProtocol"); s != "TCP" && s != "UDP" {
		return notWritten("forwarding rules of protocol " + s + " to a target pool")
	}
	if len(list(o, "ports")) > 0 || flag(o, "allPorts") {
		return refuse("A forwarding rule to a target pool names its ports with 'portRange'.")
	}
	fill(o, obj{"portRange": "1-65535"})
	return completeRulePorts(o)
}
