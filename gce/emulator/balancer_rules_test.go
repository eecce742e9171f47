package emulator

import (
	"testing"
	"time"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

func TestServiceFingerprint(t *testing.T) {
	w := newWorld(t)
	w.masters()
	old := w.get(serviceW)
	next := doc.Clone(old)
	next["backends"] = []any{doc.Obj{"group": zoneC + "instanceGroups/g"}}
	w.made("PUT", serviceW, next)
	w.refused(412, "conditionNotMet", "PUT", serviceW, next)
	w.refused(412, "conditionNotMet", "PATCH", serviceW, next)
	delete(next, "fingerprint")
	w.refused(412, "conditionNotMet", "PUT", serviceW, next)
	if b := doc.Objects(w.get(serviceW), "backends"); len(b) != 1 || doc.RefOf(doc.Str(b[0], "group")) != zoneC+"instanceGroups/g" {
		t.Errorf("backends: %v", b)
	}
	next = w.get(serviceW)
	delete(next, "backends")
	w.made("PUT", serviceW, next)
	if o := w.get(serviceW); doc.Has(o, "backends") || o["id"] != old["id"] || o["fingerprint"] == old["fingerprint"] {
		t.Errorf("without backends: %v", o)
	}
	w.made("DELETE", zoneB+"instanceGroups/g", nil)
}

func TestBalancerRefusals(t *testing.T) {
	w := newWorld(t)
	w.masters()
	services, rules, checks := regionW+"backendServices", regionW+"forwardingRules", regionW+"healthChecks"
	with := func(o, more doc.Obj) doc.Obj {
		o = doc.Clone(o)
		doc.Merge(o, more)
		return o
	}
	bs := doc.Obj{"name": "x", "healthChecks": []any{checkW}}
	for _, c := range []struct {
		status int
		reason string
		path   string
		body   doc.Obj
	}{
		{409, "alreadyExists", checks, doc.Obj{"name": "hc", "type": "TCP"}},
		{400, "required", checks, doc.Obj{"name": "x"}},
		{400, "notImplemented", checks, doc.Obj{"name": "x", "type": "SSL"}},
		{400, "invalid", checks, doc.Obj{"name": "x", "type": "TCP", "timeoutSec": 9}},
		{400, "invalid", checks, doc.Obj{"name": "x", "type": "TCP", "httpHealthCheck": doc.Obj{}}},
		{400, "invalid", checks, doc.Obj{"name": "x", "type": "HTTP", "httpHealthCheck": doc.Obj{"requestPath": "readyz"}}},
		{400, "notImplemented", checks, doc.Obj{"name": "x", "type": "HTTP", "httpHealthCheck": doc.Obj{"proxyHeader": "PROXY_V1"}}},
		{404, "notFound", services, with(bs, doc.Obj{"healthChecks": []any{checks + "/none"}})},
		{400, "invalid", services, with(bs, doc.Obj{"healthChecks": []any{"projects/p/global/healthChecks/hc"}})},
		{400, "notImplemented", services, with(bs, doc.Obj{"loadBalancingScheme": "INTERNAL_MANAGED"})},
		{400, "invalid", services, with(bs, doc.Obj{"sessionAffinity": "CLIENT_IP_NO_DESTINATION"})},
		{400, "notImplemented", services, with(bs, doc.Obj{"failoverPolicy": doc.Obj{"failoverRatio": 0.5}})},
		{400, "invalid", services, with(bs, doc.Obj{"sessionAffinity": "HTTP_COOKIE"})},
		{400, "invalid", services, with(bs, doc.Obj{"backends": []any{doc.Obj{"group": zoneB + "instanceGroups/none"}}})},
		{400, "invalid", services, with(bs, doc.Obj{"backends": []any{doc.Obj{"group": zoneB + "instanceGroups/g", "balancingMode": "UTILIZATION"}}})},
		{400, "invalid", services, with(bs, doc.Obj{"backends": []any{doc.Obj{"group": zoneB + "instanceGroups/g"}, doc.Obj{"group": zoneB + "instanceGroups/g"}}})},
		{404, "notFound", rules, with(rule(""), doc.Obj{"backendService": services + "/none"})},
		{400, "invalid", rules, with(rule(""), doc.Obj{"IPProtocol": "UDP"})},
		{400, "badRequest", rules, with(rule(""), doc.Obj{"target": regionW + "targetPools/t"})},
		{400, "required", rules, with(rule(""), doc.Obj{"backendService": nil})},
		{400, "memberAlreadyExists", zoneB + "instanceGroups/g/addInstances", these("m1")},
		{400, "memberNotFound", zoneB + "instanceGroups/g/removeInstances", these("m9")},
		{404, "notFound", zoneB + "instanceGroups/g/addInstances", these("m9")},
		{400, "invalid", zoneB + "instanceGroups/g/addInstances", these(zoneC + "instances/m2")},
	} {
		w.refused(c.status, c.reason, "POST", c.path, c.body)
	}
	// One machine is in one group that a balancer uses.
	w.made("POST", zoneB+"instanceGroups", doc.Obj{"name": "second"})
	w.made("POST", zoneB+"instanceGroups/second/addInstances", these("m1"))
	w.refused(400, "invalid", "PATCH", serviceW, doc.Obj{"backends": []any{doc.Obj{"group": zoneB + "instanceGroups/g"}, doc.Obj{"group": zoneB + "instanceGroups/second"}}})
	w.made("POST", zoneB+"instanceGroups/second/setNamedPorts", doc.Obj{"namedPorts": []any{doc.Obj{"name": "api", "port": 443}}})
	_, l := w.send("POST", zoneB+"instanceGroups/second/listInstances", doc.Obj{})
	if items := doc.Objects(l, "items"); len(items) != 1 || len(doc.Objects(items[0], "namedPorts")) != 1 {
		t.Errorf("members: %v", l)
	}
	// A managed group is a backend too, and its mirror is left alone.
	w.template("tmpl")
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "mig", "targetSize": 1, "instanceTemplate": "global/instanceTemplates/tmpl"})
	w.stable("mig", 1)
	w.refused(400, "badRequest", "POST", zoneB+"instanceGroups/mig/addInstances", these("m1"))
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", zoneB+"instanceGroups/mig", nil)
	w.made("PATCH", serviceW, doc.Obj{"backends": []any{doc.Obj{"group": zoneB + "instanceGroups/mig"}}})
	w.made("POST", rules, rule(""))
	if b := w.backend.net().Balancers; len(b) != 1 || len(b[0].Backends[0].Machines) != 1 {
		t.Errorf("balancers: %+v", b)
	}
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", zoneB+"instanceGroupManagers/mig", nil)
	for _, path := range []string{"forwardingRules", "backendServices", "healthChecks", "instanceGroups"} {
		if o := w.get("projects/p/aggregated/" + path); len(doc.Sub(o, "items")) == 0 {
			t.Errorf("aggregated %s: %v", path, o)
		}
	}
	w.get("projects/p/global/forwardingRules")
	w.made("POST", "projects/p/global/healthChecks", doc.Obj{"name": "everywhere", "type": "TCP"})
	w.made("DELETE", "projects/p/global/healthChecks/everywhere", nil)
}

