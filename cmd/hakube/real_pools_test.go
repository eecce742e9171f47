//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// pools: a second pool of the zone, with a taint and a label, on real machines. The
// scheduler keeps pods from it that do not tolerate it and puts there what asks for it by
// hakube's label; a changed pool's pods go over to its new node; the first pool's node stays.
func (g *grown) pools(t *testing.T) {
	named := []string{addPool, "HAKUBE_POOL=gpu", "NUM_NODES=1"}
	g.hakube(t, "up", zoneB, append(named, "KUBE_NODE_TAINTS=dedicated=gpu:NoSchedule", "KUBE_NODE_LABELS=tier=fast,example.com/of=gpu")...)
	node := g.nodeOf(t, "gpu")
	if !strings.HasPrefix(node, "kubernetes-minion-gpu-group-") {
		t.Errorf("the pool's node is %s", node)
	}
	if got := g.kubectl(t, "get", "node", node, "-o", "jsonpath={.metadata.labels.tier} {.metadata.labels.example\\.com/of}"); got != "fast gpu" {
		t.Errorf("%s has %s", node, got)
	}
	if got := g.taints(t, node); got != "dedicated=gpu:NoSchedule" {
		t.Errorf("%s has %s", node, got)
	}
	g.object(t, deployment("anywhere", 3, ""))
	g.object(t, deployment("there", 1, `, "nodeSelector": {"hakube/pool": "gpu"}, "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}]`))
	for _, name := range []string{"anywhere", "there"} {
		g.kubectl(t, "rollout", "status", "deployment/"+name, "--timeout=300s")
	}
	if on := g.nodesUnder(t, "anywhere"); slices.Contains(on, node) {
		t.Errorf("pods without a toleration are on %v, and %s is tainted", on, node)
	}
	if on := g.nodesUnder(t, "there"); !slices.Equal(on, []string{node}) {
		t.Errorf("the pod for %s is on %v", node, on)
	}

	// By hand: what is taken away is seen, and brought back without another machine.
	g.kubectl(t, "taint", "node", node, "dedicated-", "mine=yes:PreferNoSchedule")
	g.kubectl(t, "label", "node", node, "tier=slow", "--overwrite")
	becomes(t, "status tells what is otherwise", func(d *differing) {
		if said := g.ok(t, "status").stdout; !strings.Contains(said, node+" has label tier=slow and not fast, lacks taint dedicated=gpu:NoSchedule") {
			d.add("status says\n%s", said)
		}
	})
	g.hakube(t, "up", zoneB, named...)
	if got := g.kubectl(t, "get", "node", node, "-o", "jsonpath={.metadata.labels.tier} ") + g.taints(t, node); got != "fast mine=yes:PreferNoSchedule dedicated=gpu:NoSchedule" {
		t.Errorf("%s has %s", node, got)
	}

	first := g.nodeOf(t, "")
	g.hakube(t, "up", zoneB, append(named, "KUBE_NODE_LABELS=tier=faster")...)
	now := g.nodeOf(t, "gpu")
	if now == node || g.nodeOf(t, "") != first {
		t.Errorf("of %s and %s there are %s and %s", node, first, now, g.nodeOf(t, ""))
	}
	if got := g.kubectl(t, "get", "node", now, "-o", "jsonpath={.metadata.labels.tier}/{.metadata.labels.example\\.com/of} ") + g.taints(t, now); got != "faster/ dedicated=gpu:NoSchedule" {
		t.Errorf("%s has %s", now, got)
	}
	eventually(t, settled, "the pod is on the pool's new node", func() error {
		if on := g.nodesUnder(t, "there"); !slices.Equal(on, []string{now}) {
			return fmt.Errorf("it is on %v, and the node is %s", on, now)
		}
		return nil
	})
	g.kubectl(t, "delete", "deployment", "anywhere", "there")
	g.hakube(t, "down", zoneB, named[:2]...)
	if g.nodeOf(t, "") != first {
		t.Errorf("%s is gone", first)
	}
}

// taints are a node's, without those that Kubernetes itself puts on it while it is not ready:
// its controllers take them away some moments after the Node says it is.
func (g *grown) taints(t *testing.T, node string) string {
	t.Helper()
	all := strings.Fields(g.kubectl(t, "get", "node", node, "-o", `jsonpath={range .spec.taints[*]}{.key}={.value}:{.effect}{" "}{end}`))
	return strings.Join(slices.DeleteFunc(all, func(taint string) bool { return strings.HasPrefix(taint, "node.kubernetes.io/") }), " ")
}

// nodeOf is the one node of a pool, by hakube's label.
func (g *grown) nodeOf(t *testing.T, pool string) string {
	t.Helper()
	selector := "hakube/pool=" + pool
	if pool == "" {
		selector = "!hakube/pool,!node-role.kubernetes.io/control-plane"
	}
	var names []string
	becomes(t, fmt.Sprintf("pool %q has one node", pool), func(d *differing) {
		if names = strings.Fields(g.kubectl(t, "get", "nodes", "-l", selector, "-o", "jsonpath={.items[*].metadata.name}")); len(names) != 1 {
			d.add("they are %v", names)
		}
	})
	return names[0]
}

// nodesUnder are the nodes that a deployment's pods are on and run.
func (g *grown) nodesUnder(t *testing.T, name string) []string {
	t.Helper()
	var on []string
	for line := range strings.Lines(g.kubectl(t, "get", "pods", "-l", "name="+name, "--field-selector=status.phase=Running", "-o",
		`jsonpath={range .items[*]}{.spec.nodeName} {.metadata.deletionTimestamp}{"\n"}{end}`)) {
		if words := strings.Fields(line); len(words) == 1 { // one that has two ends
			on = append(on, words[0])
		}
	}
	slices.Sort(on)
	return slices.Compact(on)
}

// deployment is one of nginx, with more in its pods' spec.
func deployment(name string, replicas int, more string) string {
	return fmt.Sprintf(`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": %[1]q}, "spec": {"replicas": %[2]d, "selector": {"matchLabels": {"name": %[1]q}},
		"template": {"metadata": {"labels": {"name": %[1]q}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "nginx", "image": "nginx", "imagePullPolicy": "IfNotPresent"}]%[3]s}}}}`, name, replicas, more)
}
