//go:build linux

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/cluster"
	"hakube/gce/local"
	"hakube/gce/local/mirror"
)

// TestRealUpgrade brings a cluster of real machines from minor to minor of Kubernetes: three
// masters and two nodes, while a register is written and read through the API's address and
// two pods have a budget of one. hakube is killed once in the middle. In short form it is one
// master, whose API is dark meanwhile, and one node, and one step. Where the versions were not
// made, since that takes long, it is [mirror.Renumbered], the same sources under another number:
// what is seen then is the walk, and nothing of what versions differ in.
func TestRealUpgrade(t *testing.T) {
	g := &grown{walk: newWalk(t), nodes: 2, masters: map[string]string{}}
	path := upgrades(t)
	g.walk.limit = 20 * time.Minute // five machines one after the other, on a host that has other work
	masters := []string{zoneB, zoneC, zoneD}
	size := "NUM_NODES=2"
	if shortForms {
		masters, g.nodes, size = masters[:1], 1, "NUM_NODES=1"
	}
	report(t, "%d masters go %s", len(masters), strings.Join(path, " → "))
	g.walk.env = append(withoutZone(g.walk.env), "KUBE_GCE_ZONE="+zoneB, size)
	g.ok(t, "local", "start", "--machines=real")
	g.hakube(t, "up", zoneB, "KUBE_VERSION="+path[0])
	for _, zone := range masters[1:] {
		g.masters[zone] = g.hakube(t, "up", zone, addMaster).Replica
	}
	g.allOf(t, path[0])
	g.refuses(t, "v1.36.999", `KUBE_VERSION="v1.36.999": the embedded GCE has `)
	whole := g.goesBack(t, path[0], path[1])
	for i, to := range path[1:] {
		g.goesThere(t, masters, to, whole && i == 0, i > 0)
		g.refuses(t, path[i], "a control plane does not go back")
	}
	g.joins(t, masters, path[len(path)-1])
	g.walk.env = withoutZone(g.walk.env)
	g.ok(t, "down", "--yes")
	g.nothingLeft(t)
}

// upgrades are the versions that a cluster goes through: all that hakube supports, where they
// were made.
func upgrades(t *testing.T) []string {
	t.Helper()
	m, err := local.Prepare(t.Context(), func(text string) { t.Log(text) })
	must(t, err)
	defer func() { must(t, m.Close()) }()
	has := m.Has()
	path := slices.DeleteFunc(mirror.Versions(), func(v string) bool { return !slices.Contains(has, v) })
	if i := slices.Index(path, mirror.Kubernetes); shortForms && i < len(path)-1 {
		path = path[i : i+2]
	} else if shortForms {
		path = path[max(0, i-1):]
	}
	if len(path) == 1 && slices.Contains(has, mirror.Renumbered) {
		path = append(path, mirror.Renumbered)
	}
	if len(path) == 1 {
		t.Skip("there is no other version of Kubernetes to go to: make test-upgrade makes them")
	}
	return path
}

// goesHalf kills an upgrade once the machine of a replica is gone, or that of the only master.
func (g *grown) goesHalf(t *testing.T, to string) {
	t.Helper()
	pattern := `machine kubernetes-master +removed`
	if len(g.masters) > 0 {
		pattern = `machine kubernetes-master-[0-9a-f]{3} +removed`
	}
	g.killedAt(t, pattern, "upgrade", "--kube-version="+to)
}

