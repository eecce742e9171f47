package groups

import (
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// groupEdit is a change to a group that is not being deleted.
func groupEdit(c *api.Call, f func(t *store.Tx, r doc.Ref, o doc.Obj) error) (doc.Obj, error) {
	r := c.Target("instanceGroupManagers")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if t.Get(r.Note("leaving")) != nil {
			return problem.NotReady(r)
		}
		if err := f(t, r, o); err != nil {
			return err
		}
		if v := doc.Objects(o, "versions"); len(v) == 1 {
			v[0]["targetSize"] = doc.Obj{"calculated": o["targetSize"]}
		}
		calculated(o)
		o["fingerprint"] = groupPrint(o)
		return nil
	})
}

// calculated says how many machines the numbers of the update policy are.
func calculated(o doc.Obj) {
	for _, k := range []string{"maxSurge", "maxUnavailable"} {
		if n := doc.Sub(doc.Sub(o, "updatePolicy"), k); n != nil {
			n["calculated"] = spare(o, k)
		}
	}
}

func groupPrint(o doc.Obj) string {
	return doc.Fingerprint(o["id"], o["targetSize"], o["instanceTemplate"], o["versions"], o["baseInstanceName"], o["statefulPolicy"], o["instanceLifecyclePolicy"], o["autoHealingPolicies"])
}

func checkSize(n int64, field string) error {
	if n < 0 || n > 2000 {
		return problem.Invalid(field, n, "Must be between 0 and 2000.")
	}
	return nil
}

func memberNamed(t *store.Tx, group doc.Ref, s string) (doc.Ref, doc.Obj, error) {
	i := doc.ParseRef(s, group.Project(), group.Scope(), "instances")
	m := members.MemberRef(group, i.Name())
	o := doc.Clone(t.Get(m))
	if o == nil || i.Scope() != group.Scope() {
		return "", nil, problem.Invalid("resource.instances", s, "The instance is not a member of '"+string(group)+"'.")
	}
	return m, o, nil
}

// scalerOf is the autoscaler of a group, "" if it has none.
func scalerOf(t *store.Tx, group doc.Ref) (by doc.Ref) {
	t.Each(group.Project(), "autoscalers", func(o doc.Obj) {
		if doc.Str(o, "target") == group.Link() {
			by = doc.RefOf(doc.Str(o, "selfLink"))
		}
	})
	return by
}

// checkUpdate refuses an update policy by which no machine could ever be replaced.
func checkUpdate(o doc.Obj) error {
	u := doc.Sub(o, "updatePolicy")
	if spare(o, "maxSurge") == 0 && spare(o, "maxUnavailable") == 0 && doc.Num(doc.Sub(u, "maxSurge"), "percent") == 0 && doc.Num(doc.Sub(u, "maxUnavailable"), "percent") == 0 {
		return problem.Invalid("resource.updatePolicy", "", "Either maxSurge or maxUnavailable must be greater than 0.")
	}
	return nil
}

// spare is how many machines a number of the update policy is. A part of a machine that
// may be there is one, and one that may be missing is none.
func spare(o doc.Obj, field string) int {
	n, _ := doc.Sub(o, "updatePolicy")[field].(doc.Obj)
	if doc.Has(n, "fixed") {
		return int(doc.Num(n, "fixed"))
	}
	parts := doc.Num(n, "percent") * doc.Num(o, "targetSize")
	if field == "maxSurge" {
		parts += 99
	}
	return int(parts / 100)
}
