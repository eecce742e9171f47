package emulator

import (
	"slices"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

const globalW = "projects/p/global/"

// service makes what Kubernetes' cloud provider makes for a Service: a health
// check, a pool of the two machines, and a rule that sends to it.
func (w *world) service() {
	w.t.Helper()
	w.masters()
	w.made("POST", globalW+"httpHealthChecks", doc.Obj{"name": "k8s-1-node", "port": 10256, "requestPath": "/healthz"})
	w.made("POST", regionW+"targetPools", doc.Obj{
		"name": "a1", "description": `{"kubernetes.io/service-name":"default/web"}`,
		"instances": []any{zoneB + "instances/m1"}, "healthChecks": []any{globalW + "httpHealthChecks/k8s-1-node"},
	})
	w.made("POST", regionW+"targetPools/a1/addInstance", these(zoneC+"instances/m2"))
	w.made("POST", regionW+"forwardingRules", doc.Obj{"name": "a1", "IPProtocol": "TCP", "portRange": "80", "target": doc.Base + regionW + "targetPools/a1"})
}

func TestTargetPool(t *testing.T) {
	w := newWorld(t)
	w.service()
	members := func() []string { return doc.Strings(w.get(regionW+"targetPools/a1"), "instances") }
	m1, m2 := doc.Base+zoneB+"instances/m1", doc.Base+zoneC+"instances/m2"
	if got := members(); !slices.Equal(got, []string{m1, m2}) {
		t.Errorf("members: %q", got)
	}
	if o := w.get(regionW + "forwardingRules/a1"); doc.Str(o, "target") != doc.Base+regionW+"targetPools/a1" || doc.Str(o, "portRange") != "80-80" || doc.Has(o, "backendService") {
		t.Errorf("rule: %v", o)
	}
	scopes := doc.Sub(w.get("projects/p/aggregated/targetPools"), "items")
	if l := doc.Objects(doc.Sub(scopes, "regions/europe-west1"), "targetPools"); len(l) != 1 || doc.Str(l[0], "name") != "a1" {
		t.Errorf("aggregated: %v", scopes)
	}
	w.reopen()

	// Each is held by the next, and a machine that is deleted by nothing.
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", regionW+"targetPools/a1", nil)
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", globalW+"httpHealthChecks/k8s-1-node", nil)
	w.made("DELETE", zoneC+"instances/m2", nil)
	if got := members(); !slices.Equal(got, []string{m1, m2}) {
		t.Errorf("members when one is deleted: %q", got)
	}
	w.made("POST", regionW+"targetPools/a1/removeInstance", these(zoneC+"instances/m2"))
	if got := members(); !slices.Equal(got, []string{m1}) {
		t.Errorf("members when one is removed: %q", got)
	}
	w.made("DELETE", regionW+"forwardingRules/a1", nil)
	w.made("POST", regionW+"targetPools/a1/removeHealthCheck", doc.Obj{"healthChecks": []any{doc.Obj{"healthCheck": globalW + "httpHealthChecks/k8s-1-node"}}})
	w.made("DELETE", globalW+"httpHealthChecks/k8s-1-node", nil)
	w.made("DELETE", regionW+"targetPools/a1", nil)
	w.refused(404, "notFound", "GET", regionW+"targetPools/a1", nil)
}

// TestNullsInLists: Ansible's collection sends [null] for a list of nothing, which Google
// takes; a null that was kept would be an error for whoever reads the list.
func TestNullsInLists(t *testing.T) {
	w := newWorld(t)
	w.made("POST", regionW+"targetPools", doc.Obj{"name": "a1", "healthChecks": []any{nil}, "instances": []any{nil}})
	if o := w.get(regionW + "targetPools/a1"); len(doc.Strings(o, "healthChecks")) != 0 || len(doc.Strings(o, "instances")) != 0 {
		t.Errorf("of lists of null came %v", o)
	}
	w.subnet()
	w.made("POST", globalW+"firewalls", doc.Obj{"name": "f", "allowed": []any{nil, doc.Obj{"IPProtocol": "tcp", "ports": []any{nil, "80"}}}, "sourceRanges": []any{"10.0.0.0/8", nil}})
	o := w.get(globalW + "firewalls/f")
	if allowed := doc.Objects(o, "allowed"); len(allowed) != 1 || !slices.Equal(doc.Strings(allowed[0], "ports"), []string{"80"}) || len(doc.Strings(o, "sourceRanges")) != 1 {
		t.Errorf("the nulls of a firewall rule: %v", o)
	}
}

// TestTargetPoolWakesTheGuest: one that joins or leaves a pool hears of it at once.
func TestTargetPoolWakesTheGuest(t *testing.T) {
	w := newWorld(t)
	w.service()
	ip := doc.Str(w.get(regionW+"forwardingRules/a1"), "IPAddress")
	for _, step := range []struct{ do, want string }{{"removeInstance", `[]`}, {"addInstance", `["` + ip + `"]`}} {
		got := w.hears("m2", func() { w.made("POST", regionW+"targetPools/a1/"+step.do, these(zoneC+"instances/m2")) })
		if got != step.want {
			t.Errorf("after %s: %s, want %s", step.do, got, step.want)
		}
	}
}

func TestTargetPoolRefusals(t *testing.T) {
	w := newWorld(t)
	w.service()
	w.made("POST", globalW+"httpHealthChecks", doc.Obj{"name": "other"})
	pools, rules, checks := regionW+"targetPools", regionW+"forwardingRules", globalW+"httpHealthChecks"
	target := regionW + "targetPools/a1"
	for _, c := range []struct {
		status int
		reason string
		path   string
		body   doc.Obj
	}{
		{409, "alreadyExists", pools, doc.Obj{"name": "a1"}},
		{400, "invalid", pools, doc.Obj{"name": "x", "sessionAffinity": "HTTP_COOKIE"}},
		{400, "badRequest", pools, doc.Obj{"name": "x", "backupPool": target}},
		{400, "badRequest", pools, doc.Obj{"name": "x", "failoverRatio": 0.5}},
		{400, "invalid", pools, doc.Obj{"name": "x", "backupPool": target, "failoverRatio": 1.5}},
		{400, "invalid", pools, doc.Obj{"name": "x", "backupPool": "projects/p/regions/us-central1/targetPools/a1", "failoverRatio": 0.5}},
		{404, "notFound", pools, doc.Obj{"name": "x", "backupPool": "none", "failoverRatio": 0.5}},
		{400, "invalid", pools + "/a1/setBackup?failoverRatio=0.5", doc.Obj{"target": target}},
		{404, "notFound", pools, doc.Obj{"name": "x", "instances": []any{zoneB + "instances/none"}}},
		{400, "invalid", pools, doc.Obj{"name": "x", "instances": []any{"projects/p/zones/us-central1-a/instances/m1"}}},
		{400, "invalid", pools, doc.Obj{"name": "x", "healthChecks": []any{checkW}}},
		{400, "invalid", pools + "/a1/addHealthCheck", doc.Obj{"healthChecks": []any{doc.Obj{"healthCheck": checks + "/other"}}}},
		{400, "invalid", pools + "/a1/removeInstance", these(zoneB + "instances/none")},
		{400, "required", pools + "/a1/addInstance", doc.Obj{}},
		{404, "notFound", pools + "/none/addInstance", these(zoneB + "instances/m1")},
		{400, "invalid", pools + "/a1/getHealth", doc.Obj{"instance": zoneB + "instances/none"}},
		{404, "notFound", pools + "/none/getHealth", doc.Obj{"instance": zoneB + "instances/m1"}},
		{404, "notFound", rules, doc.Obj{"name": "x", "portRange": "80", "target": pools + "/none"}},
		{400, "invalid", rules, doc.Obj{"name": "x", "portRange": "80", "target": "projects/p/regions/us-central1/targetPools/a1"}},
		{400, "badRequest", rules, doc.Obj{"name": "x", "portRange": "80", "target": target, "backendService": serviceW}},
		{400, "badRequest", rules, doc.Obj{"name": "x", "ports": []any{"80"}, "target": target}},
		{400, "invalid", checks, doc.Obj{"name": "x", "requestPath": "healthz"}},
		{400, "invalid", checks, doc.Obj{"name": "x", "timeoutSec": 9}},
	} {
		w.refused(c.status, c.reason, "POST", c.path, c.body)
	}
}

// TestRouteToInstance holds its network, and says when its machine is gone.
func TestRouteToInstance(t *testing.T) {
	w := newWorld(t)
	w.masters()
	route := doc.Obj{"name": "k8s-1", "network": globalW + "networks/default", "destRange": "10.200.1.0/24", "priority": 1000,
		"nextHopInstance": zoneC + "instances/m2", "description": "k8s-node-route"}
	with := func(more doc.Obj) doc.Obj {
		o := doc.Clone(route)
		doc.Merge(o, doc.Obj{"name": "x"})
		doc.Merge(o, more)
		return o
	}
	routes := globalW + "routes"
	w.made("POST", routes, route)
	for _, c := range []struct {
		status int
		reason string
		body   doc.Obj
	}{
		{409, "alreadyExists", route},
		{404, "notFound", with(doc.Obj{"nextHopInstance": zoneC + "instances/none"})},
		{400, "invalid", with(doc.Obj{"destRange": "10.64.3.0/24"})}, // pods' own range
		{400, "invalid", with(doc.Obj{"destRange": "10.200.1.7/24"})},
		{400, "notImplemented", with(doc.Obj{"nextHopInstance": nil, "nextHopIp": "10.40.0.9"})},
		{404, "notFound", with(doc.Obj{"network": globalW + "networks/none"})},
	} {
		w.refused(c.status, c.reason, "POST", routes, c.body)
	}
	if doc.Has(w.get(routes+"/k8s-1"), "warnings") {
		t.Errorf("a warning while its machine is there: %v", w.get(routes+"/k8s-1"))
	}
	w.made("DELETE", zoneC+"instances/m2", nil)
	if l := doc.Objects(w.get(routes+"/k8s-1"), "warnings"); len(l) != 1 || doc.Str(l[0], "code") != "NEXT_HOP_INSTANCE_NOT_FOUND" {
		t.Errorf("warnings: %v", l)
	}
	for _, o := range doc.Objects(w.get(routes), "items") {
		if doc.Str(o, "routeType") == "SUBNET" {
			w.refused(400, "badRequest", "DELETE", routes+"/"+doc.Str(o, "name"), nil)
		}
	}
	if n := w.s.Objects()["routes"]; n != 1 {
		t.Errorf("%d routes are counted, want the one somebody made", n)
	}

	// An otherwise empty network.
	w.made("POST", globalW+"networks", doc.Obj{"name": "n", "autoCreateSubnetworks": false})
	w.made("POST", routes, with(doc.Obj{"name": "in-n", "network": globalW + "networks/n", "nextHopInstance": zoneB + "instances/m1"}))
	if op := w.do("DELETE", globalW+"networks/n", nil); !doc.Has(op, "error") {
		t.Error("a network with a route in it was deleted")
	}
	w.made("DELETE", routes+"/in-n", nil)
	w.made("DELETE", globalW+"networks/n", nil)
}
