package emulator

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/gce/emulator/contract"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

// A google is what a client that was written for Google finds: the hosts it knows,
// over TLS with a certificate that its environment trusts, behind a proxy that leads
// nowhere else. So clients run as they are, and nothing leaves loopback.
type google struct {
	*world
	env  []string
	dir  string
	seen *contract.Coverage // what Google's clients for Go have asked
}

// sloppy is what clients send though Google's document does not have it.
var sloppy = []string{
	"The field is for output only.", // who reads, changes and writes back: Google reads over it, as is done here
}

var googles = []string{"compute.googleapis.com", "www.googleapis.com", "oauth2.googleapis.com", "accounts.google.com"}

// google starts one over the world's server.
func (w *world) google() *google {
	w.t.Helper()
	dir := w.t.TempDir()
	certificate, authority := certified(w.t)
	seen := &contract.Coverage{}
	watch := contract.Contract{Client: "google-api-go-client", Seen: seen, Broken: func(err error) {
		if !slices.ContainsFunc(sloppy, func(s string) bool { return strings.Contains(err.Error(), s) }) {
			w.t.Error(err)
		}
	}}
	service := watch.Handler(w.s)
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			rw.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(rw, `{"access_token":"x","token_type":"Bearer","expires_in":3600}`)
			return
		}
		service.ServeHTTP(rw, r)
	}))
	front.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	front.StartTLS()
	w.t.Cleanup(front.Close)
	proxy := httptest.NewServer(tunnel(w.t, front.Listener.Addr().String()))
	w.t.Cleanup(proxy.Close)

	ca, account := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "account.json")
	for path, text := range map[string][]byte{ca: authority, account: serviceAccount(w.t)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	return &google{world: w, dir: dir, seen: seen, env: []string{
		"PATH=/usr/bin:/bin:" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "LC_ALL=C.UTF-8",
		"HTTPS_PROXY=" + proxy.URL, "https_proxy=" + proxy.URL, "SSL_CERT_FILE=" + ca, "REQUESTS_CA_BUNDLE=" + ca, "NODE_EXTRA_CA_CERTS=" + ca,
		"GOOGLE_APPLICATION_CREDENTIALS=" + account, "GOOGLE_CLOUD_PROJECT=acme-dev", "NO_GCE_CHECK=true",
	}}
}

// tunnel is a proxy that knows Google's hosts, which all are at to.
func tunnel(t *testing.T, to string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.Host)
		if r.Method != http.MethodConnect || !slices.Contains(googles, host) {
			t.Errorf("a client asked for %s %s, which is not Compute Engine's", r.Method, r.Host)
			http.Error(rw, "no such host here", http.StatusForbidden)
			return
		}
		there, err := net.Dial("tcp", to)
		if err != nil {
			t.Error(err)
			return
		}
		here, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	})
}

// certified is a certificate for Google's hosts, and the authority that says so.
func certified(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's authority"}, DNSNames: googles,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// serviceAccount is a key file as Google's clients read it. The key is nobody's.
func serviceAccount(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "acme-dev", "private_key_id": "1", "client_id": "1",
		"client_email": "tester@acme-dev.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// run runs a client, which must succeed, and returns what it printed.
func (g *google) run(name string, args ...string) string {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), name, args...)
	cmd.Env, cmd.Dir = g.env, g.dir
	var out, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &told
	if err := cmd.Run(); err != nil {
		g.t.Fatalf("%s %s: %v\n%s\n%s", name, strings.Join(args, " "), err, told.String(), out.String())
	}
	return out.String()
}

// checks runs a script of testdata/clients, which prints a line "ok …" for each thing
// that went as its client wants it, and "FAILED …" for each other.
func (g *google) checks(least int, name string, args ...string) {
	g.t.Helper()
	ok := 0
	for _, l := range strings.Split(g.run(name, args...), "\n") {
		switch {
		case strings.HasPrefix(l, "ok "):
			ok++
		case strings.HasPrefix(l, "FAILED "):
			g.t.Error(l)
		}
	}
	if ok < least {
		g.t.Errorf("only %d things went well, there are %d", ok, least)
	}
	fmt.Printf("REPORT %s: %d checks of an unmodified client\n", g.t.Name(), ok)
}

// script is a file of testdata/clients.
func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "clients", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// asGoogle is a new project as a client of Google's finds it.
func asGoogle(t *testing.T) *google {
	if testing.Short() {
		t.Skip("other people's clients take seconds to begin")
	}
	return newWorld(t, func(o *api.Options) { o.NoDefaultNetwork, o.Hosts = false, googles }).google()
}

// need skips where a program, or what it needs, is not there.
func need(t *testing.T, what, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Skipf("%s is not installed (make test, as root on Debian, installs it): %v: %s", what, err, strings.TrimSpace(string(out)))
	}
}

