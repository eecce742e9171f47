//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"hakube/cluster"
)

// kubectl runs kubectl, which must succeed, if need be again, and returns what it printed.
func (w *walk) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := w.answered(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *walk) tryKubectl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	r := w.command(t, w.kubectlPath, append([]string{"--kubeconfig=" + w.kubeconfig, "--request-timeout=20s"}, args...)...)
	if r.code != 0 {
		return r.stdout, fmt.Errorf("kubectl %s exits with %d: %s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout, nil
}

type pod struct{ node, ip, uid string }

// pod is what Kubernetes says of a pod that runs.
func (w *walk) pod(t *testing.T, name string) (p pod) {
	t.Helper()
	out := w.kubectl(t, "get", "pod", name, "-o", "jsonpath={.spec.nodeName} {.status.podIP} {.metadata.uid}")
	if _, err := fmt.Sscan(out, &p.node, &p.ip, &p.uid); err != nil {
		t.Fatalf("pod %s is %q", name, out)
	}
	return p
}

// readyNodes are the names of the Ready nodes, sorted.
func (w *walk) readyNodes(t *testing.T) (names []string) {
	t.Helper()
	out := w.kubectl(t, "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`)
	for line := range strings.Lines(out) {
		if name, ready := strings.CutSuffix(strings.TrimSpace(line), " True"); ready {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// certificateAuthority is what the kubeconfig trusts.
func (w *walk) certificateAuthority(t *testing.T) string {
	t.Helper()
	return w.kubectl(t, "config", "view", "--raw", "--minify", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}")
}

// members are the ids of the etcd members by ring.
func members(s cluster.Summary) map[string]string {
	ids := map[string]string{}
	for ring, r := range s.Evidence.Rings {
		for _, m := range r.Members {
			ids[ring] += m.Name + "=" + string(m.ID) + " "
		}
	}
	return ids
}

// healthy checks what up saw of the cluster, which is of one moment: it is typed again while
// a kubelet or a probe was late.
func (w *walk) healthy(t *testing.T, s cluster.Summary) {
	t.Helper()
	first := true
	becomes(t, "up sees all of it well", func(d *differing) {
		if !first {
			s = w.up(t)
		}
		first = false
		unwell(d, s)
	})
}

func unwell(d *differing, s cluster.Summary) {
	if n := len(s.Evidence.Nodes); n != 1+nodeCount {
		d.add("%d nodes, want %d", n, 1+nodeCount)
	}
	for _, n := range s.Evidence.Nodes {
		if !n.Ready {
			d.add("node %s is not Ready: %s", n.Name, n.Why)
		}
	}
	for _, name := range []string{"main", "events"} {
		if r := s.Evidence.Rings[name]; !r.Healthy || len(r.Members) != 1 {
			d.add("etcd ring %s is %+v", name, r)
		}
	}
	if s.Evidence.Ready != "ok" {
		d.add("/readyz is %q", s.Evidence.Ready)
	}
}

// use runs nginx, and fetches its page from a pod on another node by the
// name of its Service, and by its own address.
func (w *walk) use(t *testing.T) {
	w.kubectl(t, "run", "nginx", "--image=nginx", "--image-pull-policy=IfNotPresent", "--expose", "--port=80")
	w.kubectl(t, "wait", "--for=condition=Ready", "pod/nginx", "--timeout=300s")
	w.nginx = w.pod(t, "nginx")
	other := slices.DeleteFunc(w.readyNodes(t), func(n string) bool { return n == w.nginx.node || n == master })[0]
	w.runBusybox(t, "test-a", fmt.Sprintf(`{"spec": {"nodeName": %q}}`, other))
	a := w.pod(t, "test-a")
	t.Logf("nginx is %+v, test-a is %+v", w.nginx, a)
	if a.node == w.nginx.node {
		t.Fatal("both pods are on one node")
	}
	w.served(t)
	becomes(t, "the pod's own address serves", func(d *differing) {
		page, err := w.tryKubectl(t, "exec", "test-a", "--", "timeout", "20", "wget", "-q", "-O-", "http://"+w.nginx.ip)
		if err != nil || !strings.Contains(page, "Welcome to nginx") {
			d.add("it serves %q, %v", page, err)
		}
	})
	becomes(t, "nginx' log names the pod that asked", func(d *differing) {
		if log := w.kubectl(t, "logs", "nginx"); !strings.Contains(log, a.ip) {
			d.add("it does not name %s:\n%s", a.ip, log)
		}
	})
}

// runBusybox runs a pod that lives until it is asked to end.
func (w *walk) runBusybox(t *testing.T, name, overrides string) {
	t.Helper()
	w.kubectl(t, "run", name, "--image=busybox", "--image-pull-policy=IfNotPresent", "--overrides="+overrides,
		"--command", "--", "/bin/sh", "-c", "trap exit TERM; while :; do sleep 1; done")
	w.kubectl(t, "wait", "--for=condition=Ready", "pod/"+name, "--timeout=300s")
	w.entered(t, name)
}

// served: the page comes, through DNS and Service, and nginx is still the same.
func (w *walk) served(t *testing.T) {
	t.Helper()
	eventually(t, settled, "the page is served", func() error {
		page, err := w.tryKubectl(t, "exec", "test-a", "--", "timeout", "5", "wget", "-q", "-O-", "http://nginx.default.svc.cluster.local")
		if err == nil && !strings.Contains(page, "Welcome to nginx") {
			err = fmt.Errorf("the Service serves %q", page)
		}
		return err
	})
	if p := w.pod(t, "nginx"); p != w.nginx {
		t.Errorf("nginx is %+v, was %+v", p, w.nginx)
	}
}

// metadataIsClosed: machines reach the metadata server, pods do not.
func (w *walk) metadataIsClosed(t *testing.T) {
	const url = "http://169.254.169.254/computeMetadata/v1/instance/name"
	node := w.pod(t, "test-a").node
	if name := w.on(t, node, "curl", "-sS", "-m", "60", "-H", "Metadata-Flavor: Google", url); name != node {
		t.Errorf("the metadata server says the name of %s is %q", node, name)
	}
	out, err := w.answered(t, "exec", "test-a", "--", "timeout", "4", "wget", "-q", "-O-", "--header=Metadata-Flavor: Google", url)
	if err == nil {
		t.Fatalf("a pod reaches the metadata server, which says %q", out)
	}
	if strings.Contains(err.Error(), "server returned") {
		t.Errorf("a pod reaches the metadata server: %v", err)
	}
	t.Logf("a pod that asks the metadata server: %v", err)
	// The same command in a pod on the machine's network works, so it is not the command.
	w.runBusybox(t, "on-host", fmt.Sprintf(`{"spec": {"nodeName": %q, "hostNetwork": true}}`, node))
	if name := w.kubectl(t, "exec", "on-host", "--", "timeout", "60", "wget", "-q", "-O-", "--header=Metadata-Flavor: Google", url); name != node {
		t.Errorf("a pod on the machine's network reads %q", name)
	}
	w.identityOfNodes(t, node, "test-a", "on-host")
	w.kubectl(t, "delete", "pod", "on-host", "--wait=false")
}
