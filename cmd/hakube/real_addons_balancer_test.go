//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// service makes a Service of type LoadBalancer of the pods of web, or of what else the
// spec selects, and returns its address.
func (w *withAddons) service(t *testing.T, name, annotations, spec string) string {
	t.Helper()
	w.apply(t, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": %q, "annotations": {%s}}, "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, %s}}`,
		name, annotations, spec))
	return w.addressOf(t, name)
}

func (w *withAddons) apply(t *testing.T, object string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "object.json")
	if err := os.WriteFile(file, []byte(object), 0o600); err != nil {
		t.Fatal(err)
	}
	w.kubectl(t, "apply", "--filename="+file)
}

// addressOf is the Service's address, once it has one.
func (w *withAddons) addressOf(t *testing.T, name string) (ip string) {
	t.Helper()
	eventually(t, settled, "Service "+name+" has an address", func() error {
		ip = w.kubectl(t, "get", "service", name, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
		if ip == "" {
			return fmt.Errorf("it has none")
		}
		return nil
	})
	return ip
}

// fetch gets nginx' page from here, over a connection of its own, and says from which address.
func fetch(at string) (from string, err error) {
	dial := func(ctx context.Context, network, to string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, to)
		if err == nil {
			from, _, _ = net.SplitHostPort(c.LocalAddr().String())
		}
		return c, err
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
	resp, err := client.Get("http://" + at)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	if err == nil && !strings.Contains(string(page), "Welcome to nginx") {
		err = fmt.Errorf("it serves %q", page)
	}
	return from, err
}

// fetches gets the page again and again, until it came ten times in a row.
func (w *withAddons) fetches(t *testing.T, what, at string) (from string) {
	t.Helper()
	eventually(t, settled, what+" serves", func() (err error) {
		for range 10 {
			if from, err = fetch(at); err != nil {
				return err
			}
		}
		return nil
	})
	return from
}

// outside: what a Service of type LoadBalancer promises, to whoever is outside.
func (w *withAddons) outside(t *testing.T) {
	w.outer = w.service(t, "web", "", `"ports": [{"port": 80}]`)
	me := w.fetches(t, "the balancer", w.outer)
	t.Run("several ports", func(t *testing.T) {
		ip := w.service(t, "ports", "", `"ports": [{"name": "a", "port": 81, "targetPort": 80}, {"name": "b", "port": 8080, "targetPort": 80}]`)
		for _, port := range []string{"81", "8080"} {
			w.fetches(t, "port "+port, net.JoinHostPort(ip, port))
		}
		w.kubectl(t, "delete", "service", "ports")
		w.gone(t, ip)
	})
	t.Run("Local keeps the client's address", func(t *testing.T) { w.localPolicy(t, me) })
	t.Run("source ranges", func(t *testing.T) {
		ip := w.service(t, "ranges", "", `"ports": [{"port": 80}], "loadBalancerSourceRanges": ["192.0.2.77/32"]`)
		w.kubectl(t, "rollout", "status", "deployment", "web", "--timeout=300s")
		if _, err := fetch(ip); err == nil {
			t.Errorf("%s is served, and 192.0.2.77 alone may be", me)
		}
		w.kubectl(t, "patch", "service", "ranges", "--patch", `{"spec": {"loadBalancerSourceRanges": ["192.0.2.77/32", "`+me+`/32"]}}`)
		w.fetches(t, "a balancer that names us", ip)
		w.kubectl(t, "patch", "service", "ranges", "--patch", `{"spec": {"loadBalancerSourceRanges": ["192.0.2.77/32"]}}`)
		eventually(t, settled, "named no more we are refused", func() error {
			if _, err := fetch(ip); err == nil {
				return fmt.Errorf("%s is served", me)
			}
			return nil
		})
		w.kubectl(t, "delete", "service", "ranges")
		w.gone(t, ip)
	})
	t.Run("UDP", w.udp)
}

// localPolicy: nginx sees who asks, and a node without a pod of it is asked nothing.
func (w *withAddons) localPolicy(t *testing.T, me string) {
	w.local = w.service(t, "local", "", `"ports": [{"port": 80}], "externalTrafficPolicy": "Local"`)
	w.fetches(t, "a Local balancer", w.local+"/?with-both")
	seen := func() (lines []string) {
		log := w.kubectl(t, "logs", "--selector=app=web", "--tail=-1", "--prefix=false")
		return slices.DeleteFunc(strings.Split(log, "\n"), func(l string) bool { return !strings.Contains(l, "with-both") })
	}
	eventually(t, settled, "nginx tells of them", func() error {
		if n := len(seen()); n < 10 {
			return fmt.Errorf("it has %d lines", n)
		}
		return nil
	})
	for _, line := range seen() {
		if !strings.HasPrefix(line, me+" ") {
			t.Errorf("nginx was asked by %s and says %s", me, line)
		}
	}
	w.well(t, "local", 2) // or all would be asked since nobody is well
	w.kubectl(t, "scale", "deployment", "web", "--replicas=1")
	w.kubectl(t, "rollout", "status", "deployment", "web", "--timeout=300s")
	w.well(t, "local", 1)
	w.fetches(t, "with a pod on one node only, the Local balancer", w.local)
	w.kubectl(t, "scale", "deployment", "web", "--replicas=2")
	w.kubectl(t, "rollout", "status", "deployment", "web", "--timeout=300s")
	w.well(t, "local", 2)
}

// well waits until so many machines of the Service's target pool answer its check.
func (w *withAddons) well(t *testing.T, service string, want int) {
	t.Helper()
	uid := w.kubectl(t, "get", "service", service, "-o", "jsonpath={.metadata.uid}")
	pool := regional + "/targetPools/" + ("a" + strings.ReplaceAll(uid, "-", ""))[:32]
	eventually(t, settled, fmt.Sprintf("%d machines of Service %s are well", want, service), func() error {
		n := 0
		for _, node := range w.nodes {
			states, _ := w.send(t, http.MethodPost, pool+"/getHealth", `{"instance": "`+zonal+`/instances/`+node+`"}`)["healthStatus"].([]any)
			for _, s := range states {
				if s.(map[string]any)["healthState"] == "HEALTHY" {
					n++
				}
			}
		}
		if n != want {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
}

// udp: the cluster's DNS, asked from outside.
func (w *withAddons) udp(t *testing.T) {
	w.apply(t, `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dns", "namespace": "kube-system"},
		"spec": {"type": "LoadBalancer", "selector": {"k8s-app": "kube-dns"}, "ports": [{"port": 53, "protocol": "UDP"}]}}`)
	var ip string
	eventually(t, settled, "the DNS has an address", func() error {
		if ip = w.kubectl(t, "get", "service", "dns", "--namespace=kube-system", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"); ip == "" {
			return fmt.Errorf("it has none")
		}
		return nil
	})
	want := w.kubectl(t, "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp4", net.JoinHostPort(ip, "53"))
	}}
	eventually(t, settled, "the DNS answers by UDP", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		got, err := resolver.LookupHost(ctx, "web.default.svc.cluster.local.")
		if err == nil && !slices.Equal(got, []string{want}) {
			err = fmt.Errorf("web is %v, want %s", got, want)
		}
		return err
	})
	w.kubectl(t, "delete", "service", "dns", "--namespace=kube-system")
	w.gone(t, ip)
}

// gone: of the balancer with this address nothing is left when its Service is deleted,
// which the finalizer makes wait for that.
func (w *withAddons) gone(t *testing.T, ip string) {
	t.Helper()
	for _, collection := range []string{regional + "/forwardingRules", regional + "/addresses"} {
		key := map[bool]string{true: "address", false: "IPAddress"}[strings.HasSuffix(collection, "addresses")]
		items, _ := w.call(t, http.MethodGet, collection)["items"].([]any)
		for _, i := range items {
			if o := i.(map[string]any); o[key] == ip {
				t.Errorf("%s still has %v", collection, o["name"])
			}
		}
	}
}

// inside: an internal balancer, for pods and for machines of the network.
func (w *withAddons) inside(t *testing.T) {
	ip := w.service(t, "inner", `"networking.gke.io/load-balancer-type": "Internal"`, `"ports": [{"port": 80}]`)
	if !strings.HasPrefix(ip, "10.") {
		t.Errorf("its address is %s, not of the network", ip)
	}
	w.runBusybox(t, "asker", "{}")
	for who, ask := range map[string]func() (string, error){
		"a pod": func() (string, error) {
			return w.tryKubectl(t, "exec", "asker", "--", "timeout", "5", "wget", "-q", "-O-", "http://"+ip)
		},
		"a master": func() (string, error) {
			return w.on(t, master, "sh", "-c", "curl -sS -m 5 http://"+ip+" 2>&1 || true"), nil
		},
	} {
		eventually(t, settled, who+" is served by the internal balancer", func() error {
			page, err := ask()
			if err == nil && !strings.Contains(page, "Welcome to nginx") {
				err = fmt.Errorf("it serves %q", page)
			}
			return err
		})
	}
	w.kubectl(t, "delete", "service", "inner")
	w.kubectl(t, "delete", "pod", "asker", "--wait=false")
	w.gone(t, ip)
}
