package scripts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A request is one for a kubelet's serving certificate, and who makes it.
type request struct {
	signer, user, groups, decided string
	cn, org                       string
	dns, ips                      []string
	text                          string // instead of what openssl can read
}

func (r request) line(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := x509.CertificateRequest{Subject: pkix.Name{CommonName: r.cn, Organization: []string{r.org}}, DNSNames: r.dns}
	for _, ip := range r.ips {
		c.IPAddresses = append(c.IPAddresses, net.ParseIP(ip))
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &c, key)
	if err != nil {
		t.Fatal(err)
	}
	if r.text == "" {
		r.text = base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	}
	return strings.Join([]string{r.signer, r.user, r.groups, r.decided, r.text}, "|")
}

// goodRequest is what the kubelet of n1 asks for.
var goodRequest = request{"kubernetes.io/kubelet-serving", "system:node:n1", `["system:nodes","system:authenticated"]`, "", "system:node:n1", "system:nodes", []string{"n1"}, []string{"10.40.0.3"}, ""}

// approver is the path of what masters run, with this guest's directory in the place of /run/hakube.
func (g *guest) approver(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl")
	}
	g.want("daemon-reload\nrestart --no-block hakube-approve.service\n", `systemctl() { echo "$@"; }; SIGN_KUBELETS=true PROJECT=example.com:web
put() { local to=$TEST_DIR/files$1; mkdir -p "${to%/*}"; cat >"$to"; }
approve_kubelets`)
	g.want("", "systemctl() { echo $@; }; SIGN_KUBELETS=false; approve_kubelets")
	text, err := os.ReadFile(filepath.Join(g.dir, "files/usr/local/sbin/hakube-approve"))
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.NewReplacer("/run/hakube/", g.dir+"/files/"+g.dir+"/run/").Replace(string(text)))
	approver := filepath.Join(g.dir, "approver")
	if err := os.WriteFile(approver, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return approver
}

// TestApprove: a kubelet's request is approved when name and address are those Compute
// Engine has of the machine that asks, and for no other reason.
func TestApprove(t *testing.T) {
	g := newGuest(t)
	approver := g.approver(t)
	good := goodRequest
	for name, x := range map[string]struct {
		change   func(*request)
		provider string // instead of the machine's
		global   bool   // only a name without zone is known
		approved bool
	}{
		"its own":              {approved: true},
		"global names":         {global: true, approved: true},
		"another address":      {change: func(r *request) { r.ips = []string{"10.40.0.2"} }},
		"one address more":     {change: func(r *request) { r.ips = append(r.ips, "10.40.0.2") }},
		"no address":           {change: func(r *request) { r.ips = nil }},
		"another name":         {change: func(r *request) { r.dns = []string{"kubernetes.default"} }},
		"one name more":        {change: func(r *request) { r.dns = append(r.dns, "kubernetes.default") }},
		"another's subject":    {change: func(r *request) { r.cn = "system:node:n2" }},
		"another group":        {change: func(r *request) { r.org = "system:masters" }},
		"no node":              {change: func(r *request) { r.user = "system:serviceaccount:default:n1" }},
		"not of the nodes":     {change: func(r *request) { r.groups = `["system:authenticated"]` }},
		"another signer":       {change: func(r *request) { r.signer = "kubernetes.io/kube-apiserver-client-kubelet" }},
		"decided":              {change: func(r *request) { r.decided = "Denied" }},
		"nonsense":             {change: func(r *request) { r.text = "AAAA" }},
		"another project's":    {provider: "gce://other/b/n1"},
		"in no zone":           {provider: "gce://example.com:web/c/n1"},
		"another machine's":    {provider: "gce://example.com:web/b/n2"},
		"without a providerID": {provider: " "},
	} {
		r := good
		if x.change != nil {
			x.change(&r)
		}
		provider, known := "gce://example.com:web/b/n1", "n1.b.c.web.example.com.internal."
		if x.provider != "" {
			provider = strings.TrimSpace(x.provider)
		}
		if x.global {
			known = "n1.c.web.example.com.internal."
		}
		t.Run(name, func(t *testing.T) {
			stdout, stderr, err := g.run(`export SAID='` + r.line(t) + `' PROVIDER='` + provider + `' KNOWN='` + known + `'
cat >"$TEST_DIR/kubectl" <<'END'
#!/usr/bin/env bash
case "$*" in
*--watch*) echo csr-1 ;;
*"get csr csr-1"*) printf '%s' "$SAID" ;;
*"get node n1"*) printf '%s' "$PROVIDER" ;;
*"certificate approve csr-1"*) echo APPROVED ;;
*) echo "unexpected: $*" ;;
esac
END
cat >"$TEST_DIR/getent" <<'END'
#!/usr/bin/env bash
[[ $2 == "$KNOWN" ]] && echo "10.40.0.3 STREAM $2"
END
chmod +x "$TEST_DIR/kubectl" "$TEST_DIR/getent"
PATH=$TEST_DIR:$PATH bash "` + approver + `"`)
			if err != nil || strings.Contains(stdout, "unexpected") || strings.Contains(stdout, "APPROVED") != x.approved || stderr != "" {
				t.Errorf("said %q, %v: %s", stdout, err, stderr)
			}
			if !x.approved && name != "decided" && !strings.Contains(stdout, "csr-1 is not approved: ") {
				t.Errorf("why it is not approved is not said: %q", stdout)
			}
		})
	}
}

