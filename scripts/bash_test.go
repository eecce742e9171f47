package scripts

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A guest runs pieces of the startup-script under real bash, in a directory of
// its own, against a metadata server and mirror of its own.
type guest struct {
	t      *testing.T
	dir    string
	server *httptest.Server
	mu     sync.Mutex
	files  map[string]string // path → answer of GET
	phases []string          // what was put into hakube/phase
	told   map[string]string // guest attributes by NAMESPACE/KEY
	deaf   []int             // how the next writes of one are not answered: a status, 0 the connection ends
}

func newGuest(t *testing.T) *guest {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("bash is not installed")
	}
	g := &guest{t: t, dir: t.TempDir(), files: map[string]string{}, told: map[string]string{}}
	g.server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(g.server.Close)
	return g
}

func (g *guest) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	path, metadata := strings.CutPrefix(r.URL.Path, "/computeMetadata/v1/")
	if metadata && r.Header.Get("Metadata-Flavor") != "Google" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if r.Method == http.MethodPut {
		if len(g.deaf) > 0 {
			code := g.deaf[0]
			if g.deaf = g.deaf[1:]; code == 0 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(code)
			return
		}
		body, _ := io.ReadAll(r.Body)
		name := strings.TrimPrefix(path, "instance/guest-attributes/")
		g.told[name] = string(body)
		if name == GuestNamespace+"/"+GuestPhase {
			if n := len(g.phases); n == 0 || g.phases[n-1] != string(body) { // the same again where the answer came late
				g.phases = append(g.phases, string(body))
			}
		}
		return
	}
	answer, ok := g.files[path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = io.WriteString(w, answer)
}

