package emulator

import (
	"net/netip"
	"time"
)

// What rules, services, groups and checks come to for the network behind the API.

// balancerOf is a forwarding rule with all that hangs on it, and false while
// the rule is being made.
func balancerOf(t *tx, r ref) (Balancer, bool) {
	rule := t.get(r)
	if t.get(r.note("arriving")) != nil {
		return Balancer{}, false
	}
	service := t.get(toRef(str(rule, "backendService")))
	if rule == nil || service == nil {
		return Balancer{}, false
	}
	b := Balancer{
		Project: r.project(), Region: r.place(), Name: r.name(), Protocol: str(rule, "IPProtocol"), Ports: portsOf(rule),
		Affinity: str(service, "sessionAffinity"),
		Drain:    time.Duration(num(sub(service, "connectionDraining"), "drainingTimeoutSec")) * time.Second,
	}
	b.Address, _ = netip.ParseAddr(str(rule, "IPAddress"))
	for _, h := range stringsOf(service, "healthChecks") {
		b.Check = checkOf(t.get(toRef(h)))
	}
	for _, x := range objects(service, "backends") {
		g := toRef(str(x, "group"))
		group := Backends{Zone: g.place(), Group: g.name(), Network: toRef(str(t.get(g), "network")).name()}
		for _, i := range groupInstances(t, g) {
			if a := balanced(i); a.IsValid() {
				group.Machines = append(group.Machines, a)
				if group.Network == "" { // a managed group's is its machines'
					group.Network = toRef(str(objects(i, "networkInterfaces")[0], "network")).name()
				}
			}
		}
		b.Backends = append(b.Backends, group)
	}
	return b, true
}

// balanced is the internal address of an instance, if there is a machine to
// send to: while it stops it still answers.
func balanced(o obj) (a netip.Addr) {
	if s := str(o, "status"); s == "RUNNING" || s == "STOPPING" {
		for _, nic := range objects(o, "networkInterfaces") {
			a, _ = netip.ParseAddr(str(nic, "networkIP"))
		}
	}
	return a
}

// balancersOf are the balancers of a project, by region and name.
func balancersOf(t *tx, project string) (out []Balancer) {
	for _, o := range t.all(project, "forwardingRules") {
		if b, ok := balancerOf(t, toRef(str(o, "selfLink"))); ok {
			out = append(out, b)
		}
	}
	return out
}

// getHealth is what the probes of each forwarding rule have found of a group.
// Without a rule nobody probes, and nothing is said.
func getHealth(c *call) (obj, error) {
	r := c.target("backendServices")
	group := parse(str(c.body, "group"), c.project(), "", "instanceGroups")
	type probed struct {
		rule ref
		b    Balancer
	}
	var rules []probed
	var members []obj
	var err error
	c.s.store.view(func(t *tx) {
		service := t.get(r)
		if service == nil {
			err = notFound(r)
			return
		}
		if !backendOf(service, group) {
			err = invalid("resource.group", str(c.body, "group"), "The group is not a backend of '"+string(r)+"'.")
			return
		}
		members = groupInstances(t, group)
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
		healthy, err := c.s.opts.Backend.Health(p.b)
		if err != nil {
			return nil, err
		}
		for _, i := range members {
			a, _ := netip.ParseAddr(str(objects(i, "networkInterfaces")[0], "networkIP"))
			state := "UNHEALTHY" // also one that was not probed yet, or is off
			if healthy[a] && balanced(i).IsValid() {
				state = "HEALTHY"
			}
			states = append(states, obj{
				"instance": i["selfLink"], "ipAddress": a.String(), "port": p.b.Check.Port, "healthState": state,
				"forwardingRule": p.rule.link(), "forwardingRuleIp": p.b.Address.String(),
			})
		}
	}
	out := obj{"kind": "compute#backendServiceGroupHealth"}
	if len(states) > 0 {
		out["healthStatus"] = states
	}
	return out, nil
}

func backendOf(service obj, group ref) bool {
	for _, b := range objects(service, "backends") {
		if toRef(str(b, "group")) == group {
			return true
		}
	}
	return false
}
