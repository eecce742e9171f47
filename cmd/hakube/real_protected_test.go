//go:build linux

package main

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"hakube/cluster/kube"
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
	becomes(t, "the audit log has who made the Secret", func(d *differing) {
		log := w.on(t, master, "sh", "-c", "grep -h "+secret+" /mnt/disks/master-pd/audit/audit.log || true") // it is written in batches
		if strings.Contains(log, canary) {
			t.Fatalf("the audit log has\n%s", log)
		}
		if !strings.Contains(log, `"verb":"create"`) || !strings.Contains(log, `"username":"kubernetes-admin"`) {
			d.add("the audit log has\n%s", log)
		}
	})
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

// operator: the certificate that a master makes for an operator opens the API under the
// operator's own name, for days, with all the administrator's rights; and up keeps it.
func (w *walk) operator(t *testing.T) {
	t.Logf("%s", w.ok(t, "kubeconfig", "--certificate-days=2").stdout)
	if who := w.kubectl(t, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}"); !strings.HasPrefix(who, "hakube:") || !strings.Contains(who, "kubeadm:cluster-admins") {
		t.Errorf("the API takes the operator for %s", who)
	}
	if may := w.kubectl(t, "auth", "can-i", "*", "*", "--all-namespaces"); strings.TrimSpace(may) != "yes" {
		t.Errorf("may the operator do everything: %q", may)
	}
	cert, err := base64.StdEncoding.DecodeString(w.kubectl(t, "config", "view", "--raw", "--minify", "-o", "jsonpath={.users[0].user.client-certificate-data}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, until := (kube.Entry{Cert: cert}).User(); time.Until(until) > 48*time.Hour || time.Until(until) < 47*time.Hour {
		t.Errorf("the certificate lives until %s", until)
	}
	w.nothingToDo(t) // about it
}
