package balancers

import (
	"context"
	"fmt"
	"slices"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// Target pools are the older of the two things a forwarding rule can send to:
// machines of one region by name, and at most one legacy HTTP health check. Kubernetes'
// cloud provider makes one for each Service of type LoadBalancer.
//
// Google's documents do not say what becomes of a member whose machine is
// deleted. Here it stays in the list, as the next hop of a route does.
func targetPools() api.Collection {
	return api.Collection{
		Resource: "targetPools", Kind: "targetPools", Item: "compute#targetPool",
		Methods: map[string]api.Handler{
			"insert": insertPool, "delete": deletePool, "addInstance": addPoolInstances, "removeInstance": removePoolInstances,
			"addHealthCheck": addPoolCheck, "removeHealthCheck": removePoolCheck, "getHealth": poolHealth, "setBackup": setPoolBackup,
		},
		Works: map[string]api.Work{
			"insert": {}, "addInstance": {Run: api.Synced}, "removeInstance": {Run: api.Synced},
			"addHealthCheck": {Run: api.Synced}, "removeHealthCheck": {Run: api.Synced}, "setBackup": {Run: api.Synced},
			"delete": {Late: true, Run: func(ctx context.Context, k *api.Job) error { return k.Remove(ctx, "target_pool", poolUser) }},
		},
	}
}

func insertPool(c *api.Call) (doc.Obj, error) {
	r := c.Ref("targetPools", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		doc.Fill(o, doc.Obj{"kind": "compute#targetPool", "description": "", "sessionAffinity": "NONE"})
		switch s := doc.Str(o, "sessionAffinity"); s {
		case "NONE", "CLIENT_IP", "CLIENT_IP_PROTO":
		default:
			return problem.Invalid("resource.sessionAffinity", s, "Session affinity of a target pool must be NONE, CLIENT_IP or CLIENT_IP_PROTO.")
		}
		api.Placed(r, o)
		instances, checks := doc.Strings(o, "instances"), doc.Strings(o, "healthChecks")
		delete(o, "instances")
		delete(o, "healthChecks")
		if err := joinPool(t, r, o, instances); err != nil {
			return err
		}
		if err := probePool(t, r, o, checks); err != nil {
			return err
		}
		if err := backedUp(t, r, o); err != nil {
			return err
		}
		_, err := c.Create(t, "targetPools", o)
		return err
	})
}

// joinPool adds machines, which must be there and in the pool's region. One
// that is in it stays in it.
func joinPool(t *store.Tx, r doc.Ref, o doc.Obj, instances []string) error {
	for i, s := range instances {
		field := fmt.Sprintf("resource.instances[%d]", i)
		m := doc.ParseRef(s, r.Project(), "", "instances")
		if m == "" || m.Region() != r.Place() {
			return problem.Invalid(field, s, "The instance must be in a zone of region '"+r.Place()+"'.")
		}
		if t.Get(m) == nil {
			return problem.NotFound(m)
		}
		if !slices.Contains(doc.Strings(o, "instances"), m.Link()) {
			o["instances"] = append(slices.Clone(doc.List(o, "instances")), m.Link())
		}
	}
	return nil
}

// probePool gives a pool its one health check.
func probePool(t *store.Tx, r doc.Ref, o doc.Obj, checks []string) error {
	for i, s := range checks {
		h := doc.ParseRef(s, r.Project(), "global", "httpHealthChecks")
		if h == "" {
			return problem.Invalid(fmt.Sprintf("resource.healthChecks[%d]", i), s, "A target pool takes legacy HTTP health checks only.")
		}
		if t.Get(h) == nil {
			return problem.NotFound(h)
		}
		if !slices.Contains(doc.Strings(o, "healthChecks"), h.Link()) {
			o["healthChecks"] = append(slices.Clone(doc.List(o, "healthChecks")), h.Link())
		}
	}
	if n := len(doc.List(o, "healthChecks")); n > 1 {
		return problem.Invalid("resource.healthChecks", n, "At most one health check can be specified.")
	}
	return nil
}

// poolEdited is a change to a pool that is there.
func poolEdited(c *api.Call, f func(t *store.Tx, r doc.Ref, o doc.Obj) error) (doc.Obj, error) {
	r := c.Target("targetPools")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		return f(t, r, o)
	})
}

