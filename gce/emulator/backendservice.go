package emulator

import (
	"context"
	"strings"
)

func regionBackendServices() collection {
	return collection{
		resource: "regionBackendServices", kind: "backendServices", item: "compute#backendService", view: serviceUsed,
		methods: map[string]handler{
			"insert": insertService, "delete": deleteService, "patch": changeService, "update": changeService, "getHealth": getHealth,
		},
		works: map[string]work{
			"insert": {run: synced}, "patch": {run: synced}, "update": {run: synced},
			"delete": {late: true, run: func(ctx context.Context, k *task) error {
				return k.remove(ctx, "backend_service", serviceUser)
			}},
		},
	}
}

// backendServices can be listed, over all regions too; there are no global ones.
func backendServices() collection {
	return collection{resource: "backendServices", kind: "backendServices", item: "compute#backendService"}
}

func insertService(c *call) (obj, error) {
	r := c.ref("backendServices", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		if err := completeService(t, r, o); err != nil {
			return err
		}
		if _, err := c.create(t, "backendServices", o); err != nil {
			return err
		}
		o = t.edit(r)
		o["fingerprint"] = servicePrint(o)
		return alone(t, r.project(), true)
	})
}

// changeService is patch, which keeps what is not named, and update, which
// resets it and needs the fingerprint.
func changeService(c *call) (obj, error) {
	r := c.target("backendServices")
	return c.change(r, nil, func(t *tx) error {
		old := t.get(r)
		if old == nil {
			return notFound(r)
		}
		if err := immutable(old, c.body, "name"); err != nil {
			return err
		}
		o, patch := clone(c.body), strings.HasSuffix(c.method.ID, ".patch")
		if f := str(o, "fingerprint"); f != str(old, "fingerprint") && (f != "" || !patch) {
			return stale("Invalid fingerprint.")
		}
		delete(o, "usedBy") // shown, not kept
		if patch {
			delete(c.body, "usedBy")
			o = clone(old)
			merge(o, c.body)
		}
		for _, k := range []string{"loadBalancingScheme", "protocol"} {
			if v := str(o, k); v != "" && v != str(old, k) && serviceUser(t, r) != "" {
				return invalid("resource."+k, v, "The field cannot be changed while a forwarding rule uses the backend service.")
			}
		}
		for _, k := range []string{"id", "creationTimestamp", "selfLink", "name"} {
			o[k] = old[k]
		}
		if err := completeService(t, r, o); err != nil {
			return err
		}
		o["fingerprint"] = servicePrint(o)
		t.put(r, o)
		return alone(t, r.project(), true)
	})
}

func deleteService(c *call) (obj, error) {
	return c.removal("backendServices", "backend_service", serviceUser)
}

// serviceUsers are the forwarding rules of a backend service, by name.
func serviceUsers(t *tx, r ref) (out []ref) {
	for _, o := range t.list(r.within("forwardingRules", "x").collection()) {
		if toRef(str(o, "backendService")) == r {
			out = append(out, toRef(str(o, "selfLink")))
		}
	}
	return out
}

func serviceUser(t *tx, r ref) ref {
	if l := serviceUsers(t, r); len(l) > 0 {
		return l[0]
	}
	return ""
}

func serviceUsed(t *tx, r ref, o obj) obj {
	out := clone(o)
	var by []any
	for _, rule := range serviceUsers(t, r) {
		by = append(by, obj{"reference": rule.link()})
	}
	if by != nil {
		out["usedBy"] = by
	}
	return out
}

func servicePrint(o obj) string {
	o = clone(o)
	delete(o, "fingerprint")
	return fingerprint(o)
}
