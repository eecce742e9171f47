//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMultizoneWorkers is the longest of kube-up's end-to-end scenarios, "survive
// addition/removal replicas multizone workers" (kubernetes/test/e2e/lifecycle/ha_master.go),
// on real machines: nine steps and a second pool of a zone, after each of which all masters and nodes are
// there and Ready, and what every controller since the start runs answers. Where
// the address moves hakube is killed three times on the way.
// The two shorter scenarios need no pods: cluster.TestScenarios has all three on
// model machines. "make test" has the second pool, and the address on its way to the balancer.
func TestMultizoneWorkers(t *testing.T) {
	g := newGrown(t, 1)
	one, two, three := []string{zoneB}, []string{zoneB, zoneC}, []string{zoneB, zoneC, zoneD}
	type step struct {
		name           string
		do             func(*testing.T)
		masters, pools []string
	}
	steps := []step{
		{"none", func(*testing.T) {}, one, one},
		{"pool c", func(t *testing.T) { g.hakube(t, "up", zoneC, addPool) }, one, two},
		{"pool d", func(t *testing.T) { g.hakube(t, "up", zoneD, addPool) }, one, three},
		{"add c killed three times", func(t *testing.T) { g.replicateKilled(t, zoneC) }, two, three},
		{"add d", func(t *testing.T) { g.replicateStruck(t, zoneD) }, three, three},
		{"remove c", func(t *testing.T) { g.unreplicate(t, zoneC) }, []string{zoneB, zoneD}, three},
		{"remove d killed three times", func(t *testing.T) { g.unreplicateKilled(t, zoneD) }, one, three},
		{"unpool c", func(t *testing.T) { g.hakube(t, "down", zoneC, addPool) }, one, []string{zoneB, zoneD}},
		{"unpool d", func(t *testing.T) { g.hakube(t, "down", zoneD, addPool) }, one, one},
		{"a second pool", g.pools, one, one},
	}
	if shortForms {
		steps = []step{steps[0], steps[9], steps[1], {steps[3].name, steps[3].do, two, two}}
		report(t, "left to make long: the third zone, and the way back")
	}
	for i, step := range steps {
		if !t.Run(step.name, func(t *testing.T) {
			step.do(t)
			g.expect(t, step.masters, step.pools)
			g.control(t, i)
			for n := range i + 1 {
				g.responds(t, controllerName(n))
			}
		}) {
			t.FailNow()
		}
	}
	g.register.end(t)
	g.machines(t)
	g.walk.env = withoutZone(g.walk.env)
	g.ok(t, "down", "--yes")
	if s := g.status(t); len(s.Objects) != 0 {
		t.Errorf("down left %v", s.Objects)
	}
	g.nothingLeft(t)
}

func controllerName(n int) string { return fmt.Sprintf("ha-master-%d", n) }

// control makes a ReplicationController of one pod, as kube-up's test does.
func (g *grown) control(t *testing.T, n int) {
	t.Helper()
	name := controllerName(n)
	file := filepath.Join(t.TempDir(), name+".json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": %[1]q},
		"spec": {"replicas": 1, "selector": {"name": %[1]q}, "template": {"metadata": {"labels": {"name": %[1]q}},
		"spec": {"containers": [{"name": "nginx", "image": "nginx", "imagePullPolicy": "IfNotPresent"}]}}}}`, name), 0o600); err != nil {
		t.Fatal(err)
	}
	g.kubectl(t, "create", "-f", file)
}

// responds: a controller has exactly one pod, which runs and serves its page,
// fetched by whichever master the balancer picks.
func (g *grown) responds(t *testing.T, controller string) {
	t.Helper()
	eventually(t, settled, controller+" responds", func() error {
		out, err := g.tryKubectl(t, "get", "pods", "-l", "name="+controller, "-o",
			`jsonpath={range .items[*]}{.metadata.name} {.status.phase} {.metadata.deletionTimestamp}{"\n"}{end}`)
		if err != nil {
			return err
		}
		pods := strings.Fields(out)
		if len(pods) != 2 || pods[1] != "Running" {
			return fmt.Errorf("its pods are %q", out)
		}
		page, err := g.tryKubectl(t, "get", "--raw=/api/v1/namespaces/default/pods/"+pods[0]+"/proxy/")
		if err == nil && !strings.Contains(page, "Welcome to nginx") {
			err = fmt.Errorf("it serves %q", page)
		}
		return err
	})
}
