//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"hakube/gce/local/mirror"
)

// TestMinorsReadEachOther starts the API servers of all minors that were built here, one after
// the other on one ring of hakube's etcd and with all options that hakube gives them: each reads
// what those before it wrote, and while two run, as in an upgrade, the older one reads what the
// newer one writes. No machine is needed, nor root.
func TestMinorsReadEachOther(t *testing.T) {
	if testing.Short() {
		t.Skip("API servers of three minors take seconds each")
	}
	cache, err := mirror.CacheDir()
	must(t, err)
	programs, built := map[string]string{}, []string(nil)
	for _, version := range mirror.Versions() {
		bin, err := mirror.CachedPrograms(t.Context(), mirror.Options{Dir: cache}, version)
		must(t, err)
		if bin != "" {
			programs[version], built = bin, append(built, version)
		}
	}
	etcd, err := filepath.Glob(filepath.Join(cache, "mirror", "etcd-*", "bin", "etcd"))
	must(t, err)
	if len(built) < 2 || len(etcd) == 0 {
		t.Skipf("of etcd and Kubernetes there are %v, %v in the cache: make test-upgrade makes %v", etcd, built, mirror.Versions())
	}
	x := &minors{t: t, dir: t.TempDir(), options: map[string]string{}}
	x.ring = x.port()
	begin(t, filepath.Join(x.dir, "etcd.log"), etcd[0], "--data-dir="+filepath.Join(x.dir, "ring"), "--unsafe-no-fsync",
		"--listen-client-urls="+x.etcd(), "--advertise-client-urls="+x.etcd(), "--listen-peer-urls=http://127.0.0.1:"+x.port())
	x.render()
	var before *apiServer
	for _, version := range built {
		now := x.start(version, filepath.Join(programs[version], "kube-apiserver"))
		now.reads(x.wrote)
		x.wrote = append(x.wrote, now.writes()...)
		now.reads(x.wrote)
		if before != nil {
			before.reads(x.wrote)
			before.end()
		}
		before = now
	}
	report(t, "API servers %s read what each other wrote, %d objects", strings.Join(built, ", "), len(x.wrote))
}

// minors are API servers on a ring.
type minors struct {
	t         *testing.T
	dir, ring string
	options   map[string]string // that hakube gives an API server
	wrote     []string          // paths of objects
}

func (x *minors) etcd() string { return "http://127.0.0.1:" + x.ring }

// port is one that is free now.
func (x *minors) port() string {
	x.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(x.t, err)
	defer func() { must(x.t, l.Close()) }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(x.t, err)
	return port
}

// render has the startup script's own functions write what kubeadm gets of an API server, with
// everything that a setting switches on.
func (x *minors) render() {
	x.t.Helper()
	cmd := exec.Command("bash", "-c", `set -euo pipefail
for f in ../../scripts/startup/[0-8]*.sh; do source "$f"; done
RUN=$X/run DISK=$X/disk STATE=$X/disk/hakube KUBEADM=$X/kubeadm.yaml AUDIT_POLICY=$X/audit.yaml AUDIT_LOGS=$X ENCRYPTION=$X/encryption.yaml
NAME=m1 IP=10.0.0.1 PROJECT=p ZONE=z REGION=r MACHINE_TYPE=m ROLE=master KUBE_VERSION=v1 ADDRESS=198.51.100.1 POD_RANGE=10.64.0.0/14
SERVICE_RANGE=10.0.0.0/16 FQDN=m1.z DNS_IP=10.0.0.10 CLUSTER_NAME=c DNS_DOMAIN=d AUDIT=true ENCRYPT_SECRETS=true SIGN_KUBELETS=true
trap - EXIT
make_encryption_key
write_kubeadm
openssl req -batch -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca -keyout "$X/ca.key" -out "$X/ca.crt" 2>/dev/null
echo 't,admin,1,system:masters' >"$X/tokens"`)
	cmd.Env = append(os.Environ(), "X="+x.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		x.t.Fatalf("rendering: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(x.dir, "kubeadm.yaml"))
	must(x.t, err)
	for doc := range strings.SplitSeq(string(text), "---\n") {
		var config struct {
			APIServer struct {
				ExtraArgs []struct{ Name, Value string }
			}
		}
		must(x.t, yaml.Unmarshal([]byte(doc), &config))
		for _, a := range config.APIServer.ExtraArgs {
			x.options[a.Name] = a.Value
		}
	}
	if len(x.options) < 10 {
		x.t.Fatalf("hakube gives an API server %v", x.options)
	}
	for name, here := range map[string]string{ // what is a place of the machine
		"etcd-servers-overrides": "/events#" + x.etcd(), "kubelet-certificate-authority": x.dir + "/ca.crt", "audit-log-path": x.dir + "/audit.log",
	} {
		if x.options[name] == "" {
			x.t.Errorf("hakube does not give --%s", name)
		}
		x.options[name] = here
	}
}

// begin starts a program, which ends with the test, or before. over is closed when it has.
func begin(t *testing.T, log, program string, args ...string) (end func(), over <-chan struct{}) {
	t.Helper()
	out, err := os.Create(log)
	must(t, err)
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its log tells
		_ = out.Close()
		close(ended)
	}()
	end = func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	}
	t.Cleanup(func() {
		end()
		if text, err := os.ReadFile(log); err == nil && t.Failed() {
			t.Logf("%s ends so:\n%s", filepath.Base(program), text[max(0, len(text)-2000):])
		}
	})
	return end, ended
}

