package emulator

import (
	"slices"
	"testing"
)

const globalW = "projects/p/global/"

// service makes what Kubernetes' cloud provider makes for a Service: a health
// check, a pool of the two machines, and a rule that sends to it.
func (w *world) service() {
	w.t.Helper()
	w.masters()
	w.made("POST", globalW+"httpHealthChecks", obj{"name": "k8s-1-node", "port": 10256, "requestPath": "/healthz"})
	w.made("POST", regionW+"targetPools", obj{
		"name": "a1", "description": `{"kubernetes.io/service-name":"default/web"}`,
		"instances": []any{zoneB + "instances/m1"}, "healthChecks": []any{globalW + "httpHealthChecks/k8s-1-node"},
	})
	w.made("POST", regionW+"targetPools/a1/addInstance", these(zoneC+"instances/m2"))
	w.made("POST", regionW+"forwardingRules", obj{"name": "a1", "IPProtocol": "TCP", "portRange": "80", "target": base + regionW + "targetPools/a1"})
}

func TestTargetPool(t *testing.T) {
	w := newWorld(t)
	w.service()
	members := func() []string { return stringsOf(w.get(regionW+"targetPools/a1"), "instances") }
	m1, m2 := base+zoneB+"instances/m1", base+zoneC+"instances/m2"
	if got := members(); !slices.Equal(got, []string{m1, m2}) {
		t.Errorf("members: %q", got)
	}
	if o := w.get(regionW + "forwardingRules/a1"); str(o, "target") != base+regionW+"targetPools/a1" || str(o, "portRange") != "80-80" || has(o, "backendService") {
		t.Errorf("rule: %v", o)
	}
	if n := len(w.backend.net().Balancers); n != 0 {
		t.Errorf("%d balancers behind the API: a pool has none", n)
	}
	scopes := sub(w.get("projects/p/aggregated/targetPools"), "items")
	if l := objects(sub(scopes, "regions/europe-west1"), "targetPools"); len(l) != 1 || str(l[0], "name") != "a1" {
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
	w.made("POST", regionW+"targetPools/a1/removeHealthCheck", obj{"healthChecks": []any{obj{"healthCheck": globalW + "httpHealthChecks/k8s-1-node"}}})
	w.made("DELETE", globalW+"httpHealthChecks/k8s-1-node", nil)
	w.made("DELETE", regionW+"targetPools/a1", nil)
	w.refused(404, "notFound", "GET", regionW+"targetPools/a1", nil)
}

func TestTargetPoolRefusals(t *testing.T) {
	w := newWorld(t)
	w.service()
	w.made("POST", globalW+"httpHealthChecks", obj{"name": "other"})
	pools, rules, checks := regionW+"targetPools", regionW+"forwardingRules", globalW+"httpHealthChecks"
	target := regionW + "targetPools/a1"
	for _, c := range []struct {
		status int
		reason string
		path   string
		body   obj
	}{
		{409, "alreadyExists", pools, obj{"name": "a1"}},
		{400, "invalid", pools, obj{"name": "x", "sessionAffinity": "HTTP_COOKIE"}},
		{501, "notImplemented", pools, obj{"name": "x", "backupPool": target}},
		{404, "notFound", pools, obj{"name": "x", "instances": []any{zoneB + "instances/none"}}},
		{400, "invalid", pools, obj{"name": "x", "instances": []any{"projects/p/zones/us-central1-a/instances/m1"}}},
		{400, "invalid", pools, obj{"name": "x", "healthChecks": []any{checkW}}},
		{400, "invalid", pools + "/a1/addHealthCheck", obj{"healthChecks": []any{obj{"healthCheck": checks + "/other"}}}},
		{400, "invalid", pools + "/a1/removeInstance", these(zoneB + "instances/none")},
		{400, "required", pools + "/a1/addInstance", obj{}},
		{404, "notFound", pools + "/none/addInstance", these(zoneB + "instances/m1")},
		{501, "notImplemented", pools + "/a1/getHealth", obj{"instance": zoneB + "instances/m1"}},
		{404, "notFound", rules, obj{"name": "x", "portRange": "80", "target": pools + "/none"}},
		{400, "invalid", rules, obj{"name": "x", "portRange": "80", "target": "projects/p/regions/us-central1/targetPools/a1"}},
		{400, "badRequest", rules, obj{"name": "x", "portRange": "80", "target": target, "backendService": serviceW}},
		{400, "badRequest", rules, obj{"name": "x", "ports": []any{"80"}, "target": target}},
		{400, "invalid", checks, obj{"name": "x", "requestPath": "healthz"}},
		{400, "invalid", checks, obj{"name": "x", "timeoutSec": 9}},
	} {
		w.refused(c.status, c.reason, "POST", c.path, c.body)
	}
}

// TestRouteToInstance holds its network, and says when its machine is gone.
func TestRouteToInstance(t *testing.T) {
	w := newWorld(t)
	w.masters()
	route := obj{"name": "k8s-1", "network": globalW + "networks/default", "destRange": "10.200.1.0/24", "priority": 1000,
		"nextHopInstance": zoneC + "instances/m2", "description": "k8s-node-route"}
	with := func(more obj) obj {
		o := clone(route)
		merge(o, obj{"name": "x"})
		merge(o, more)
		return o
	}
	routes := globalW + "routes"
	w.made("POST", routes, route)
	for _, c := range []struct {
		status int
		reason string
		body   obj
	}{
		{409, "alreadyExists", route},
		{404, "notFound", with(obj{"nextHopInstance": zoneC + "instances/none"})},
		{400, "invalid", with(obj{"destRange": "10.64.3.0/24"})}, // pods' own range
		{400, "invalid", with(obj{"destRange": "10.200.1.7/24"})},
		{501, "notImplemented", with(obj{"nextHopInstance": nil, "nextHopIp": "10.40.0.9"})},
		{404, "notFound", with(obj{"network": globalW + "networks/none"})},
	} {
		w.refused(c.status, c.reason, "POST", routes, c.body)
	}
	if has(w.get(routes+"/k8s-1"), "warnings") {
		t.Errorf("a warning while its machine is there: %v", w.get(routes+"/k8s-1"))
	}
	w.made("DELETE", zoneC+"instances/m2", nil)
	if l := objects(w.get(routes+"/k8s-1"), "warnings"); len(l) != 1 || str(l[0], "code") != "NEXT_HOP_INSTANCE_NOT_FOUND" {
		t.Errorf("warnings: %v", l)
	}
	for _, o := range objects(w.get(routes), "items") {
		if str(o, "routeType") == "SUBNET" {
			w.refused(400, "badRequest", "DELETE", routes+"/"+str(o, "name"), nil)
		}
	}
	if n := w.s.Objects()["routes"]; n != 1 {
		t.Errorf("%d routes are counted, want the one somebody made", n)
	}

	// An otherwise empty network.
	w.made("POST", globalW+"networks", obj{"name": "n", "autoCreateSubnetworks": false})
	w.made("POST", routes, with(obj{"name": "in-n", "network": globalW + "networks/n", "nextHopInstance": zoneB + "instances/m1"}))
	if op := w.do("DELETE", globalW+"networks/n", nil); !has(op, "error") {
		t.Error("a network with a route in it was deleted")
	}
	w.made("DELETE", routes+"/in-n", nil)
	w.made("DELETE", globalW+"networks/n", nil)
}
