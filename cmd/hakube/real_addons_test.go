//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/cluster/settings"
)

// addonNodes is how many nodes the cluster with addons has to begin with.
const addonNodes = 2

// addonNames are all there are.
var addonNames = settings.AddonNames

// A withAddons is a walk whose cluster has all addons.
type withAddons struct {
	*walk
	nodes        []string // that there are
	outer, local string   // addresses of balancers that stay
	still        *still
	asked        *asking // of hosts behind an Ingress controller
	goes         string  // its pod that was deleted
}

// TestAddons is a cluster with addons on real machines: what they are for is used, from
// the host, from a pod and from a master, while nodes fail and go; each is switched off
// and on again, and down leaves nothing of what they made. Steps need those before them.
func TestAddons(t *testing.T) {
	w := &withAddons{walk: newWalk(t)}
	w.env = append(w.env, fmt.Sprint("NUM_NODES=", addonNodes), "HAKUBE_MASTER_SERVICE_ACCOUNT=default")
	w.ok(t, "local", "start", "--machines=real")
	w.still = newStill(t)
	defer func() {
		if w.asked != nil {
			w.asked.end()
		}
	}()
	for _, step := range []struct {
		name string
		do   func(*withAddons, *testing.T)
	}{
		{"create", (*withAddons).create},
		{"metrics", (*withAddons).metrics},
		{"an Ingress controller", (*withAddons).ingress},
		{"balancers from outside", (*withAddons).outside},
		{"its pod has gone", (*withAddons).ingressKept},
		{"a Deployment that grew", (*withAddons).grown},
		{"a balancer from inside", (*withAddons).inside},
		{"registry credentials", (*withAddons).registryCredentials},
		{"network policies", (*withAddons).policies},
		{"a node is halted", (*withAddons).haltNode},
		{"volumes", func(w *withAddons, t *testing.T) { w.volumes(t) }},
		{"a node's machine is deleted", (*withAddons).deleteNode},
		{"off and on", (*withAddons).offAndOn},
		{"a pool goes alone", (*withAddons).poolGoes},
		{"down", (*withAddons).downSwept},
	} {
		begin := time.Now()
		if !t.Run(step.name, func(t *testing.T) { step.do(w, t) }) {
			w.explain(t)
			t.FailNow()
		}
		t.Logf("%s: %s", step.name, time.Since(begin).Round(100*time.Millisecond))
	}
}

// explain is what whoever reads of a failure asks next. What tells most comes last, where a
// report that is cut still has it.
func (w *withAddons) explain(t *testing.T) {
	for _, args := range [][]string{
		{"logs", "--namespace=kube-system", "--selector=k8s-app=cloud-controller-manager", "--tail=150"},
		{"logs", "--namespace=kube-system", "--selector=k8s-app=metrics-server", "--tail=50"},
		{"logs", "--namespace=kube-system", "--selector=k8s-app=kube-network-policies", "--tail=50"},
		{"get", "nodes,services,pods", "--all-namespaces", "-o", "wide"},
		{"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"},
	} {
		out, err := w.tryKubectl(t, args...)
		t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// create makes the cluster with all addons at once.
func (w *withAddons) create(t *testing.T) {
	begin := time.Now()
	w.ok(t, "up", "--addons=all")
	report(t, "1 master and %d nodes with all addons: the cluster is up after %.0f s", addonNodes, time.Since(begin).Seconds())
	w.machines(t)
	w.nodes = slices.DeleteFunc(w.readyNodes(t), func(n string) bool { return n == master })
	if len(w.nodes) != addonNodes {
		t.Fatalf("the nodes are %v", w.nodes)
	}
	w.hasAddons(t, addonNames...)
	w.apply(t, `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
		"template": {"metadata": {"labels": {"app": "web"}}, "spec": {
			"containers": [{"name": "nginx", "image": "nginx", "imagePullPolicy": "IfNotPresent"}],
			"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "web"}}}],
			"tolerations": [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
				{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]}}}}`)
	w.kubectl(t, "rollout", "status", "deployment", "web", "--timeout=300s")
	w.apply(t, `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "asked"}, "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "asked"}},
		"template": {"metadata": {"labels": {"app": "asked"}}, "spec": {"containers": [{"name": "nginx", "image": "nginx", "imagePullPolicy": "IfNotPresent",
			"resources": {"requests": {"cpu": "10m"}}}]}}}}`)
	w.kubectl(t, "expose", "deployment", "asked", "--port=80")
	w.kubectl(t, "autoscale", "deployment", "asked", "--cpu=50%", "--min=1", "--max=3")
}

// hasAddons holds status and validate to those addons, well.
func (w *withAddons) hasAddons(t *testing.T, names ...string) {
	t.Helper()
	becomes(t, fmt.Sprintf("the addons are %v, and well", names), func(d *differing) {
		var got []string
		for _, a := range w.cluster(t).Addons {
			if got = append(got, a.Name); !a.Healthy || a.Version == "" {
				d.add("addon %+v", a)
			}
		}
		if !slices.Equal(got, names) {
			d.add("they are %v", got)
		}
	})
	w.valid(t)
	w.nothingToDo(t)
}

// offAndOn: volumes stays on while claims need it; without the others what they made goes
// on and nothing tends it; with them again it is tended.
func (w *withAddons) offAndOn(t *testing.T) {
	none := w.run(t, "up", "--addons=none")
	for _, want := range []string{"volume claim default/data", "nothing was changed", "kubectl delete persistentvolumeclaim data"} {
		if none.code != 1 || !strings.Contains(none.stderr, want) {
			t.Errorf("up --addons=none does not say %q (%d):\n%s", want, none.code, none.stderr)
		}
	}
	w.ok(t, "up", "--addons=all") // makes the node again that was deleted
	w.hasAddons(t, addonNames...)
	if off := w.ok(t, "up", "--addons=volumes"); !strings.Contains(off.stderr, "Service default/") {
		t.Errorf("it does not warn of Services that nobody tends:\n%s", off.stderr)
	}
	w.hasAddons(t, settings.Volumes)
	if page := w.ok(t, "status").stdout; strings.Contains(page, "cloud-controller") {
		t.Errorf("status says:\n%s", page)
	}
	w.fetches(t, "without addons the balancer", w.outer)
	w.kubectl(t, "create", "service", "loadbalancer", "late", "--tcp=80:80")
	w.ok(t, "up", "--addons=all")
	w.hasAddons(t, addonNames...)
	w.addressOf(t, "late")
}

// downSwept: with all of it alive and in use the whole cluster goes, with what its
// Services and volumes made.
func (w *withAddons) downSwept(t *testing.T) {
	down := w.ok(t, "down", "--sweep")
	t.Logf("down:\n%s", down.stderr)
	for _, what := range []string{"Service default/web", "Service default/local", "Service default/late", "volume claim default/data", "volume claim default/far", "volume snapshot default/daily"} {
		if !strings.Contains(down.stderr, what) {
			t.Errorf("down does not say that something was of %s", what)
		}
	}
	if s := w.status(t); len(s.Objects) != 0 {
		t.Errorf("down left %v", s.Objects)
	}
	w.nothingLeft(t)
}
