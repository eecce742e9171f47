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
	w.signedKubelets(t)
	for _, what := range []string{"cpu", "memory"} {
		all := strings.Fields(w.kubectl(t, "get", "nodes", "-o", "jsonpath={range .items[*]}{.status.capacity."+what+"}/{.status.allocatable."+what+"} {end}"))
		for _, node := range all {
			if has, pods, _ := strings.Cut(node, "/"); has == pods {
				t.Errorf("pods may have all %s of %s", what, has)
			}
		}
	}
}

// signedKubelets: each kubelet shows a certificate that the cluster signed for its name
// and address. The API server takes no other (logs and exec of other steps go by it), and
// what a machine asks for beside its own address stays unsigned.
func (w *walk) signedKubelets(t *testing.T) {
	for _, line := range strings.Fields(w.kubectl(t, "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name}/{.status.addresses[?(@.type=="InternalIP")].address} {end}`)) {
		name, ip, _ := strings.Cut(line, "/")
		shown := w.on(t, master, "bash", "-c", "openssl s_client -connect "+ip+":10250 -CAfile /etc/kubernetes/pki/ca.crt -verify_return_error -verify_ip "+ip+" -verify_hostname "+name+" </dev/null 2>&1 || true")
		if !strings.Contains(shown, "Verify return code: 0 (ok)") || !strings.Contains(shown, "CN = system:node:"+name) {
			t.Errorf("the kubelet of %s at %s shows\n%s", name, ip, shown)
		}
	}
	if api := w.on(t, master, "cat", "/etc/kubernetes/manifests/kube-apiserver.yaml"); !strings.Contains(api, "--kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt") {
		t.Errorf("the API server verifies no kubelet:\n%s", api)
	}
	const ask = `set -e; cd "$(mktemp -d)"; k="kubectl --kubeconfig /etc/kubernetes/kubelet.conf"; me=$(hostname -s)
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out k.csr -subj "/O=system:nodes/CN=system:node:$me" -addext "subjectAltName=DNS:$me,IP:10.40.0.99" 2>/dev/null
printf '{"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":"greedy"},"spec":{"signerName":"kubernetes.io/kubelet-serving","usages":["digital signature","server auth"],"request":"%s"}}' "$(base64 -w0 k.csr)" | $k create -f -
for i in $(seq 30); do journalctl -u hakube-approve.service | grep "greedy is not approved: it is for" && exit; sleep 1; done; journalctl -u hakube-approve.service`
	if said := w.on(t, master, "bash", "-c", ask); !strings.Contains(said, "10.40.0.99, and the machine is DNS:") {
		t.Errorf("of another address the journal says\n%s", said)
	}
	if state := w.kubectl(t, "get", "csr", "greedy", "-o", "jsonpath={.status}"); strings.Contains(state, "Approved") {
		t.Errorf("a request for another address is %s", state)
	}
	w.kubectl(t, "delete", "csr", "greedy")
}
