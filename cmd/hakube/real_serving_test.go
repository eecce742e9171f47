//go:build linux

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// signedKubelets: each kubelet shows a certificate that the cluster signed for its name
// and address, and the API server, which takes no other, gets its pods' logs. What a
// machine asks for beside its own name and address stays unsigned, and is said.
func (w *walk) signedKubelets(t *testing.T) {
	for _, line := range strings.Fields(w.kubectl(t, "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name}/{.status.addresses[?(@.type=="InternalIP")].address} {end}`)) {
		name, ip, _ := strings.Cut(line, "/")
		eventually(t, 5*time.Minute, "the kubelet of "+name+" shows a certificate of the cluster", func() error {
			shown := w.on(t, master, "bash", "-c", "openssl s_client -connect "+ip+":10250 -CAfile /etc/kubernetes/pki/ca.crt -verify_return_error -verify_ip "+ip+" -verify_hostname "+name+" </dev/null 2>&1 || true")
			if !strings.Contains(shown, "Verify return code: 0 (ok)") || !strings.Contains(shown, "CN = system:node:"+name) {
				return fmt.Errorf("at %s it shows\n%s", ip, shown)
			}
			return nil
		})
		becomes(t, "the log of kube-proxy on "+name+" can be read", func(d *differing) {
			proxy := w.kubectl(t, "get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-proxy", "--field-selector=spec.nodeName="+name, "-o", "jsonpath={.items[*].metadata.name}")
			if log, err := w.tryKubectl(t, "logs", "-n", "kube-system", proxy, "--tail=3"); log == "" {
				d.add("%q says nothing: %v", proxy, err)
			}
		})
	}
	if api := w.on(t, master, "cat", "/etc/kubernetes/manifests/kube-apiserver.yaml"); !strings.Contains(api, "--kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt") {
		t.Errorf("the API server verifies no kubelet:\n%s", api)
	}
	for name, want := range map[string]string{"DNS:$me,IP:10.40.0.99": "IP Address:10.40.0.99, and the machine is DNS:", "DNS:kubernetes.default,IP:$ip": "it is for DNS:kubernetes.default, "} {
		w.greedy(t, name, want)
	}
}

// greedy has the master's kubelet ask for names that are not its own.
func (w *walk) greedy(t *testing.T, names, want string) {
	ask := `set -e; cd "$(mktemp -d)"; k="kubectl --kubeconfig /etc/kubernetes/kubelet.conf"; me=$(hostname -s); ip=$(cat /mnt/disks/master-pd/hakube/address)
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out k.csr -subj "/O=system:nodes/CN=system:node:$me" -addext "subjectAltName=` + names + `" 2>/dev/null
printf '{"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":"greedy"},"spec":{"signerName":"kubernetes.io/kubelet-serving","usages":["digital signature","server auth"],"request":"%s"}}' "$(base64 -w0 k.csr)" | $k create -f -
for i in $(seq 180); do journalctl -u hakube-approve.service | grep -F "greedy is not approved: it is for" | grep -F "` + want + `" && exit; sleep 1; done; journalctl -u hakube-approve.service`
	if said := w.on(t, master, "bash", "-c", ask); !strings.Contains(said, "greedy is not approved: ") || !strings.Contains(said, want) {
		t.Errorf("of %s the journal says\n%s", names, said)
	}
	if state := w.kubectl(t, "get", "csr", "greedy", "-o", "jsonpath={.status}"); state != "" && state != "{}" {
		t.Errorf("a request for %s is %s", names, state)
	}
	w.kubectl(t, "delete", "csr", "greedy")
}

// certificatesTold: status knows when what a master shows to others ends, file by file.
func (w *walk) certificatesTold(t *testing.T) {
	s, told := w.cluster(t), map[string]bool{}
	for _, c := range s.Certificates {
		told[c.Name] = c.Master == master && c.Ends.After(time.Now().AddDate(9, 0, 0)) && c.Ends.Before(time.Now().AddDate(11, 0, 0))
	}
	for _, name := range []string{"ca", "apiserver", "apiserver-kubelet-client", "front-proxy-ca", "front-proxy-client", "admin.conf", "controller-manager.conf", "scheduler.conf", "etcd/ca", "etcd/client"} {
		if !told[name] {
			t.Errorf("%s is not among those that end in ten years: %+v", name, s.Certificates)
		}
	}
}