// namesIn reads a list of references out of a request: {"instances": [{"instance": …}]}.
func namesIn(c *api.Call, many, one string) (out []string, err error) {
	for _, x := range doc.Objects(c.Body, many) {
		out = append(out, doc.Str(x, one))
	}
	if len(out) == 0 {
		return nil, problem.Missing("resource." + many)
	}
	return out, nil
}

func addPoolInstances(c *api.Call) (doc.Obj, error) {
	return poolEdited(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		names, err := namesIn(c, "instances", "instance")
		if err != nil {
			return err
		}
		return joinPool(t, r, o, names)
	})
}

func addPoolCheck(c *api.Call) (doc.Obj, error) {
	return poolEdited(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		names, err := namesIn(c, "healthChecks", "healthCheck")
		if err != nil {
			return err
		}
		return probePool(t, r, o, names)
	})
}

func removePoolInstances(c *api.Call) (doc.Obj, error) { return leavePool(c, "instances", "instance") }
func removePoolCheck(c *api.Call) (doc.Obj, error) {
	return leavePool(c, "healthChecks", "healthCheck")
}

// leavePool takes members out, also those that are gone.
func leavePool(c *api.Call, many, one string) (doc.Obj, error) {
	return poolEdited(c, func(_ *store.Tx, r doc.Ref, o doc.Obj) error {
		names, err := namesIn(c, many, one)
		if err != nil {
			return err
		}
		kind, scope := many, ""
		if many == "healthChecks" {
			kind, scope = "httpHealthChecks", "global"
		}
		for i, s := range names {
			m := doc.ParseRef(s, r.Project(), scope, kind)
			if m == "" || !slices.Contains(doc.Strings(o, many), m.Link()) {
				return problem.Invalid(fmt.Sprintf("resource.%s[%d].%s", many, i, one), s, "It is not in the target pool '"+r.Name()+"'.")
			}
			if o[many] = doc.Without(doc.List(o, many), m.Link()); len(doc.List(o, many)) == 0 {
				delete(o, many)
			}
		}
		return nil
	})
}

func deletePool(c *api.Call) (doc.Obj, error) {
	return c.Removal("targetPools", "target_pool", poolUser)
}

// poolUser is a forwarding rule that sends to a pool, or a pool whose backup it is.
func poolUser(t *store.Tx, r doc.Ref) doc.Ref {
	if l := poolRules(t, r); len(l) > 0 {
		return l[0]
	}
	for _, o := range t.List(r.Collection()) {
		if doc.RefOf(doc.Str(o, "backupPool")) == r {
			return doc.RefOf(doc.Str(o, "selfLink"))
		}
	}
	return ""
}

// poolRules are the forwarding rules that send to a pool, by name.
func poolRules(t *store.Tx, r doc.Ref) (out []doc.Ref) {
	for _, o := range t.List(r.Within("forwardingRules", "x").Collection()) {
		if doc.RefOf(doc.Str(o, "target")) == r {
			out = append(out, doc.RefOf(doc.Str(o, "selfLink")))
		}
	}
	return out
}

// targeted completes a forwarding rule that sends to a target pool.
func targeted(t *store.Tx, r doc.Ref, o doc.Obj) error {
	p := doc.ParseRef(doc.Str(o, "target"), r.Project(), r.Scope(), "targetPools")
	if p == "" || p.Scope() != r.Scope() {
		return problem.Invalid("resource.target", doc.Str(o, "target"), "The target must be a target pool of region '"+r.Place()+"'.")
	}
	if t.Get(p) == nil {
		return problem.NotFound(p)
	}
	o["target"] = p.Link()
	if s := doc.Str(o, "IPProtocol"); s != "TCP" && s != "UDP" {
		return problem.NotWritten("forwarding rules of protocol " + s + " to a target pool")
	}
	if len(doc.List(o, "ports")) > 0 || doc.Bool(o, "allPorts") {
		return problem.Refuse("A forwarding rule to a target pool names its ports with 'portRange'.")
	}
	doc.Fill(o, doc.Obj{"portRange": "1-65535"})
	return completeRulePorts(o)
}
