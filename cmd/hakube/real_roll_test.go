//go:build linux

package main

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"

	"hakube/cluster"
)

// TestRealRoll has masters' certificates and the keys of Secrets and tokens made anew, and then makes every machine of a
// cluster of real ones again, by one command each: three masters in three zones and two
// nodes, while a register is written and read through the API's address and two pods have
// a budget of one. In "make test" it is one master, whose
// API is dark meanwhile and for how long is printed, and one node.
func TestRealRoll(t *testing.T) {
	g := &grown{walk: newWalk(t), nodes: 2, masters: map[string]string{}}
	g.walk.limit = 20 * time.Minute // five machines one after the other, on a host that has other work
	masters := []string{zoneB, zoneC, zoneD}
	if shortForms {
		masters, g.nodes = masters[:1], 1
	}
	g.walk.env = append(withoutZone(g.walk.env), "KUBE_GCE_ZONE="+zoneB, "NUM_NODES=2")
	if shortForms {
		g.walk.env = append(g.walk.env, "NUM_NODES=1")
	}
	g.ok(t, "local", "start", "--machines=real")
	g.hakube(t, "up", zoneB)
	for _, zone := range masters[1:] {
		g.masters[zone] = g.hakube(t, "up", zone, addMaster).Replica
	}
	r := newRegister(t, g.kubeconfig)
	g.object(t, deployment("budgeted", g.nodes, ""))
	g.object(t, `{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "budgeted"},
		"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"name": "budgeted"}}}}`)
	g.kubectl(t, "rollout", "status", "deployment/budgeted", "--timeout=300s")
	least := g.leastReady(t, "name=budgeted")
	was, nodes := g.machines(t), g.readyNodes(t)

	g.rotate(t, r, len(masters))
	g.rotateKey(t, r, masters)
	g.rotateAccess(t)
	if !shortForms { // as of those below
		g.rotateEtcdCA(t, r, masters)
	}
	g.rotateTokens(t, r, masters)
	distrust := func() {}
	if !shortForms { // it starts API servers anew, as rotateTokens does: kubelet has an only one wait longer each time
		distrust = g.rotateCA(t, r, masters)
	}
	begin := time.Now()
	var s cluster.Summary
	decode(t, g.ok(t, "roll", "--all", "--json").stdout, &s)
	failed, answered := r.Failed(begin)
	report(t, "%d masters and %d nodes made again in %.0f s; %d of %d requests failed, longest stall %.1f s; at least %d of %d pods Ready",
		len(s.Rolled), g.nodes, time.Since(begin).Seconds(), failed, failed+answered, r.Stall(begin).Seconds(), least(), g.nodes)
	r.end(t)
	if len(s.Rolled) != len(masters) || len(s.RolledPools) != 1 || s.RolledPools[0].Nodes != g.nodes || s.RolledPools[0].Why == "" {
		t.Errorf("rolled are masters %v and pools %+v", s.Rolled, s.RolledPools)
	}
	if n := least(); n < g.nodes-1 {
		t.Errorf("%d of %d pods were Ready, and the budget is one", n, g.nodes)
	}
	now := g.machines(t)
	for id, since := range now {
		if was[id] == since {
			t.Errorf("machine %s was not made again: %s", id, since)
		}
	}
	if len(now) != len(was) {
		t.Errorf("there are %d machines, were %d", len(now), len(was))
	}
	for _, name := range g.readyNodes(t) {
		if slices.Contains(nodes, name) && !slices.ContainsFunc(s.Rolled, func(m string) bool { return m == name }) {
			t.Errorf("node %s is of before", name)
		}
	}
	g.expect(t, masters, []string{zoneB})
	distrust()
	g.walk.env = withoutZone(g.walk.env)
	g.ok(t, "down", "--yes")
	g.nothingLeft(t)
}

// rotate: masters have new leaf certificates, and nobody sees it.
func (g *grown) rotate(t *testing.T, r *register, masters int) {
	t.Helper()
	g.unseen(t, r, "an exchange of certificates", manyFailed, func() {
		begin := time.Now()
		var s cluster.Summary
		decode(t, g.ok(t, "rotate", "--json", "certificates").stdout, &s)
		failed, answered := r.Failed(begin)
		report(t, "certificates of %d masters made anew in %.0f s; %d of %d requests failed", len(s.Rotated), time.Since(begin).Seconds(), failed, failed+answered)
		if len(s.Rotated) != masters {
			t.Errorf("rotated are %v", s.Rotated)
		}
	})
	g.valid(t)
}

// unseen does what no user of the API is to see. Of a host that stands still for some seconds
// requests fail too, so what fails is done again, up to three times: what it does itself it
// does each time.
func (g *grown) unseen(t *testing.T, r *register, what string, seen func(failed, answered int) bool, do func()) {
	t.Helper()
	for n := 1; ; n++ {
		begin := time.Now()
		do()
		failed, answered := r.Failed(begin)
		if !seen(failed, answered) {
			return
		}
		for _, line := range r.Slow(begin) {
			t.Log(line)
		}
		if n == 3 {
			t.Errorf("%d of %d requests failed by %s, and not only the third time", failed, failed+answered, what)
			return
		}
	}
}

// manyFailed: a request or two may be slower than the register waits; an API server that is started
// anew answers none for seconds.
func manyFailed(failed, answered int) bool { return failed*50 > answered }

func anyFailed(failed, answered int) bool { return failed > 0 || answered == 0 }

// leastReady follows the pods of a selector from now on; what it returns is the fewest that
// were Ready in any look that was answered.
func (g *grown) leastReady(t *testing.T, selector string) func() int {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", g.kubeconfig)
	must(t, err)
	client, err := corev1client.NewForConfig(config)
	must(t, err)
	var mu sync.Mutex
	least := -1
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			list, err := client.Pods("default").List(ctx, metav1.ListOptions{LabelSelector: selector})
			if err == nil {
				n := 0
				for _, p := range list.Items {
					if slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
						return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
					}) {
						n++
					}
				}
				mu.Lock()
				if least < 0 || n < least {
					least = n
				}
				mu.Unlock()
			}
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() { stop(); work.Wait() })
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return least
	}
}
