package balancers

import (
	"context"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

func forwardingRules() api.Collection {
	return api.Collection{
		Resource: "forwardingRules", Kind: "forwardingRules", Item: "compute#forwardingRule",
		Methods: map[string]api.Handler{
			"insert": insertRule, "delete": deleteRule, "patch": patchRule, "setLabels": identity.LabelsSetter("forwardingRules"),
		},
		Lacks: map[string][]string{
			"insert": {"+name", "+description", "+IPAddress", "+IPProtocol", "+ports", "+portRange", "+allPorts", "+backendService", "+target", "+loadBalancingScheme",
				"+labels", "+networkTier", "+region", "+ipVersion", "ipVersion!IPV4|UNSPECIFIED_VERSION", "loadBalancingScheme!EXTERNAL|INTERNAL", "networkTier!PREMIUM",
				"+network", "+subnetwork", "+allowGlobalAccess"},
			"patch": {"+name", "+networkTier", "+fingerprint", "+allowGlobalAccess", "networkTier!PREMIUM"},
		},
		Works: map[string]api.Work{
			"insert": {Run: ruleArrives, Late: true}, "patch": {Run: api.Synced}, "setLabels": {AtOnce: true},
			"delete": {Late: true, Run: func(ctx context.Context, k *api.Job) error {
				return k.Remove(ctx, "forwarding_rule", func(*store.Tx, doc.Ref) doc.Ref { return "" }, func(t *store.Tx, r doc.Ref) {
					networks.ReleaseRule(t, r, t.Get(r))
				})
			}},
		},
	}
}

// globalForwardingRules can be listed, since gcloud lists both; there are none.
func globalForwardingRules() api.Collection {
	return api.Collection{Resource: "globalForwardingRules", Kind: "forwardingRules", Item: "compute#forwardingRule"}
}

// insertRule takes the address at once. Traffic follows when the operation is
// done: until then the rule is "arriving" and no balancer.
func insertRule(c *api.Call) (doc.Obj, error) {
	r := c.Ref("forwardingRules", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if t.Get(r) != nil {
			return problem.Exists(r)
		}
		if err := completeRule(t, r, o); err != nil {
			return err
		}
		address := ruleAddress
		if doc.Str(o, "loadBalancingScheme") == internal {
			address = innerAddress
		}
		if err := address(c.S, t, r, o); err != nil {
			return err
		}
		if _, err := c.Create(t, "forwardingRules", o); err != nil {
			return err
		}
		o = t.Edit(r)
		o["fingerprint"], o["labelFingerprint"] = doc.Fingerprint(o["id"], o["allowGlobalAccess"]), doc.Fingerprint(nil) // labels come by setLabels
		t.Put(r.Note("arriving"), doc.Obj{"id": o["id"]})
		return nil
	})
}

func ruleArrives(ctx context.Context, k *api.Job) error {
	err := k.Step("arrived", func(t *store.Tx) error {
		t.Delete(k.Target.Note("arriving"))
		return nil
	})
	if err != nil {
		return err
	}
	return k.S.Net.Apply(ctx)
}

func deleteRule(c *api.Call) (doc.Obj, error) {
	return c.Removal("forwardingRules", "forwarding_rule", func(*store.Tx, doc.Ref) doc.Ref { return "" })
}

// patchRule changes who may call an internal rule; the tier is always PREMIUM.
func patchRule(c *api.Call) (doc.Obj, error) {
	r := c.Target("forwardingRules")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if err := api.Immutable(o, c.Body, "name"); err != nil {
			return err
		}
		if f := doc.Str(c.Body, "fingerprint"); f != "" && f != doc.Str(o, "fingerprint") {
			return problem.Stale("Invalid fingerprint.")
		}
		if doc.Has(c.Body, "allowGlobalAccess") {
			o["allowGlobalAccess"] = doc.Bool(c.Body, "allowGlobalAccess")
			if err := inside(o); err != nil {
				return err
			}
		}
		o["fingerprint"] = doc.Fingerprint(o["id"], o["allowGlobalAccess"])
		return nil
	})
}

// inside refuses what only an internal rule can say.
func inside(o doc.Obj) error {
	if doc.Str(o, "loadBalancingScheme") == internal {
		return nil
	}
	for _, k := range []string{"allowGlobalAccess", "network", "subnetwork"} {
		if doc.Bool(o, k) || doc.Str(o, k) != "" {
			return problem.Invalid("resource."+k, o[k], "The field is for a forwarding rule of scheme INTERNAL only.")
		}
	}
	return nil
}

// completeRule checks all of a rule but its address.
func completeRule(t *store.Tx, r doc.Ref, o doc.Obj) error {
	delete(o, "ipVersion")
	doc.Fill(o, doc.Obj{"kind": "compute#forwardingRule", "description": "", "loadBalancingScheme": "EXTERNAL", "IPProtocol": "TCP", "networkTier": "PREMIUM"})
	api.Placed(r, o)
	if err := inside(o); err != nil {
		return err
	}
	switch target := doc.Str(o, "target"); {
	case doc.Str(o, "backendService") == "" && target == "":
		return problem.Missing("resource.backendService")
	case doc.Str(o, "backendService") != "" && target != "":
		return problem.Refuse("A forwarding rule has a target or a backend service, not both.")
	case target != "" && doc.Str(o, "loadBalancingScheme") == internal:
		return problem.NotWritten("internal forwarding rules to a target")
	case target != "":
		return targeted(t, r, o)
	}
	s := doc.ParseRef(doc.Str(o, "backendService"), r.Project(), r.Scope(), "backendServices")
	if s == "" || s.Scope() != r.Scope() {
		return problem.Invalid("resource.backendService", doc.Str(o, "backendService"), "The backend service must be one of region '"+r.Place()+"'.")
	}
	service := t.Get(s)
	if service == nil {
		return problem.NotFound(s)
	}
	o["backendService"] = s.Link()
	if scheme := doc.Str(o, "loadBalancingScheme"); scheme != doc.Str(service, "loadBalancingScheme") {
		return problem.Invalid("resource.loadBalancingScheme", scheme, "The scheme must be that of the backend service, "+doc.Str(service, "loadBalancingScheme")+".")
	}
	p := doc.Str(o, "IPProtocol")
	if of := doc.Str(service, "protocol"); p != of && of != "UNSPECIFIED" {
		return problem.Invalid("resource.IPProtocol", p, "The protocol must be that of the backend service, "+of+".")
	}
	if p == "L3_DEFAULT" && !doc.Bool(o, "allPorts") {
		return problem.Refuse("A forwarding rule of protocol L3_DEFAULT must forward all ports: set 'allPorts'.")
	}
	if p != "TCP" && p != "UDP" && p != "L3_DEFAULT" {
		return problem.NotWritten("forwarding rules of protocol " + p + " to a backend service")
	}
	return completeRulePorts(o)
}
