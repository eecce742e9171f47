// Package members tells who is in which instance group, and which of them a
// balancer reaches. It only reads the documents and notes of groups and rules, so
// that machines, groups and balancers need not know each other.
package members

import (
	"fmt"
	"slices"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// Who is in which group: read by what makes groups, what sends traffic to them,
// and what takes machines away.

// Members is where the notes of a group's machines are.
func Members(group doc.Ref) string { return "~members/" + string(group) }

// MemberRef is where the note of a managed group's machine is.
func MemberRef(group doc.Ref, instance string) doc.Ref {
	return doc.Ref(Members(group) + "/" + instance)
}

// Managed reports whether an instance group belongs to a managed one.
func Managed(t *store.Tx, group doc.Ref) bool {
	return t.Get(group.Within("instanceGroupManagers", group.Name())) != nil
}

// GroupInstances are the instances of a group that exist, by name.
func GroupInstances(t *store.Tx, group doc.Ref) (out []doc.Obj) {
	for _, i := range groupMembers(t, group) {
		if o := t.Get(i); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// PoolInstances are the instances of a target pool that exist, as it lists them.
func PoolInstances(t *store.Tx, pool doc.Obj) (out []doc.Obj) {
	for _, link := range doc.Strings(pool, "instances") {
		if o := t.Get(doc.RefOf(link)); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// groupMembers are the members of a group, by name.
func groupMembers(t *store.Tx, group doc.Ref) (out []doc.Ref) {
	if Managed(t, group) {
		for _, m := range t.List(Members(group.Within("instanceGroupManagers", group.Name()))) {
			out = append(out, group.Within("instances", doc.Str(m, "name")))
		}
		return out
	}
	for _, link := range doc.Strings(t.Get(group), "instances") {
		out = append(out, doc.RefOf(link))
	}
	slices.Sort(out)
	return out
}

// Dismiss takes an instance out of a group.
func Dismiss(group doc.Obj, i doc.Ref) {
	group["instances"] = doc.Without(doc.List(group, "instances"), i.Link())
	if len(doc.List(group, "instances")) == 0 {
		delete(group, "instances")
	}
}

// DismissAll takes an instance that goes away out of its groups.
func DismissAll(t *store.Tx, i doc.Ref) {
	for _, o := range t.List(i.Within("instanceGroups", "x").Collection()) {
		group := doc.RefOf(doc.Str(o, "selfLink"))
		if slices.Contains(doc.Strings(o, "instances"), i.Link()) {
			Dismiss(t.Edit(group), i)
		}
		if note := DrainRef(group, i); t.Get(note) != nil {
			t.Delete(note)
		}
	}
}

// Alone refuses an instance in two groups that balancers use.
func Alone(t *store.Tx, project string, used bool) error {
	if !used {
		return nil
	}
	in := map[doc.Ref]doc.Ref{}
	for _, s := range t.All(project, "backendServices") {
		for _, b := range doc.Objects(s, "backends") {
			group := doc.RefOf(doc.Str(b, "group"))
			for _, i := range groupMembers(t, group) {
				if other, ok := in[i]; ok && other != group {
					return problem.New(400, "invalid", "INSTANCE_IN_MULTIPLE_LOAD_BALANCED_IGS",
						fmt.Sprintf("Validation failed for instance '%s': instance may belong to at most one load-balanced instance group.", i))
				}
				in[i] = group
			}
		}
	}
	return nil
}