// goesThere is an upgrade of all, and what is to be seen of it. It is whole, or goes on with one
// that was cut, as it is here half way.
func (g *grown) goesThere(t *testing.T, masters []string, to string, whole, half bool) {
	t.Helper()
	r := newRegister(t, g.kubeconfig)
	g.object(t, deployment("budgeted", g.nodes, ""))
	g.object(t, `{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "budgeted"},
		"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"name": "budgeted"}}}}`)
	g.kubectl(t, "rollout", "status", "deployment/budgeted", "--timeout=300s")
	least := g.leastReady(t, "name=budgeted")
	ca := g.certificateAuthority(t)

	before := g.walk.env
	g.walk.env = append(slices.Clone(before), "KUBE_VERSION="+to)
	begin := time.Now()
	var s cluster.Summary
	if half {
		g.goesHalf(t, to)
	}
	decode(t, g.ok(t, "upgrade", "--json").stdout, &s)
	failed, answered := r.Failed(begin)
	report(t, "%d masters and %d nodes brought to %s in %.0f s; %d of %d requests failed, longest stall %.1f s; at least %d of %d pods Ready",
		len(s.Rolled), g.nodes, to, time.Since(begin).Seconds(), failed, failed+answered, r.Stall(begin).Seconds(), least(), g.nodes)
	for _, line := range darkness(&s) {
		report(t, "%s", line)
	}
	r.end(t)
	if whole && len(s.Rolled) != len(masters) || len(s.RolledPools) != 1 || s.RolledPools[0].Nodes != g.nodes {
		t.Errorf("brought there are masters %v and pools %+v", s.Rolled, s.RolledPools)
	}
	if n := least(); n < g.nodes-1 {
		t.Errorf("%d of %d pods were Ready, and the budget is one", n, g.nodes)
	}
	g.allOf(t, to)
	if g.certificateAuthority(t) != ca {
		t.Error("the cluster has another certificate authority")
	}
	for _, m := range g.cluster(t).Masters {
		if kept := g.onIn(t, m.Zone, m.Name, "ls", "/mnt/disks/master-pd/before-upgrade/"+to); kept != "events.db\nmain.db\nrecord.json\n" {
			t.Errorf("%s has of its rings of before: %s", m.Name, kept)
		}
	}
	s = cluster.Summary{}
	decode(t, g.ok(t, "upgrade", "--json").stdout, &s)
	if !s.Nothing {
		t.Errorf("the same again did something: %+v", s)
	}
	g.walk.env = before
}

// refuses has an upgrade to a version refused, which changes nothing.
func (g *grown) refuses(t *testing.T, version, why string) {
	t.Helper()
	before := g.status(t).Calls.Change
	r := g.run(t, "upgrade", "--kube-version="+version)
	if r.code != exitFailed || !strings.Contains(r.stderr, why) {
		t.Errorf("an upgrade to %s exits with %d and does not say %q:\n%s", version, r.code, why, r.stderr)
	}
	if n := g.status(t).Calls.Change - before; n != 0 {
		t.Errorf("an upgrade to %s is refused after %d changing calls", version, n)
	}
}

// goesBack kills an upgrade once the first master's machine is gone: status names it, and
// with the version of before the master comes back as it was. It tells whether it did: on a busy
// host the kill may come when the machine of the new version is being made, which then is not
// undone, and is said.
func (g *grown) goesBack(t *testing.T, from, to string) bool {
	t.Helper()
	g.killedAt(t, `machine kubernetes-master(-[0-9a-f]{3})? +removed`, "upgrade", "--kube-version="+to)
	if s := g.cluster(t); !slices.ContainsFunc(s.Unfinished, func(x cluster.Unfinished) bool {
		return isNamed(x.Command, "KUBE_VERSION="+to+" hakube upgrade")
	}) {
		t.Errorf("status does not name an upgrade that was cut: %+v", s.Unfinished)
	}
	if r := g.run(t, "upgrade", "--kube-version="+from); r.code == exitFailed && strings.Contains(r.stderr, "runs "+to+", and a control plane does not go back") {
		report(t, "the kill came too late to go back: a master of %s had been made", to)
		return false
	} else if r.code != 0 {
		t.Fatalf("back to %s: exits with %d:\n%s", from, r.code, r.stderr)
	}
	g.allOf(t, from)
	return true
}

// joins has a node come after an upgrade, and where there is one master a second one: they
// are of what the others are.
func (g *grown) joins(t *testing.T, masters []string, version string) {
	t.Helper()
	g.nodes++
	g.walk.env = append(g.walk.env, fmt.Sprint("NUM_NODES=", g.nodes)) // which a plan goes by later
	g.hakube(t, "up", zoneB)
	if len(masters) == 1 {
		masters = append(masters, zoneC)
		g.masters[zoneC] = g.hakube(t, "up", zoneC, addMaster).Replica
	}
	g.allOf(t, version)
	g.expect(t, masters, []string{zoneB})
}

// allOf holds all that runs to a version: kubelets, the control plane's and kube-proxy's
// images, the API's own word, and what kubeadm keeps.
func (g *grown) allOf(t *testing.T, version string) {
	t.Helper()
	becomes(t, "all is of "+version, func(d *differing) { g.ofOther(t, d, version) }) // kubelets tell of their pods some moments later
}

func (g *grown) ofOther(t *testing.T, d *differing, version string) {
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
			d.add("%s are of %v, and should be of %s", what, seen, version)
		}
	}
}