// run is the functions of the startup-script, its directories moved below
// g.dir, and then commands.
func (g *guest) run(commands string) (stdout, stderr string, err error) {
	g.t.Helper()
	text := concat(func(name string) bool { return name != "99-run.sh" }) + `
RUN=$TEST_DIR/run CONSOLE=$TEST_DIR/console LOG=$TEST_DIR/run/startup.log STORE=$TEST_DIR/store DISK=$TEST_DIR/disk STATE=$TEST_DIR/disk/hakube ETCD_PKI=$TEST_DIR/disk/etcd/pki CROSS=$TEST_DIR/disk/kubernetes/pki/ca-cross.crt NEW_CERTIFICATES=$TEST_DIR/disk/hakube/certificates-new
mkdir -p "$RUN" "$STORE" "$DISK"
` + commands
	file := filepath.Join(g.dir, "script")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	cmd := exec.Command("bash", file)
	cmd.Env = append(os.Environ(), "TEST_DIR="+g.dir, "GCE_METADATA_HOST="+strings.TrimPrefix(g.server.URL, "http://"), "TEST_URL="+g.server.URL)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// want runs commands that must succeed and print want.
func (g *guest) want(want, commands string) {
	g.t.Helper()
	stdout, stderr, err := g.run(commands)
	if err != nil || stdout != want {
		g.t.Errorf("%s\nprinted %q, %v, want %q; stderr:\n%s", commands, stdout, err, want, stderr)
	}
}

var nodeMetadata = map[string]string{
	"instance/name":                               "kubernetes-minion-group-x1y2",
	"instance/zone":                               "projects/42/zones/europe-west1-b",
	"instance/machine-type":                       "projects/42/machineTypes/n1-standard-2",
	"instance/network-interfaces/0/ip":            "10.40.0.3",
	"instance/network-interfaces/0/mtu":           "1460",
	"instance/network-interfaces/0/ip-aliases/0":  "10.64.1.0/24",
	"project/project-id":                          "example.com:web",
	"instance/attributes/hakube-role":             "node",
	"instance/attributes/hakube-address":          "198.51.100.7",
	"instance/attributes/hakube-cluster":          "example.com:web/kubernetes",
	"instance/attributes/cluster-name":            "kubernetes",
	"instance/attributes/hakube-mirror":           "http://mirror.example/k8s/",
	"instance/attributes/hakube-pod-range":        "10.64.0.0/14",
	"instance/attributes/hakube-dns-ip":           "10.0.0.10",
	"instance/attributes/hakube-join-token":       "abcdef.0123456789abcdef",
	"instance/attributes/hakube-ca-hash":          "sha256:00",
	"instance/attributes/hakube-kube-version":     "v1.36.9",
	"instance/attributes/hakube-dns-domain":       "cluster.example",
	"instance/attributes/enable-guest-attributes": "TRUE",
}

func TestReadMetadata(t *testing.T) {
	g := newGuest(t)
	for k, v := range nodeMetadata {
		g.files[k] = v
	}
	const read = `ip() { echo "169.254.169.254 via 10.40.0.1 dev ens4 src 10.40.0.3 uid 0"; }
read_metadata
`
	g.want("europe-west1 n1-standard-2 kubernetes-minion-group-x1y2.europe-west1-b.c.web.example.com.internal ens4 http://mirror.example/k8s v1.36.9",
		read+`printf '%s' "$REGION $MACHINE_TYPE $FQDN $NIC $MIRROR $KUBE_VERSION"`)

	delete(g.files, "instance/attributes/hakube-mirror")
	delete(g.files, "instance/attributes/hakube-kube-version")
	g.want("[] "+Versions()["kubernetes"], read+`printf '[%s] %s' "$MIRROR" "$KUBE_VERSION"`)

	delete(g.files, "instance/attributes/hakube-ca-hash")
	if _, stderr, err := g.run(read); err == nil || !strings.Contains(stderr, "no instance/attributes/hakube-ca-hash") {
		t.Errorf("without a CA hash: %v, %q", err, stderr)
	}
	g.files["instance/attributes/hakube-role"] = "king"
	if _, stderr, err := g.run(read); err == nil || !strings.Contains(stderr, "hakube-role is 'king', not master or node") {
		t.Errorf("with a strange role: %v, %q", err, stderr)
	}
}

func TestSourceURL(t *testing.T) {
	g := newGuest(t)
	const url = "https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"
	g.want(url, "MIRROR=; source_url "+url)
	g.want("http://m/k8s/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet", "MIRROR=http://m/k8s; source_url "+url)
}

func TestFetchVerifies(t *testing.T) {
	g := newGuest(t)
	const content = "#!/bin/true\n"
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
	other := fmt.Sprintf("%x", sha256.Sum256([]byte("other")))
	g.files["/h.example/tool"] = content
	const fetch = `MIRROR=$TEST_URL; store tool-1 https://h.example/tool https://h.example/sums; `

	for name, bad := range map[string]string{
		"wrong":   other,
		"absent":  other + "  another\n" + other + "  third\n",
		"nothing": "",
		"a page":  "<html>not found</html>",
	} {
		g.files["/h.example/sums"] = bad
		_, stderr, err := g.run(fetch)
		if err == nil || !strings.Contains(stderr, "h.example/") {
			t.Errorf("checksum %s: %v, %q", name, err, stderr)
		}
		if left, _ := filepath.Glob(filepath.Join(g.dir, "store", "tool-1")); len(left) > 0 {
			t.Errorf("checksum %s: %v is in the store", name, left)
		}
	}
	for name, good := range map[string]string{
		"bare":   sum,
		"list":   other + "  another\n" + sum + "  tool\n",
		"binary": sum + " *tool\n",
	} {
		g.files["/h.example/sums"] = good
		g.want("755", `rm -rf "$STORE/tool-1"; `+fetch+`printf %s "$(stat -c %a "$STORE/tool-1/tool")"`)
		if t.Failed() {
			t.Fatalf("checksum %s", name)
		}
	}
	// What is in the store is not asked for again.
	delete(g.files, "/h.example/tool")
	g.want("", fetch)
}

func TestFailureIsReported(t *testing.T) {
	g := newGuest(t)
	_, _, err := g.run(`
work() { echo some progress; echo "the reason" >&2; echo; false; echo not reached; }
attempt() { step "doing work" work; phase running; }
sleep() { :; }
main`)
	if err == nil {
		t.Error("the script succeeded")
	}
	want := []string{
		"doing work", "retrying: doing work: the reason",
		"doing work", "retrying: doing work: the reason",
		"doing work", "failed: doing work: the reason",
	}
	if !slices.Equal(g.phases, want) {
		t.Errorf("phases %q, want %q", g.phases, want)
	}
}

func TestRefusalIsFinal(t *testing.T) {
	g := newGuest(t)
	_, _, err := g.run(`attempt() { step "mounting" refuse "not ours"; }
main`)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("ended with %v, want exit status 3", err)
	}
	if want := []string{"mounting", "failed: mounting: not ours"}; !slices.Equal(g.phases, want) {
		t.Errorf("phases %q, want %q", g.phases, want)
	}
}

