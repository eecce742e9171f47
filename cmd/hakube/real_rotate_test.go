//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/cluster"
)

// rotateKey: Secrets are by another key in the etcd of a real master, each of them, what was
// written before is read after, and nobody sees it.
func (g *grown) rotateKey(t *testing.T, r *register, masters []string) {
	t.Helper()
	const file = "/etc/kubernetes/pki/encryption.yaml"
	g.kubectl(t, "create", "secret", "generic", "kept", "--from-literal=is=before")
	on := func(i int, command string) string {
		name := "kubernetes-master"
		if i > 0 {
			name = g.masters[masters[i]]
		}
		return g.onIn(t, masters[i], name, "bash", "-c", command)
	}
	raw := func() map[string]int { // how often values begin how
		by := map[string]int{}
		all := on(0, "cd /mnt/disks/master-pd/etcd/pki && /usr/local/bin/etcdctl --endpoints=https://127.0.0.1:2379 --cacert=ca.crt --cert=client.crt --key=client.key get /registry/secrets/ --prefix -w fields")
		for _, m := range regexp.MustCompile(`(?m)^"Value" : "(k8s:enc:secretbox:v1:[^:]*:|.)`).FindAllStringSubmatch(all, -1) {
			by[m[1]]++
		}
		return by
	}
	const old = "k8s:enc:secretbox:v1:key1:"
	before := raw()
	if len(before) != 1 || before[old] == 0 {
		t.Fatalf("before it etcd has Secrets by %v", before)
	}
	var servers []string
	for i := range masters {
		servers = append(servers, on(i, "pgrep -x kube-apiserver"))
	}
	g.unseen(t, r, "an exchange of the encryption key", manyFailed, func() {
		begin := time.Now()
		var s cluster.Summary
		decode(t, g.ok(t, "rotate", "--json", "encryption-key").stdout, &s)
		failed, answered := r.Failed(begin)
		report(t, "the encryption key of %d masters and %d Secrets exchanged in %.0f s; %d of %d requests failed, longest stall %.1f s; the API was dark in %d of %d looks",
			len(s.Rotated), before[old], time.Since(begin).Seconds(), failed, failed+answered, r.Stall(begin).Seconds(), s.Dark.Failed, s.Dark.Probes)
		if len(s.Rotated) != len(masters) {
			t.Errorf("rotated are %v", s.Rotated)
		}
	})
	for i, was := range servers {
		if is := on(i, "pgrep -x kube-apiserver"); is != was {
			t.Errorf("the API server of master %d was started anew: it was process %s and is %s", i, was, is)
		}
	}
	name := regexp.MustCompile(`(?m)^ *- name: (\S+)$`).FindAllStringSubmatch(on(0, "cat "+file), -1)
	if len(name) != 1 || name[0][1] == "key1" {
		t.Fatalf("the keys of the first master are %v", name)
	}
	after := raw()
	if len(after) != 1 || after["k8s:enc:secretbox:v1:"+name[0][1]+":"] < before[old] {
		t.Errorf("etcd has Secrets by %v, before it by %v", after, before)
	}
	var sums []string
	for i := range masters {
		sums = append(sums, on(i, "sha256sum "+file))
	}
	if slices.Sort(sums); sums[0] != sums[len(sums)-1] {
		t.Errorf("masters have other keys: %q", sums)
	}
	if got := strings.TrimSpace(g.kubectl(t, "get", "secret", "kept", "-o", "jsonpath={.data.is}")); got != "YmVmb3Jl" {
		t.Errorf("what was written before reads %q", got)
	}
	g.kubectl(t, "delete", "secret", "kept")
	g.valid(t)
}

