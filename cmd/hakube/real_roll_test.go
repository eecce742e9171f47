//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRealRoll has all machines of a cluster made again, three masters and a pool of two
// nodes, while a counter is written and read through the balancer ten times a second each, and
// a Service with a budget is asked twice a second: no acknowledged write is lost, no page is,
// and never fewer pods are ready than the budget wants. "make long" runs it.
func TestRealRoll(t *testing.T) {
	if shortForms {
		t.Skip("left to make long: TestRoll and TestRollAll run it on model machines")
	}
	g := &grown{walk: newWalk(t), nodes: 2, masters: map[string]string{}}
	masters, pools := []string{zoneB, zoneC, zoneD}, []string{zoneB}
	g.walk.env = append(g.walk.env, "NUM_NODES=2", "MULTIZONE=true", "HAKUBE_ZONES="+zoneB, "HAKUBE_MASTER_ZONES="+strings.Join(masters, ","))
	g.ok(t, "local", "start", "--machines=real")
	g.ok(t, "up")
	g.walk.env = slices.DeleteFunc(g.walk.env, func(x string) bool { return strings.HasPrefix(x, "HAKUBE_ZONES=") || strings.HasPrefix(x, "HAKUBE_MASTER_ZONES=") })
	g.object(t, deployment("web", 3, ""))
	g.object(t, `{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "default"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": {"name": "web"}}}}`)
	g.kubectl(t, "rollout", "status", "deployment/web", "--timeout=120s")
	old := g.allMachines(t)
	ids := g.identities(t)
	g.register = newRegister(t, g.kubeconfig)

	begin := time.Now()
	g.ok(t, "roll", "--all")
	took := time.Since(begin)
	failed, answered := g.register.failed(begin)
	report(t, "roll --all of 3 masters and 2 nodes: %.1f s; of %d requests through the balancer %d failed; writes stalled %.2f s at most", took.Seconds(), failed+answered, failed, g.register.stall(begin).Seconds())
	for _, line := range g.register.slow(begin) {
		report(t, "roll: %s", line)
	}
	if answered == 0 || failed*50 > answered {
		t.Errorf("%d requests failed and %d were answered", failed, answered)
	}
	g.register.end(t)
	for name, id := range g.identities(t) {
		if ids[name] == id {
			t.Errorf("%s was not made again", name)
		}
	}
	if now := g.allMachines(t); len(now) != len(old) {
		t.Errorf("machines are %v, and were %v", now, old)
	}
	g.kubectl(t, "rollout", "status", "deployment/web", "--timeout=120s")
	g.walk.env = append(g.walk.env, "KUBE_GCE_ZONE="+zoneB)
	g.expect(t, masters, pools)
	if r := g.run(t, "plan", "roll", "--exit-code"); r.code != 0 {
		t.Errorf("plan roll exits with %d:\n%s", r.code, r.stdout)
	}
	g.walk.env = withoutZone(g.walk.env)
	g.ok(t, "down", "--yes")
	g.nothingLeft(t)
}

// identities are Compute Engine's numbers of all machines, by name.
func (g *grown) identities(t *testing.T) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, zone := range []string{zoneB, zoneC, zoneD} {
		for _, name := range g.names(t, "zones/"+zone+"/instances") {
			ids[name] = fmt.Sprint(g.call(t, "GET", "zones/"+zone+"/instances/"+name)["id"])
		}
	}
	return ids
}
