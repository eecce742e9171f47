// Package balancers has forwarding rules, backend services, health checks, target
// pools and the instance groups behind them.
package balancers

import (
	"net/netip"
	"time"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/store"
)

// What rules, services, groups and checks come to for the network behind the API.

// balancerOf is a forwarding rule with all that hangs on it, and false while
// the rule is being made.
func balancerOf(t *store.Tx, r doc.Ref) (backend.Balancer, bool) {
	rule := t.Get(r)
	if t.Get(r.Note("arriving")) != nil {
		return backend.Balancer{}, false
	}
	if rule == nil {
		return backend.Balancer{}, false
	}
	b := backend.Balancer{Project: r.Project(), Region: r.Place(), Name: r.Name(), Protocol: doc.Str(rule, "IPProtocol"), Ports: portsOf(rule)}
	b.Address, _ = netip.ParseAddr(doc.Str(rule, "IPAddress"))
	if doc.Str(rule, "loadBalancingScheme") == internal {
		b.Network, b.Global = doc.RefOf(doc.Str(rule, "network")).Name(), doc.Bool(rule, "allowGlobalAccess")
	}
	if pool := t.Get(doc.RefOf(doc.Str(rule, "target"))); pool != nil {
		pooled(t, pool, &b)
		return b, true
	}
	service := t.Get(doc.RefOf(doc.Str(rule, "backendService")))
	if service == nil {
		return backend.Balancer{}, false
	}
	b.Affinity = doc.Str(service, "sessionAffinity")
	b.Drain = time.Duration(doc.Num(doc.Sub(service, "connectionDraining"), "drainingTimeoutSec")) * time.Second
	for _, h := range doc.Strings(service, "healthChecks") {
		b.Check = checkOf(t.Get(doc.RefOf(h)))
	}
	for _, x := range doc.Objects(service, "backends") {
		g := doc.RefOf(doc.Str(x, "group"))
		group := backend.Backends{Zone: g.Place(), Group: g.Name(), Network: doc.RefOf(doc.Str(t.Get(g), "network")).Name()}
		for _, i := range members.GroupInstances(t, g) {
			if a := balanced(i); a.IsValid() {
				group.Machines = append(group.Machines, a)
				if group.Network == "" { // a managed group's is its machines'
					group.Network = networkOf(i)
				}
			}
		}
		b.Backends = append(b.Backends, group)
	}
	return b, true
}

// networkOf is the name of the network an instance is in.
func networkOf(o doc.Obj) string {
	return doc.RefOf(doc.Str(doc.Objects(o, "networkInterfaces")[0], "network")).Name()
}

// balanced is the internal address of an instance, if there is a machine to
// send to: while it stops it still answers.
func balanced(o doc.Obj) (a netip.Addr) {
	if s := doc.Str(o, "status"); s == "RUNNING" || s == "STOPPING" {
		for _, nic := range doc.Objects(o, "networkInterfaces") {
			a, _ = netip.ParseAddr(doc.Str(nic, "networkIP"))
		}
	}
	return a
}

// BalancersOf are the balancers of a project, by region and name.
func BalancersOf(t *store.Tx, project string) (out []backend.Balancer) {
	for _, o := range t.All(project, "forwardingRules") {
		if b, ok := balancerOf(t, doc.RefOf(doc.Str(o, "selfLink"))); ok {
			out = append(out, b)
		}
	}
	return out
}
