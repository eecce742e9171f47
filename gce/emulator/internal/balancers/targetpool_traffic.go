package balancers

import (
	"net/netip"
	"strconv"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// pooled completes a balancer with what its target pool says: the machines of the
// pool, those of its backup, and how they are probed.
func pooled(t *store.Tx, pool doc.Obj, b *backend.Balancer) {
	b.Affinity, b.Failover = doc.Str(pool, "sessionAffinity"), doc.Float(pool, "failoverRatio")
	for _, h := range doc.Strings(pool, "healthChecks") {
		b.Check = httpCheckOf(t.Get(doc.RefOf(h)))
	}
	b.Backends = poolBackends(t, pool, false)
	if backup := t.Get(doc.RefOf(doc.Str(pool, "backupPool"))); backup != nil {
		b.Backends = append(b.Backends, poolBackends(t, backup, true)...)
	}
}

// poolBackends are the machines of a pool, one set a zone and network.
func poolBackends(t *store.Tx, pool doc.Obj, backup bool) (out []backend.Backends) {
	at := map[[2]string]int{} // by zone and network
	for _, i := range members.PoolInstances(t, pool) {
		a := balanced(i)
		if !a.IsValid() {
			continue
		}
		key := [2]string{doc.RefOf(doc.Str(i, "selfLink")).Place(), networkOf(i)}
		if _, known := at[key]; !known {
			at[key] = len(out)
			out = append(out, backend.Backends{Zone: key[0], Group: doc.Str(pool, "name"), Network: key[1], Backup: backup})
		}
		g := &out[at[key]]
		g.Machines = append(g.Machines, a)
	}
	return out
}

// poolHealth is what the probes of each forwarding rule have found of one machine.
// Without a health check it counts as healthy, as long as it runs.
func poolHealth(c *api.Call) (doc.Obj, error) {
	r := c.Target("targetPools")
	m := doc.ParseRef(doc.Str(c.Body, "instance"), r.Project(), "", "instances")
	rules := map[doc.Ref]backend.Balancer{}
	var at netip.Addr
	var order []doc.Ref
	var err error
	c.S.Store.View(func(t *store.Tx) {
		pool := t.Get(r)
		if pool == nil {
			err = problem.NotFound(r)
			return
		}
		if !inPool(pool, m) {
			err = problem.Invalid("resource.instance", doc.Str(c.Body, "instance"), "It is not in the target pool '"+r.Name()+"'.")
			return
		}
		if o := t.Get(m); o != nil {
			at = balanced(o)
		}
		for _, rule := range poolRules(t, r) {
			if b, ok := balancerOf(t, rule); ok {
				rules[rule], order = b, append(order, rule)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	states := []any{}
	for _, rule := range order {
		b := rules[rule]
		healthy, err := c.S.Opts.Backend.Health(b)
		if err != nil {
			return nil, err
		}
		state := "UNHEALTHY"
		if at.IsValid() && (b.Check.Protocol == "" || healthy[at]) {
			state = "HEALTHY"
		}
		states = append(states, doc.Obj{"instance": m.Link(), "ipAddress": b.Address.String(), "healthState": state})
	}
	out := doc.Obj{"kind": "compute#targetPoolInstanceHealth"}
	if len(states) > 0 {
		out["healthStatus"] = states
	}
	return out, nil
}

func inPool(pool doc.Obj, m doc.Ref) bool {
	for _, link := range doc.Strings(pool, "instances") {
		if doc.RefOf(link) == m {
			return true
		}
	}
	return false
}

// setPoolBackup gives a pool another backup, or none.
func setPoolBackup(c *api.Call) (doc.Obj, error) {
	return poolEdited(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		delete(o, "backupPool")
		delete(o, "failoverRatio")
		if s := doc.Str(c.Body, "target"); s != "" {
			o["backupPool"] = s
		}
		if s := c.Query.Get("failoverRatio"); s != "" {
			ratio, err := strconv.ParseFloat(s, 64)
			if err != nil {
				return problem.Invalid("failoverRatio", s, "Must be a number.")
			}
			o["failoverRatio"] = ratio
		}
		return backedUp(t, r, o)
	})
}

// backedUp checks a pool's backup, which says nothing without its ratio.
func backedUp(t *store.Tx, r doc.Ref, o doc.Obj) error {
	s, ratio := doc.Str(o, "backupPool"), doc.Float(o, "failoverRatio")
	if doc.Has(o, "backupPool") != doc.Has(o, "failoverRatio") {
		return problem.Refuse("A target pool has both a backupPool and a failoverRatio, or neither.")
	}
	if s == "" {
		return nil
	}
	if ratio < 0 || ratio > 1 {
		return problem.Invalid("resource.failoverRatio", ratio, "Must be between 0 and 1.")
	}
	p := doc.ParseRef(s, r.Project(), r.Scope(), "targetPools")
	if p == "" || p.Scope() != r.Scope() || p == r {
		return problem.Invalid("resource.backupPool", s, "The backup must be another target pool of region '"+r.Place()+"'.")
	}
	if t.Get(p) == nil {
		return problem.NotFound(p)
	}
	o["backupPool"] = p.Link()
	return nil
}
