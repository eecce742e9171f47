//go:build linux

package main

import (
	"strings"
	"testing"
)

// protected: what a professional looks for is so on a master that runs, not only in the
// files it was made from. A Secret is not to be read from etcd, and can be read by the
// API; who made it is in the audit log; no certificate is left that no rule can bind;
// pods cannot have all of a machine.
func (w *walk) protected(t *testing.T) {
	const canary, secret = "plaintext-canary", "canary-secret"
	w.kubectl(t, "create", "secret", "generic", secret, "--from-literal=key="+canary)
	defer w.kubectl(t, "delete", "secret", secret)
	stored := w.on(t, master, "etcdctl", "--cacert=/mnt/disks/master-pd/etcd/pki/ca.crt", "--cert=/etc/kubernetes/pki/apiserver-etcd-client.crt",
		"--key=/etc/kubernetes/pki/apiserver-etcd-client.key", "--endpoints=https://127.0.0.1:2379", "get", "/registry/secrets/default/"+secret)
	if strings.Contains(stored, canary) || !strings.Contains(stored, "k8s:enc:secretbox:") {
		t.Errorf("etcd has the Secret as %q", stored)
	}
	if got := w.kubectl(t, "get", "secret", secret, "-o", "jsonpath={.data.key}"); got != "cGxhaW50ZXh0LWNhbmFyeQ==" {
		t.Errorf("the API has the Secret as %q", got)
	}
	log := w.on(t, master, "grep", "-h", secret, "/mnt/disks/master-pd/audit/audit.log")
	if !strings.Contains(log, `"verb":"create"`) || !strings.Contains(log, `"username":"kubernetes-admin"`) || strings.Contains(log, canary) {
		t.Errorf("the audit log has\n%s", log)
	}
	if files := w.on(t, master, "ls", "/etc/kubernetes"); strings.Contains(files, "super-admin.conf") || !strings.Contains(files, "admin.conf") {
		t.Errorf("a master has %s", files)
	}
	if warn := w.command(t, w.kubectlPath, "--kubeconfig="+w.kubeconfig, "run", "too-much", "--image=nginx", "--privileged", "--dry-run=server"); !strings.Contains(warn.stderr, "would violate PodSecurity") {
		t.Errorf("of a privileged pod kubectl says %q", warn.stderr)
	}
	for _, what := range []string{"cpu", "memory"} {
		all := strings.Fields(w.kubectl(t, "get", "nodes", "-o", "jsonpath={range .items[*]}{.status.capacity."+what+"}/{.status.allocatable."+what+"} {end}"))
		for _, node := range all {
			if has, pods, _ := strings.Cut(node, "/"); has == pods {
				t.Errorf("pods may have all %s of %s", what, has)
			}
		}
	}
}