// TestLibcloud: Apache Libcloud, as Debian has it.
func TestLibcloud(t *testing.T) {
	g := asGoogle(t)
	need(t, "Apache Libcloud", "/usr/bin/python3", "-c", "import libcloud, cryptography")
	g.checks(30, "/usr/bin/python3", script(t, "libcloud_checks.py"), filepath.Join(g.dir, "account.json"))
}

// TestAnsible: the google.cloud collection, as Debian has it.
func TestAnsible(t *testing.T) {
	g := asGoogle(t)
	need(t, "Ansible", "ansible-playbook", "--version")
	need(t, "google-auth", "/usr/bin/python3", "-c", "import google.auth, requests")
	g.env = append(g.env, "ANSIBLE_HOME="+g.dir, "ANSIBLE_LOCALHOST_WARNING=False", "ANSIBLE_STDOUT_CALLBACK=json", "ANSIBLE_NOCOWS=1")
	var report struct {
		Plays []struct {
			Tasks []struct {
				Task  struct{ Name string }
				Hosts map[string]struct {
					Msg    string
					Failed bool
				}
			}
		}
	}
	text := g.run("ansible-playbook", "-i", "localhost,", "-c", "local", "-e", "ansible_python_interpreter=/usr/bin/python3",
		"-e", "key="+filepath.Join(g.dir, "account.json"), script(t, "ansible.yaml"))
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	ok := 0
	for _, task := range report.Plays[0].Tasks {
		for _, host := range task.Hosts {
			if host.Failed {
				t.Errorf("%s: %s", task.Task.Name, host.Msg)
			} else {
				ok++
			}
		}
	}
	if ok < 19 {
		t.Errorf("only %d tasks went well", ok)
	}
	fmt.Printf("REPORT TestAnsible: %d tasks of an unmodified client\n", ok)
}

// fetched is where make test puts what has no place on the system: Debian's
// Prometheus would run at once, and npm's packages are nobody's.
func fetched(t *testing.T, path ...string) string {
	t.Helper()
	at, err := filepath.Abs(filepath.Join(append([]string{"..", "..", "bin", "clients"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(at); err != nil {
		t.Skipf("%v (make test fetches it, as root on Debian)", err)
	}
	return at
}

// TestPrometheus: the discovery of Prometheus, as Debian has it, finds the machines
// with their addresses, labels, tags and metadata.
func TestPrometheus(t *testing.T) {
	g := asGoogle(t)
	promtool := fetched(t, "prometheus", "usr", "bin", "promtool")
	for i := range 3 {
		g.made("POST", "projects/acme-dev/zones/europe-west1-b/instances", instance(fmt.Sprintf("web-%d", i), doc.Obj{
			"labels": doc.Obj{"team": "x"}, "networkInterfaces": []any{doc.Obj{"accessConfigs": []any{doc.Obj{}}}}}))
	}
	config := filepath.Join(g.dir, "prometheus.yml")
	err := os.WriteFile(config, []byte(`scrape_configs:
- job_name: web
  gce_sd_configs: [{project: acme-dev, zone: europe-west1-b, port: 9100, filter: 'name eq web-[12]'}]
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	var found []struct {
		DiscoveredLabels map[string]string `json:"discoveredLabels"`
	}
	out := g.run(promtool, "check", "service-discovery", "--timeout=20s", config, "web")
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(found) != 2 {
		t.Errorf("%d machines: %s", len(found), out)
	}
	for i, f := range found {
		l, machine := f.DiscoveredLabels, g.get(fmt.Sprintf("projects/acme-dev/zones/europe-west1-b/instances/web-%d", i+1))
		nic := doc.Objects(machine, "networkInterfaces")[0]
		for label, want := range map[string]string{
			"__address__": doc.Str(nic, "networkIP") + ":9100", "__meta_gce_label_team": "x", "__meta_gce_instance_name": doc.Str(machine, "name"),
			"__meta_gce_instance_id": doc.Str(machine, "id"), "__meta_gce_public_ip": doc.Str(doc.Objects(nic, "accessConfigs")[0], "natIP"),
			"__meta_gce_instance_status": "RUNNING", "__meta_gce_subnetwork": doc.Str(nic, "subnetwork"), "__meta_gce_zone": doc.Str(machine, "zone"),
		} {
			if l[label] != want {
				t.Errorf("%s of machine %d is %q, want %q", label, i+1, l[label], want)
			}
		}
	}
}

// TestNode: Google's client for Node, as npm has it.
func TestNode(t *testing.T) {
	g := asGoogle(t)
	at := fetched(t, "node", "node_modules", "@google-cloud", "compute")
	need(t, "Node", "node", "--version")
	g.env = append(g.env, "NODE_PATH="+filepath.Dir(filepath.Dir(at)))
	g.checks(30, "node", script(t, "node_checks.js"), g.web.URL)
}
