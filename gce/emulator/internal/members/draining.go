package members

import (
	"net/netip"
	"slices"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/store"
)

// A member that was taken out of a group drains: a note beside the group says
// until when it has the balancer's address.
const Draining = "~draining/"

// DrainRef is where the note of a draining member is.
func DrainRef(group, instance doc.Ref) doc.Ref {
	return doc.Ref(Draining + string(group) + "/" + instance.Name())
}

// reached are the members of a group and those that drain.
func reached(t *store.Tx, group doc.Ref) []doc.Ref {
	out := groupMembers(t, group)
	for _, r := range t.Notes(Draining + string(group)) {
		out = append(out, group.Within("instances", r.Name()))
	}
	return out
}

// Forwarded says of each instance of a project that is a backend which
// addresses reach it, in the order of the rules, each once.
func Forwarded(t *store.Tx, project string) map[doc.Ref][]netip.Addr {
	var out map[doc.Ref][]netip.Addr
	for _, rule := range t.All(project, "forwardingRules") {
		a, err := netip.ParseAddr(doc.Str(rule, "IPAddress"))
		if err != nil || t.Get(doc.RefOf(doc.Str(rule, "selfLink")).Note("arriving")) != nil {
			continue
		}
		for _, i := range behind(t, rule) {
			if out == nil {
				out = map[doc.Ref][]netip.Addr{}
			}
			if !slices.Contains(out[i], a) {
				out[i] = append(out[i], a)
			}
		}
	}
	return out
}

// behind are the instances that a forwarding rule may send to, by its backend service
// or its target pool, and those that drain.
func behind(t *store.Tx, rule doc.Obj) (out []doc.Ref) {
	for _, x := range doc.Objects(t.Get(doc.RefOf(doc.Str(rule, "backendService"))), "backends") {
		out = append(out, reached(t, doc.RefOf(doc.Str(x, "group")))...)
	}
	pool := t.Get(doc.RefOf(doc.Str(rule, "target")))
	for _, p := range []doc.Obj{pool, t.Get(doc.RefOf(doc.Str(pool, "backupPool")))} {
		for _, i := range PoolInstances(t, p) {
			out = append(out, doc.RefOf(doc.Str(i, "selfLink")))
		}
	}
	return out
}