// rotateTokens: tokens by the old key are taken until that is distrusted, those in Secrets are
// made anew then, and those by the new key are taken by every master.
func (g *grown) rotateTokens(t *testing.T, r *register, masters []string) {
	t.Helper()
	g.object(t, `{"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token", "metadata": {"name": "copied", "annotations": {"kubernetes.io/service-account.name": "default"}}}`)
	made := func() string { return g.kubectl(t, "create", "token", "default", "--duration=1h") }
	copied := func() (token string) {
		t.Helper()
		for begin := time.Now(); token == "" && time.Since(begin) < settled; time.Sleep(time.Second) {
			token = g.kubectl(t, "get", "secret", "copied", "-o", "go-template={{if .data.token}}{{.data.token | base64decode}}{{end}}")
		}
		return token
	}
	taken := func(what, token, want string) { // by each master
		t.Helper()
		for i, zone := range masters {
			name := "kubernetes-master"
			if i > 0 {
				name = g.masters[zone]
			}
			becomes(t, fmt.Sprintf("%s: %s answers %s", what, name, want), func(d *differing) {
				if got := g.onIn(t, zone, name, "sh", "-c", "curl -sk -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer "+strings.TrimSpace(token)+"' https://127.0.0.1:443/api || true"); got != want {
					d.add("it answers %s", got)
				}
			})
		}
	}
	rotate := func(args ...string) {
		t.Helper()
		begin := time.Now()
		var s cluster.Summary
		decode(t, g.ok(t, append([]string{"rotate", "--json", "--yes"}, args...)...).stdout, &s)
		failed, answered := r.Failed(begin)
		asked := "" // the register's client is of before: it ends before that is distrusted
		if answered > 0 {
			asked = fmt.Sprintf("; %d of %d requests failed, longest stall %.1f s", failed, failed+answered, r.Stall(begin).Seconds())
		}
		report(t, "rotate %s: %d masters in %.0f s%s; the API's /readyz failed for %.1f s at most",
			strings.Join(args, " "), len(s.Rotated), time.Since(begin).Seconds(), asked, s.Dark.Longest)
		if len(s.Rotated) != len(masters) {
			t.Errorf("rotated are %v", s.Rotated)
		}
	}
	old, inSecret := made(), copied()
	taken("before", old, "200")
	taken("before, in a Secret", inSecret, "200")
	rotate("service-account-key")
	now := made()
	if head := func(token string) string { h, _, _ := strings.Cut(token, "."); return h }; head(now) == head(old) || copied() != inSecret {
		t.Errorf("a new token begins %s, an old one %s; that in a Secret is the same: %t", head(now), head(old), copied() == inSecret)
	}
	taken("an old one", old, "200")
	taken("an old one in a Secret", inSecret, "200")
	taken("a new one", now, "200")
	rotate("--distrust", "service-account-key")
	taken("an old one that is distrusted", old, "401")
	taken("an old one that was in a Secret", inSecret, "401")
	taken("a new one after that", now, "200")
	taken("a new one in a Secret", copied(), "200")
	g.kubectl(t, "delete", "secret", "copied")
	g.valid(t)
}

// rotateCA: masters and their kubelets are by another authority, and nodes, pods and a kubeconfig
// of before go on. What it returns ends that, once nodes are made again.
func (g *grown) rotateCA(t *testing.T, r *register, masters []string) (distrust func()) {
	t.Helper()
	text, err := os.ReadFile(g.kubeconfig)
	must(t, err)
	old := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, os.WriteFile(old, text, 0o600))
	ofBefore := func() result { return g.command(t, g.kubectlPath, "--kubeconfig="+old, "get", "nodes") }
	on := func(i int, command string) string {
		name := "kubernetes-master"
		if i > 0 {
			name = g.masters[masters[i]]
		}
		return strings.TrimSpace(g.onIn(t, masters[i], name, "bash", "-c", command))
	}
	const subject = "openssl x509 -noout -subject -nameopt RFC2253 -in /etc/kubernetes/pki/ca.crt"
	rotate := func(args ...string) {
		t.Helper()
		begin := time.Now()
		var s cluster.Summary
		decode(t, g.ok(t, append([]string{"rotate", "--json", "--yes"}, args...)...).stdout, &s)
		failed, answered := r.Failed(begin)
		report(t, "rotate %s: %d masters in %.0f s; %d of %d requests failed, longest stall %.1f s; the API's /readyz failed for %.1f s at most",
			strings.Join(args, " "), len(s.Rotated), time.Since(begin).Seconds(), failed, failed+answered, r.Stall(begin).Seconds(), s.Dark.Longest)
		if len(s.Rotated) != len(masters) {
			t.Errorf("rotated are %v", s.Rotated)
		}
	}
	was, nodes := on(0, subject), g.readyNodes(t)
	rotate("ca")
	for i := range masters {
		if now := on(i, subject); now == was || now != on(0, subject) {
			t.Errorf("the authority of master %d is %s, and was %s", i, now, was)
		}
		for _, what := range []string{"server", "client"} { // the kubelet's own
			file := "/var/lib/kubelet/pki/kubelet-" + what + "-current.pem" // that of a server is the kubelet's own by default
			on(i, "test "+what+" = server -a ! -e "+file+" || openssl verify -CAfile /etc/kubernetes/pki/ca-signing.crt "+file)
		}
	}
	if x := ofBefore(); x.code != 0 {
		t.Errorf("a kubeconfig of before: %s", x.stderr)
	}
	eventually(t, time.Minute, "all nodes are Ready", func() error {
		if now := g.readyNodes(t); len(now) != len(nodes) {
			return fmt.Errorf("Ready are %v, were %v", now, nodes)
		}
		return nil
	})
	g.logs(t)
	if x := g.run(t, "rotate", "--distrust", "--yes", "ca"); x.code != 1 || !strings.Contains(x.stderr, "know the certificate authority of before alone") {
		t.Errorf("distrusted while nodes are of before: %d %s", x.code, x.stderr)
	}
	g.ok(t, "validate", "--wait=2m")
	return func() {
		t.Helper()
		if x := ofBefore(); x.code != 0 {
			t.Errorf("a kubeconfig of before, when nodes are new: %s", x.stderr)
		}
		rotate("--distrust", "ca")
		if x := ofBefore(); x.code == 0 {
			t.Error("a kubeconfig of before is let in, and takes who shows a certificate by another authority")
		}
		g.logs(t)
		g.ok(t, "validate", "--wait=2m")
	}
}