// TestRuleArrivesLate holds the dark time with Google's latency to the two
// operations: traffic stops when the first ends and comes when the second does.
func TestRuleArrivesLate(t *testing.T) {
	later := make(chan time.Time)
	w := newWorld(t, func(o *api.Options) { o.After = func(time.Duration) <-chan time.Time { return later } })
	w.masters()
	w.s.core.Opts.Latency = api.GCE
	_, op := w.send("POST", regionW+"forwardingRules", rule(""))
	if err := w.s.core.Net.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.backend.net(); len(n.Balancers) != 0 || len(w.forwardedTo()) != 0 {
		t.Errorf("traffic before the operation is done: %+v", n.Balancers)
	}
	if got := doc.Str(w.get(ruleW), "name"); got != "fr" {
		t.Errorf("the rule is not there: %q", got)
	}
	close(later)
	w.wait(op)
	if n := w.backend.net(); len(n.Balancers) != 1 || len(w.forwardedTo()) != 2 {
		t.Errorf("no traffic after the operation: %+v", n.Balancers)
	}
}

// TestDraining keeps the address on a machine that was taken out until its
// connections have had their time, over a restart too.
func TestDraining(t *testing.T) {
	clock := time.Now()
	timers := make(chan chan time.Time, 10)
	w := newWorld(t, func(o *api.Options) {
		o.Now = func() time.Time { return clock }
		o.After = func(d time.Duration) <-chan time.Time {
			if d != 7*time.Second {
				return nil // of an operations.wait: for ever
			}
			c := make(chan time.Time)
			timers <- c
			return c
		}
	})
	w.masters()
	w.made("POST", regionW+"forwardingRules", rule(""))
	w.made("POST", zoneC+"instanceGroups/g/removeInstances", these("m2"))
	<-timers
	w.reopen()
	end := <-timers
	if err := w.s.core.Net.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b := w.backend.net().Balancers[0].Backends[1]; len(b.Machines) != 0 || len(w.forwardedTo()["m2"]) != 1 {
		t.Errorf("while it drains: %+v, forwarded to %v", b, w.forwardedTo())
	}
	h, _ := w.s.MetadataFor(w.key("m2"))
	_, _, head := ask(h, "GET", "instance/network-interfaces/0/forwarded-ips/?recursive=true", "")
	close(end)
	_, text, _ := ask(h, "GET", "instance/network-interfaces/0/forwarded-ips/?recursive=true&alt=json&wait_for_change=true&timeout_sec=60&last_etag="+head.Get("ETag"), "")
	if text != "[]" {
		t.Errorf("when it has drained: %s", text)
	}
}

// TestAddressOfAStoppedMachine takes the address off a master that is halted:
// it gets another one when it starts, not before.
func TestAddressOfAStoppedMachine(t *testing.T) {
	w := newWorld(t)
	ip := w.masters()
	w.made("POST", zoneB+"instances/m1/stop", nil)
	w.made("POST", zoneB+"instances/m1"+dropNIC, nil)
	w.made("POST", zoneB+"instances/m1"+addNIC, doc.Obj{"name": "external-nat"})
	if got := natIP(w.nic0("m1")); got != "" {
		t.Errorf("a stopped machine has %s", got)
	}
	w.made("POST", regionW+"forwardingRules", rule(ip))
	w.made("POST", zoneB+"instances/m1/start", nil)
	if got := natIP(w.nic0("m1")); got == "" || got == ip {
		t.Errorf("started with %q", got)
	}
	if got := w.forwardedTo()["m1"]; len(got) != 1 || got[0] != ip {
		t.Errorf("forwarded: %v", got)
	}
}
