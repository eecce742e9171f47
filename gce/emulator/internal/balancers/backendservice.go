package balancers

import (
	"context"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

func regionBackendServices() api.Collection {
	return api.Collection{
		Resource: "regionBackendServices", Kind: "backendServices", Item: "compute#backendService", View: serviceUsed, Shown: serviceShown,
		Methods: map[string]api.Handler{
			"insert": insertService, "delete": deleteService, "patch": changeService, "update": changeService, "getHealth": getHealth,
		},
		Lacks: map[string][]string{"insert": serviceLacks, "patch": serviceLacks, "update": serviceLacks},
		Works: map[string]api.Work{
			"insert": {Run: api.Synced}, "patch": {Run: api.Synced}, "update": {Run: api.Synced},
			"delete": {Late: true, Run: func(ctx context.Context, k *api.Job) error {
				return k.Remove(ctx, "backend_service", serviceUser)
			}},
		},
	}
}

// backendServices can be listed, over all regions too; there are no global ones.
func backendServices() api.Collection {
	return api.Collection{Resource: "backendServices", Kind: "backendServices", Item: "compute#backendService"}
}

func insertService(c *api.Call) (doc.Obj, error) {
	r := c.Ref("backendServices", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if err := completeService(t, r, o); err != nil {
			return err
		}
		if _, err := c.Create(t, "backendServices", o); err != nil {
			return err
		}
		o = t.Edit(r)
		o["fingerprint"] = servicePrint(o)
		return members.Alone(t, r.Project(), true)
	})
}

// changeService is patch, which keeps what is not named, and update, which
// resets it and needs the fingerprint.
func changeService(c *api.Call) (doc.Obj, error) {
	r := c.Target("backendServices")
	return c.Change(r, nil, func(t *store.Tx) error {
		old := t.Get(r)
		if old == nil {
			return problem.NotFound(r)
		}
		if err := api.Immutable(old, c.Body, "name"); err != nil {
			return err
		}
		o, patch := doc.Clone(c.Body), strings.HasSuffix(c.Method.ID, ".patch")
		if f := doc.Str(o, "fingerprint"); f != doc.Str(old, "fingerprint") && (f != "" || !patch) {
			return problem.Stale("Invalid fingerprint.")
		}
		if patch {
			o = doc.Clone(old)
			doc.Merge(o, c.Body)
		}
		for _, k := range []string{"loadBalancingScheme", "protocol"} {
			if v := doc.Str(o, k); v != "" && v != doc.Str(old, k) && serviceUser(t, r) != "" {
				return problem.Invalid("resource."+k, v, "The field cannot be changed while a forwarding rule uses the backend service.")
			}
		}
		for _, k := range []string{"id", "creationTimestamp", "selfLink", "name"} {
			o[k] = old[k]
		}
		if err := completeService(t, r, o); err != nil {
			return err
		}
		o["fingerprint"] = servicePrint(o)
		t.Put(r, o)
		return members.Alone(t, r.Project(), true)
	})
}

func deleteService(c *api.Call) (doc.Obj, error) {
	return c.Removal("backendServices", "backend_service", serviceUser)
}

// serviceUsers are the forwarding rules of a backend service, by name.
func serviceUsers(t *store.Tx, r doc.Ref) (out []doc.Ref) {
	for _, o := range t.List(r.Within("forwardingRules", "x").Collection()) {
		if doc.RefOf(doc.Str(o, "backendService")) == r {
			out = append(out, doc.RefOf(doc.Str(o, "selfLink")))
		}
	}
	return out
}

func serviceUser(t *store.Tx, r doc.Ref) doc.Ref {
	if l := serviceUsers(t, r); len(l) > 0 {
		return l[0]
	}
	return ""
}

func serviceUsed(t *store.Tx, r doc.Ref, o doc.Obj) doc.Obj {
	out := doc.Clone(o)
	var by []any
	for _, rule := range serviceUsers(t, r) {
		by = append(by, doc.Obj{"reference": rule.Link()})
	}
	if by != nil {
		out["usedBy"] = by
	}
	return out
}

func servicePrint(o doc.Obj) string {
	o = doc.Clone(o)
	delete(o, "fingerprint")
	return doc.Fingerprint(o)
}