// logs: an API server and a node's kubelet take each other.
func (g *grown) logs(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, "a node's kubelet tells a pod's log", func() error {
		_, err := g.tryKubectl(t, "logs", "deployment/budgeted", "--tail=1")
		return err
	})
}

// rotateAccess: nobody joins with the token of before nor logs in with the ssh key of before, and no
// machine is made again for that. Nodes that are made later join, and hakube logs in.
func (g *grown) rotateAccess(t *testing.T) {
	t.Helper()
	token := func() string {
		t.Helper()
		text, err := json.Marshal(g.call(t, http.MethodGet, "global/instanceTemplates"))
		must(t, err)
		found := regexp.MustCompile(`"hakube-join-token","value":"([a-z0-9.]+)"`).FindAllStringSubmatch(string(text), -1)
		if len(found) != 1 {
			t.Fatalf("%d templates have a token", len(found))
		}
		return found[0][1]
	}
	joins := func(token, want string) { // to ask for a Node that is not there is granted to those who may join
		t.Helper()
		becomes(t, "a join token answers "+want, func(d *differing) {
			if got := g.on(t, "kubernetes-master", "sh", "-c", "curl -sk -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer "+token+"' https://127.0.0.1:443/api/v1/nodes/none || true"); got != want {
				d.add("it answers %s", got)
			}
		})
	}
	was, old := g.machines(t), token()
	joins(old, "404")
	for _, what := range []string{"join-token", "ssh"} {
		begin := time.Now()
		var s cluster.Summary
		decode(t, g.ok(t, "rotate", "--json", what).stdout, &s)
		report(t, "rotate %s: %v in %.0f s", what, s.Rotated, time.Since(begin).Seconds())
		if len(s.Warnings) > 0 {
			t.Errorf("rotate %s warns: %q", what, s.Warnings)
		}
	}
	joins(old, "401")
	joins(token(), "404")
	if now := g.machines(t); !maps.Equal(now, was) {
		t.Errorf("machines are %v, and were %v", now, was)
	}
	g.valid(t)
}

// rotateEtcdCA: members of both rings, and who asks them, are by another authority, which is the only one.
func (g *grown) rotateEtcdCA(t *testing.T, r *register, masters []string) {
	t.Helper()
	authority := func(i int) string {
		t.Helper()
		name := "kubernetes-master"
		if i > 0 {
			name = g.masters[masters[i]]
		}
		return g.onIn(t, masters[i], name, "bash", "-c", `set -e
			cd /mnt/disks/master-pd/etcd/pki
			test "$(grep -c BEGIN ca.crt)" = 1
			cmp ca.crt /etc/kubernetes/pki/etcd/ca.crt
			for port in 2379 4002; do # as whoever trusts this one alone
				openssl s_client -connect 127.0.0.1:$port -CAfile ca.crt -cert client.crt -key client.key -verify_return_error </dev/null >/dev/null 2>&1
			done
			openssl x509 -noout -subject -serial -in ca.crt`)
	}
	was, begin := authority(0), time.Now()
	var s cluster.Summary
	decode(t, g.ok(t, "rotate", "--json", "etcd-ca").stdout, &s)
	failed, answered := r.Failed(begin)
	report(t, "rotate etcd-ca: %d masters in %.0f s; %d of %d requests failed, longest stall %.1f s; the API's /readyz failed for %.1f s at most",
		len(s.Rotated), time.Since(begin).Seconds(), failed, failed+answered, r.Stall(begin).Seconds(), s.Dark.Longest)
	if len(s.Rotated) != len(masters) {
		t.Errorf("rotated are %v", s.Rotated)
	}
	for i := range masters {
		if now := authority(i); now == was || now != authority(0) {
			t.Errorf("the authority of etcd on master %d is %s, and was %s", i, now, was)
		}
	}
	g.valid(t)
}
