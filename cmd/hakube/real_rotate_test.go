//go:build linux

package main

import (
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
	begin := time.Now()
	var s cluster.Summary
	decode(t, g.ok(t, "rotate", "--json", "encryption-key").stdout, &s)
	failed, answered := r.Failed(begin)
	report(t, "the encryption key of %d masters and %d Secrets exchanged in %.0f s; %d of %d requests failed, longest stall %.1f s; the API was dark in %d of %d looks",
		len(s.Rotated), before[old], time.Since(begin).Seconds(), failed, failed+answered, r.Stall(begin).Seconds(), s.Dark.Failed, s.Dark.Probes)
	// No API server is started anew; a busy host may be slow, as with certificates.
	if len(s.Rotated) != len(masters) || failed*50 > answered {
		t.Errorf("rotated are %v; %d requests failed", s.Rotated, failed)
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
	g.ok(t, "validate", "--wait=1m")
}
