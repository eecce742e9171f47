package balancers

import (
	"net/netip"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// getHealth is what the probes of each forwarding rule have found of a group.
// Without a rule nobody probes, and nothing is said.
func getHealth(c *api.Call) (doc.Obj, error) {
	r := c.Target("backendServices")
	group := doc.ParseRef(doc.Str(c.Body, "group"), c.Project(), "", "instanceGroups")
	type probed struct {
		rule doc.Ref
		b    backend.Balancer
	}
	var rules []probed
	var backends []doc.Obj
	var err error
	c.S.Store.View(func(t *store.Tx) {
		service := t.Get(r)
		if service == nil {
			err = problem.NotFound(r)
			return
		}
		if !backendOf(service, group) {
			err = problem.Invalid("resource.group", doc.Str(c.Body, "group"), "The group is not a backend of '"+string(r)+"'.")
			return
		}
		backends = members.GroupInstances(t, group)
		for _, rule := range serviceUsers(t, r) {
			if b, ok := balancerOf(t, rule); ok {
				rules = append(rules, probed{rule, b})
			}
		}
	})
	if err != nil {
		return nil, err
	}
	states := []any{}
	for _, p := range rules {
		healthy, err := c.S.Opts.Backend.Health(p.b)
		if err != nil {
			return nil, err
		}
		for _, i := range backends {
			a, _ := netip.ParseAddr(doc.Str(doc.Objects(i, "networkInterfaces")[0], "networkIP"))
			state := "UNHEALTHY" // also one that was not probed yet, or is off
			if healthy[a] && balanced(i).IsValid() {
				state = "HEALTHY"
			}
			states = append(states, doc.Obj{
				"instance": i["selfLink"], "ipAddress": a.String(), "port": p.b.Check.Port, "healthState": state,
				"forwardingRule": p.rule.Link(), "forwardingRuleIp": p.b.Address.String(),
			})
		}
	}
	out := doc.Obj{"kind": "compute#backendServiceGroupHealth"}
	if len(states) > 0 {
		out["healthStatus"] = states
	}
	return out, nil
}

func backendOf(service doc.Obj, group doc.Ref) bool {
	for _, b := range doc.Objects(service, "backends") {
		if doc.RefOf(doc.Str(b, "group")) == group {
			return true
		}
	}
	return false
}
