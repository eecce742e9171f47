package groups

import (
	"net/netip"
	"time"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/balancers"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// A group with a health check makes machines again that fail it, too. A new one has the
// initial delay for its first good answer, and is VERIFYING until then.
// (https://cloud.google.com/compute/docs/instance-groups/autohealing-instances-in-migs)

// lookAgain is how often a group asks what the probes of its machines have found.
const lookAgain = time.Second

// checkHealing refuses an autohealing policy that cannot be followed, and fills in what
// it leaves to Google.
func checkHealing(t *store.Tx, r doc.Ref, o doc.Obj) error {
	l := doc.Objects(o, "autoHealingPolicies")
	if len(l) == 0 {
		delete(o, "autoHealingPolicies")
		return nil
	}
	const field = "resource.autoHealingPolicies"
	if len(l) > 1 {
		return problem.Invalid(field, len(l), "At most one autohealing policy can be specified.")
	}
	p := l[0]
	doc.Fill(p, doc.Obj{"initialDelaySec": 0})
	if n := doc.Num(p, "initialDelaySec"); n < 0 || n > 3600 {
		return problem.Invalid(field+"[0].initialDelaySec", n, "Must be between 0 and 3600.")
	}
	s := doc.Str(p, "healthCheck")
	if s == "" {
		return nil // a machine is well as long as it runs
	}
	for _, kind := range []string{"healthChecks", "httpHealthChecks"} {
		check := doc.ParseRef(s, r.Project(), "global", kind)
		if t.Get(check) != nil && (check.Scope() == "global" || check.Scope() == "regions/"+r.Region()) {
			p["healthCheck"] = check.Link()
			return nil
		}
	}
	return problem.Invalid(field+"[0].healthCheck", s, "The referenced health check resource cannot be found.")
}

// heals reports whether a group makes machines again that fail its health check.
func heals(group doc.Obj) bool {
	switch doc.Str(doc.Sub(group, "instanceLifecyclePolicy"), "onFailedHealthCheck") {
	case "REPAIR":
		return true
	case "DO_NOTHING":
		return false
	}
	return repairs(group)
}

// probed asks what the probes of a group's machines have found, by their addresses; nil
// of a group without a health check.
func probed(s *api.Server, r doc.Ref) map[netip.Addr]bool {
	var b backend.Balancer
	var watched bool
	s.Store.View(func(t *store.Tx) { b, watched = balancers.Watched(t, r) })
	if !watched {
		return nil
	}
	found, err := s.Opts.Backend.Health(b)
	if err != nil {
		s.Opts.Log.Error("asking for the health of a managed group", "group", string(r), "error", err)
	}
	if found == nil {
		found = map[netip.Addr]bool{}
	}
	return found
}

// health is what a group knows of a machine: "" without a health check, UNKNOWN while
// no probe was answered or not.
func health(found map[netip.Addr]bool, instance doc.Obj) string {
	if found == nil {
		return ""
	}
	for _, nic := range doc.Objects(instance, "networkInterfaces") {
		a, _ := netip.ParseAddr(doc.Str(nic, "networkIP"))
		if well, known := found[a]; known && well {
			return "HEALTHY"
		} else if known {
			return "UNHEALTHY"
		}
	}
	return "UNKNOWN"
}

// ill reports whether a machine is to be made again for its health.
func (g *Reconciler) ill(group, m, instance doc.Obj) bool {
	if !heals(group) || health(g.found, instance) != "UNHEALTHY" {
		return false
	}
	if doc.Str(m, "action") != "VERIFYING" {
		return true // it was well before
	}
	since, err := time.Parse(time.RFC3339, doc.Str(instance, "lastStartTimestamp"))
	delay := time.Duration(0)
	for _, p := range doc.Objects(group, "autoHealingPolicies") {
		delay = time.Duration(doc.Num(p, "initialDelaySec")) * time.Second
	}
	return err == nil && g.s.Opts.Now().After(since.Add(delay))
}

// settled is the action of a machine that was made or started just now.
func settled(group doc.Obj) string {
	if balancers.HealingCheck(group) != "" {
		return "VERIFYING"
	}
	return "NONE"
}

// verify ends the verifying of a machine that passes, or that nothing is asked of any
// more.
func (g *Reconciler) verify(group, m, instance doc.Obj) {
	if balancers.HealingCheck(group) == "" || health(g.found, instance) == "HEALTHY" {
		m["action"] = "NONE"
	}
}

// reverify has the machines of a group show themselves that gets another health check.
func reverify(t *store.Tx, r doc.Ref, group doc.Obj) {
	for _, note := range t.List(members.Members(r)) {
		if doc.Str(note, "action") == "NONE" {
			m := doc.Clone(note)
			m["action"] = settled(group)
			t.Put(members.MemberRef(r, doc.Str(m, "name")), m)
		}
	}
}