// An apiServer is one of a version.
type apiServer struct {
	t            *testing.T
	version, url string
	client       *http.Client
	end          func()
}

func (x *minors) start(version, program string) *apiServer {
	x.t.Helper()
	port, certs := x.port(), filepath.Join(x.dir, version)
	args := []string{
		"--etcd-servers=" + x.etcd(), "--bind-address=127.0.0.1", "--secure-port=" + port, "--cert-dir=" + certs, "--endpoint-reconciler-type=none",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + x.dir + "/ca.crt", "--service-account-signing-key-file=" + x.dir + "/ca.key",
		"--authorization-mode=Node,RBAC", "--token-auth-file=" + x.dir + "/tokens", "--service-cluster-ip-range=10.0.0.0/16", "--allow-privileged",
	}
	for name, value := range x.options {
		args = append(args, "--"+name+"="+value)
	}
	s := &apiServer{t: x.t, version: version, url: "https://127.0.0.1:" + port}
	var over <-chan struct{}
	s.end, over = begin(x.t, filepath.Join(x.dir, version+".log"), program, args...)
	eventually(x.t, 2*time.Minute, "the API server "+version+" is ready", func() error {
		select {
		case <-over:
			x.t.Fatalf("the API server %s has ended", version)
		default:
		}
		trusted, err := os.ReadFile(filepath.Join(certs, "apiserver.crt"))
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(trusted)
		s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
		_, err = s.ask(http.MethodGet, "/readyz", "")
		return err
	})
	text, err := s.ask(http.MethodGet, "/version", "")
	if err != nil || !strings.Contains(text, `"`+version+`"`) {
		x.t.Errorf("the API server %s says it is %s, %v", version, text, err)
	}
	return s
}

func (s *apiServer) ask(method, path, body string) (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewBufferString(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer t")
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s of %s: %s: %s", method, path, s.version, resp.Status, text)
	}
	return string(text), err
}

// writes makes an object of each of what clusters have most, and returns where they are.
func (s *apiServer) writes() (paths []string) {
	s.t.Helper()
	name := "of-" + strings.ReplaceAll(s.version, ".", "-")
	const pods = `"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}`
	for _, o := range []struct{ group, resource, body string }{
		{"/api/v1", "configmaps", `"data": {"a": "` + name + `"}`},
		{"/api/v1", "secrets", `"stringData": {"a": "` + name + `"}`},
		{"/api/v1", "services", `"spec": {"ports": [{"port": 80}]}`},
		{"/api/v1", "pods", `"spec": {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": false}`},
		{"/apis/apps/v1", "deployments", `"spec": {` + pods + `}`},
		{"/apis/apps/v1", "daemonsets", `"spec": {` + pods + `}`},
		{"/apis/policy/v1", "poddisruptionbudgets", `"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}}`},
		{"/apis/networking.k8s.io/v1", "networkpolicies", `"spec": {"podSelector": {}}`},
		{"/apis/discovery.k8s.io/v1", "endpointslices", `"addressType": "IPv4", "endpoints": []`},
		{"/apis/coordination.k8s.io/v1", "leases", `"spec": {"holderIdentity": "` + name + `"}`},
		{"/apis/rbac.authorization.k8s.io/v1", "roles", `"rules": []`},
		{"/apis/events.k8s.io/v1", "events", `"eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "x/y", "reportingInstance": "x", "action": "a", "reason": "r", "type": "Normal", "regarding": {"kind": "Pod", "namespace": "default", "name": "x"}`},
	} {
		if o.resource == "pods" {
			_, err := s.ask(http.MethodPost, "/api/v1/namespaces/default/serviceaccounts", `{"metadata": {"name": "default"}}`)
			if err != nil && !strings.Contains(err.Error(), "AlreadyExists") { // nobody else makes it here
				s.t.Fatal(err)
			}
		}
		path := o.group + "/namespaces/default/" + o.resource
		if _, err := s.ask(http.MethodPost, path, `{"metadata": {"name": "`+name+`"}, `+o.body+`}`); err != nil {
			s.t.Fatal(err)
		}
		paths = append(paths, path+"/"+name)
	}
	return paths
}

// reads holds a server to all that is there.
func (s *apiServer) reads(paths []string) {
	s.t.Helper()
	for _, path := range paths {
		text, err := s.ask(http.MethodGet, path, "")
		if name := filepath.Base(path); err != nil || !strings.Contains(text, name) {
			s.t.Errorf("%s reads %s: %v, %.200s", s.version, path, err, text)
		}
	}
}
