//go:build linux

package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/cluster"
	"hakube/gce/local"
	"hakube/gce/local/mirror"
)

// TestRealUpgrade brings a cluster of real machines to another version of Kubernetes: three
// masters and two nodes, while a register is written and read through the API's address and
// two pods have a budget of one. In short form it is one master, whose API is dark meanwhile,
// and one node. The version is [mirror.Renumbered], the same sources under another number:
// what is seen is the walk, and nothing of what versions differ in.
func TestRealUpgrade(t *testing.T) {
	g := &grown{walk: newWalk(t), nodes: 2, masters: map[string]string{}}
	renumbered(t)
	g.walk.limit = 20 * time.Minute // five machines one after the other, on a host that has other work
	masters := []string{zoneB, zoneC, zoneD}
	size := "NUM_NODES=2"
	if shortForms {
		masters, g.nodes, size = masters[:1], 1, "NUM_NODES=1"
	}
	g.walk.env = append(withoutZone(g.walk.env), "KUBE_GCE_ZONE="+zoneB, size)
	g.ok(t, "local", "start", "--machines=real")
	g.hakube(t, "up", zoneB)
	for _, zone := range masters[1:] {
		g.masters[zone] = g.hakube(t, "up", zone, addMaster).Replica
	}
	g.allOf(t, mirror.Kubernetes)
	r := newRegister(t, g.kubeconfig)
	g.object(t, deployment("budgeted", g.nodes, ""))
	g.object(t, `{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "budgeted"},
		"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"name": "budgeted"}}}}`)
	g.kubectl(t, "rollout", "status", "deployment/budgeted", "--timeout=120s")
	least := g.leastReady(t, "name=budgeted")
	ca := g.certificateAuthority(t)

	g.walk.env = append(g.walk.env, "KUBE_VERSION="+mirror.Renumbered)
	begin := time.Now()
	var s cluster.Summary
	decode(t, g.ok(t, "upgrade", "--json").stdout, &s)
	failed, answered := r.Failed(begin)
	report(t, "%d masters and %d nodes brought to %s in %.0f s; %d of %d requests failed, longest stall %.1f s; at least %d of %d pods Ready",
		len(s.Rolled), g.nodes, mirror.Renumbered, time.Since(begin).Seconds(), failed, failed+answered, r.Stall(begin).Seconds(), least(), g.nodes)
	for _, line := range darkness(&s) {
		report(t, "%s", line)
	}
	r.end(t)
	if len(s.Rolled) != len(masters) || len(s.RolledPools) != 1 || s.RolledPools[0].Nodes != g.nodes {
		t.Errorf("brought there are masters %v and pools %+v", s.Rolled, s.RolledPools)
	}
	if n := least(); n < g.nodes-1 {
		t.Errorf("%d of %d pods were Ready, and the budget is one", n, g.nodes)
	}
	g.allOf(t, mirror.Renumbered)
	if g.certificateAuthority(t) != ca {
		t.Error("the cluster has another certificate authority")
	}
	for _, m := range g.cluster(t).Masters {
		if kept := g.onIn(t, m.Zone, m.Name, "ls", "/mnt/disks/master-pd/before-upgrade/"+mirror.Renumbered); kept != "events.db\nmain.db\nrecord.json\n" {
			t.Errorf("%s has of its rings of before: %s", m.Name, kept)
		}
	}
	s = cluster.Summary{}
	decode(t, g.ok(t, "upgrade", "--json").stdout, &s)
	if !s.Nothing {
		t.Errorf("the same again did something: %+v", s)
	}
	g.expect(t, masters, []string{zoneB})
	g.walk.env = withoutZone(g.walk.env)
	g.ok(t, "down", "--yes")
	g.nothingLeft(t)
}

// renumbered skips a test where the cache has no second version, which takes minutes to make.
func renumbered(t *testing.T) {
	t.Helper()
	m, err := local.Prepare(t.Context(), func(text string) { t.Log(text) })
	must(t, err)
	t.Cleanup(func() { must(t, m.Close()) })
	if !m.HasRenumbered() {
		t.Skip("there is no second version of Kubernetes to go to: hakube local prepare --renumbered makes it")
	}
}

// allOf holds all that runs to a version: kubelets, the control plane's and kube-proxy's
// images, the API's own word, and what kubeadm keeps.
func (g *grown) allOf(t *testing.T, version string) {
	t.Helper()
	said := map[string]string{
		"kubelets":        g.kubectl(t, "get", "nodes", "-o", `jsonpath={range .items[*]}{.status.nodeInfo.kubeletVersion}{"\n"}{end}`),
		"control planes":  g.kubectl(t, "get", "pods", "-n", "kube-system", "-l", "tier=control-plane", "-o", `jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}`),
		"kube-proxy":      g.kubectl(t, "get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-proxy", "--field-selector=status.phase=Running", "-o", `jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}`),
		"the API":         g.kubectl(t, "get", "--raw", "/version"),
		"kubeadm's words": g.kubectl(t, "get", "configmap", "kubeadm-config", "-n", "kube-system", "-o", `jsonpath={.data.ClusterConfiguration}`),
	}
	named := map[string]string{"the API": "gitVersion", "kubeadm's words": "kubernetesVersion"} // how the line begins that says it
	for what, text := range said {
		seen := map[string]int{}
		for line := range strings.Lines(text) {
			line = strings.Trim(line, " \n\",")
			if word := named[what]; strings.HasPrefix(line, word) {
				seen[strings.Trim(line[strings.LastIndex(line, ":")+1:], ` "`)]++
			}
		}
		if is := slices.Collect(maps.Keys(seen)); len(is) != 1 || is[0] != version {
			t.Errorf("%s are of %v, and should be of %s", what, seen, version)
		}
	}
}