func TestPut(t *testing.T) {
	g := newGuest(t)
	g.want("600 two 600 two same", `
f=$TEST_DIR/a/b
put "$f" <<<one; put "$f" 0600 <<<two; printf '%s %s ' "$(stat -c %a "$f")" "$(<"$f")"
before=$(stat -c %i "$f"); put "$f" 0600 <<<two; printf '%s %s' "$(stat -c %a "$f")" "$(<"$f")"
[[ $(stat -c %i "$f") == "$before" && $(ls "$TEST_DIR/a") == b ]] && printf ' same'`)
}

func TestGuestAgentSettings(t *testing.T) {
	g := newGuest(t)
	for before, after := range map[string]string{
		"":                                    "[IpForwarding]\nip_aliases = false\n",
		"[Accounts]\nreuse_homedir = false\n": "[Accounts]\nreuse_homedir = false\n[IpForwarding]\nip_aliases = false\n",
		"[IpForwarding]\nip_aliases = true\nethernet_proto_id = 66\n[Z]\na=1\n": "[IpForwarding]\nip_aliases = false\nethernet_proto_id = 66\n[Z]\na=1\n",
		"[IpForwarding]\nip_aliases = false\n":                                  "[IpForwarding]\nip_aliases = false\n",
	} {
		if err := os.WriteFile(filepath.Join(g.dir, "cfg"), []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		g.want(after, `without_alias_claims "$TEST_DIR/cfg"`)
	}
}

func TestEtcdCertificates(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	g := newGuest(t)
	const fqdn = "m.z-a.c.p.internal"
	pki := filepath.Join(g.dir, "disk", "etcd", "pki")
	const create = `NAME=m FQDN=m.z-a.c.p.internal; mkdir -p "$DISK/etcd"; make_etcd_pki 2>/dev/null; `
	g.want("600", create+`printf %s "$(stat -c %a "$ETCD_PKI/ca.key")"`)
	roots := x509.NewCertPool()
	ca := certificate(t, filepath.Join(pki, "ca.crt"))
	roots.AddCert(ca)
	member := certificate(t, filepath.Join(pki, "member.crt"))
	for _, name := range []string{fqdn, "m", "localhost", "127.0.0.1"} {
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			if _, err := member.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
				t.Errorf("member as %s: %v", name, err)
			}
		}
	}
	client := certificate(t, filepath.Join(pki, "client.crt"))
	if _, err := client.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	if client.IsCA || member.IsCA || !ca.IsCA {
		t.Error("the wrong certificate is a CA")
	}
	g.want("same", create+create+`cmp -s "$ETCD_PKI/ca.crt" "$DISK/kubernetes/pki/etcd/ca.crt" && printf same`)
	if again := certificate(t, filepath.Join(pki, "ca.crt")); !again.Equal(ca) {
		t.Error("a second run made another CA")
	}
}

func certificate(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
