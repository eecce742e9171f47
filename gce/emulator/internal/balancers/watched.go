package balancers

import (
	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/store"
)

// WatchedIn are the managed groups of a project that have a health check of their own.
func WatchedIn(t *store.Tx, project string) (out []backend.Balancer) {
	for _, o := range t.All(project, "instanceGroupManagers") {
		if b, ok := Watched(t, doc.RefOf(doc.Str(o, "selfLink"))); ok {
			out = append(out, b)
		}
	}
	return out
}

// Watched is a managed group as its machines are probed, and false if it has no health
// check. Its name is none that a forwarding rule can have.
func Watched(t *store.Tx, r doc.Ref) (backend.Balancer, bool) {
	check := HealingCheck(t.Get(r))
	if t.Get(check) == nil {
		return backend.Balancer{}, false
	}
	b := backend.Balancer{Project: r.Project(), Region: r.Region(), Name: "~" + r.Place() + "/" + r.Name()}
	if b.Check = httpCheckOf(t.Get(check)); check.Kind() != "httpHealthChecks" {
		b.Check = checkOf(t.Get(check))
	}
	group := backend.Backends{Zone: r.Place(), Group: r.Name()}
	for _, i := range members.GroupInstances(t, r.Within("instanceGroups", r.Name())) {
		if a := balanced(i); a.IsValid() {
			group.Machines, group.Network = append(group.Machines, a), networkOf(i)
		}
	}
	b.Network = group.Network // as from inside: probes come from where an internal balancer's do
	b.Backends = []backend.Backends{group}
	return b, true
}

// HealingCheck is the health check by which a managed group finds out who is ill, "" if
// it has none.
func HealingCheck(group doc.Obj) doc.Ref {
	for _, p := range doc.Objects(group, "autoHealingPolicies") {
		return doc.RefOf(doc.Str(p, "healthCheck"))
	}
	return ""
}

// healingUser is a managed group that has a health check.
func healingUser(t *store.Tx, r doc.Ref) doc.Ref {
	for _, o := range t.All(r.Project(), "instanceGroupManagers") {
		if HealingCheck(o) == r {
			return doc.RefOf(doc.Str(o, "selfLink"))
		}
	}
	return ""
}