// TestApproveLater: a request that could not be judged, since its machine is not in
// DNS yet, is judged again by the same process: its watch goes on, and is not begun
// anew for each pause.
func TestApproveLater(t *testing.T) {
	g := newGuest(t)
	stdout, stderr, err := g.run(`export SAID='` + goodRequest.line(t) + `'
cat >"$TEST_DIR/kubectl" <<'END'
#!/usr/bin/env bash
case "$*" in
*--watch*)
	echo watched
	for ((i = 0; i < 600; i++)); do [[ ! -e $TEST_DIR/approved ]] || exit 0; sleep 0.1; done ;;
*"get csr watched"*) printf '%s' "$SAID" ;;
*"get node n1"*) printf 'gce://example.com:web/b/n1' ;;
*"certificate approve watched"*) echo "APPROVED after $(wc -l <"$TEST_DIR/asked")"; touch "$TEST_DIR/approved" ;;
esac
END
cat >"$TEST_DIR/getent" <<'END'
#!/usr/bin/env bash
echo "$2" >>"$TEST_DIR/asked"
(($(wc -l <"$TEST_DIR/asked") < 5)) || echo "10.40.0.3 STREAM $2"
END
chmod +x "$TEST_DIR/kubectl" "$TEST_DIR/getent"
TEST_DIR=$TEST_DIR PATH=$TEST_DIR:$PATH bash "` + g.approver(t) + `"`)
	if err != nil || stderr != "" || !strings.Contains(stdout, "APPROVED after 5\n") {
		t.Errorf("said %q, %v: %s", stdout, err, stderr)
	}
}

// TestSignKubelets: kubelets ask the cluster, and the API server believes nothing else,
// where the setting says so; both or none.
func TestSignKubelets(t *testing.T) {
	for set, want := range map[string]string{"true": "/etc/kubernetes/pki/ca.crt", "false": ""} {
		all := newGuest(t).kubeadmConfig("AUDIT=false SIGN_KUBELETS=" + set)
		if got := options(all["ClusterConfiguration"], "apiServer")["kubelet-certificate-authority"]; got != want {
			t.Errorf("%s: the API server has %q", set, got)
		}
		if got := all["KubeletConfiguration"]["serverTLSBootstrap"]; got != (set == "true") {
			t.Errorf("%s: kubelets have %v", set, got)
		}
	}
}
