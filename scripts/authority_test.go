package scripts

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reissuing is a master as authority finds it. Processes have read what ca.crt was when they
// were last ended; the cluster keeps two ConfigMaps in files.
const reissuing = rotating + `
mkdir -p "$DISK/kubelet-pki" "$DISK/kubernetes/manifests" "$TEST_DIR/cm"
if [[ ! -s $DISK/kubelet-pki/kubelet-client-current.pem ]]; then
	for kind in client server; do
		made "$PKI" "kubelet-$kind" $'O = system:nodes\nCN = system:node:m' "extendedKeyUsage = ${kind}Auth" ca
		cat "$PKI/kubelet-$kind".{crt,key} >"$DISK/kubelet-pki/kubelet-$kind-1.pem"; rm "$PKI/kubelet-$kind".{crt,key}
		ln -s "kubelet-$kind-1.pem" "$DISK/kubelet-pki/kubelet-$kind-current.pem"
	done
	printf 'spec:\n  - kube-controller-manager\n    - --cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt\n    - --root-ca-file=/etc/kubernetes/pki/ca.crt\n' >"$DISK/kubernetes/manifests/kube-controller-manager.yaml"
	for name in admin controller-manager scheduler kubelet; do printf 'clusters:\n    certificate-authority-data: %s\n' "$(base64 -w 0 "$PKI/ca.crt")" >>"$DISK/kubernetes/$name.conf"; done
	printf 'data:\n  kubeconfig: |\n    certificate-authority-data: %s\n' "$(base64 -w 0 "$PKI/ca.crt")" >"$TEST_DIR/cm/cluster-info"
	for name in kube-apiserver kube-controller; do cp "$PKI/ca.crt" "$TEST_DIR/read-$name"; done
fi
export BETWEEN=0
api_is_ready() { true; }
kubelet_is_healthy() { true; }
systemctl() { echo "$*" >>"$TEST_DIR/ended"; }
pkill() { cp "$PKI/ca.crt" "$TEST_DIR/read-${*: -1}"; echo "${*: -1}" >>"$TEST_DIR/ended"; }
as_admin() {
	case "$*" in
	"get configmap cluster-info -n kube-public -o yaml") cat "$TEST_DIR/cm/cluster-info" ;;
	"replace -f -") cat >"$TEST_DIR/cm/new"; command mv "$TEST_DIR/cm/new" "$TEST_DIR/cm/cluster-info" ;;
	"get configmap kube-root-ca.crt"*) cat "$PKI/ca.crt" ;;
	"get d"*) [[ $* == *coredns* ]] || echo it ;;
	patch*) echo "$2 $*" >>"$TEST_DIR/patched" ;;
	*) return 1 ;;
	esac
}
`

// authorityOn is a run of the script, with what another master has.
func authorityOn(stage string, have, key []byte) string {
	text := Authority(have, key)
	text = text[strings.Index(text, "\nHAVE=")+1:]
	return reissuing + "set -- " + stage + " 7\n" + strings.Replace(text, "\nexchange_authority() {", `
has_read() { cmp -s "$PKI/ca.crt" "$TEST_DIR/read-$1"; }
exchange_authority() {`, 1)
}

// certificates are all of a file, in their order.
func (g *guest) certificates(name string) (list []*x509.Certificate) {
	g.t.Helper()
	for text := []byte(g.read(name)); ; {
		block, rest := pem.Decode(text)
		if block == nil {
			return list
		}
		if block.Type == "CERTIFICATE" {
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				g.t.Fatalf("%s: %v", name, err)
			}
			list = append(list, c)
		}
		text = rest
	}
}

// taken tells whether who knows an authority alone takes what is shown.
func taken(shown []*x509.Certificate, by *x509.Certificate) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(by)
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	_, err := shown[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

// conf is a part of a kubeconfig.
func (g *guest) conf(name, what string) string {
	g.t.Helper()
	m := regexp.MustCompile(what + `: (\S+)`).FindStringSubmatch(g.read(name))
	if m == nil {
		g.t.Fatalf("%s has no %s", name, what)
	}
	raw, err := base64.StdEncoding.DecodeString(m[1])
	if err != nil {
		g.t.Fatal(err)
	}
	return string(raw)
}

// TestAuthority: a master trusts the new authority, has it sign, and trusts no other, in that
// order. In between what it shows is taken by who knows either alone, and a run that was cut
// goes on with the same.
func TestAuthority(t *testing.T) {
	if testing.Short() {
		t.Skip("make test has it, a quick run has TestAuthorityOfJoined")
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	const ca, next, shown = "kubernetes/pki/ca.crt", "kubernetes/pki/ca-next.crt", "kubernetes/pki/apiserver.crt"
	said := func(stage string) string { return fmt.Sprintf("{\"authority\":\"7 %s\"}\n", stage) }
	g := newGuest(t)
	g.want("", reissuing)
	old, before := g.certificates(ca)[0], g.read(shown)
	g.want(said("trusted"), authorityOn("trusted", nil, nil))
	trusted := g.certificates(ca)
	if len(trusted) != 2 || !trusted[0].Equal(old) || g.read(shown) != before || !strings.HasPrefix(trusted[1].Subject.CommonName, "kubernetes-7") {
		t.Fatalf("trusted are %v; what is shown is the same: %t", trusted, g.read(shown) == before)
	}
	fresh := trusted[1]
	if m := g.read("kubernetes/manifests/kube-controller-manager.yaml"); !strings.Contains(m, "- --cluster-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt\n    - --root-ca-file=/etc/kubernetes/pki/ca.crt\n") {
		t.Errorf("the controller's manifest is %s", m)
	}
	ended := func() string {
		text, _ := os.ReadFile(filepath.Join(g.dir, "ended"))
		_ = os.Remove(filepath.Join(g.dir, "ended"))
		return strings.ReplaceAll(string(text), "\n", " ")
	}
	if got := ended(); got != "kube-apiserver kube-controller " {
		t.Errorf("ended are %s", got)
	}
	g.want(said("trusted"), authorityOn("trusted", nil, nil))
	if got := ended(); got != "" || len(g.certificates(ca)) != 2 {
		t.Errorf("the same once more ended %s", got)
	}
	// Another master takes the same over, also in place of one that it has made itself.
	other := newGuest(t)
	other.want("", reissuing)
	other.want(said("trusted"), authorityOn("trusted", nil, nil))
	other.want("", reissuing+`rm "$STATE/authority"`)
	other.want(said("trusted"), authorityOn("trusted", []byte(g.read(next)), []byte(g.read("kubernetes/pki/ca-next.key"))))
	if list := other.certificates(ca); len(list) != 2 || !list[1].Equal(fresh) {
		t.Errorf("another master trusts %v", list)
	}
	g.want(said("signs"), authorityOn("signs", nil, nil))
	if list := g.certificates(ca); len(list) != 2 || !list[0].Equal(fresh) || !list[1].Equal(old) {
		t.Fatalf("trusted are %v", list)
	}
	g.pair(filepath.Join(g.dir, "disk", ca), filepath.Join(g.dir, "disk/kubernetes/pki/ca.key"), fresh)
	for _, name := range []string{shown, "kubernetes/pki/apiserver-kubelet-client.crt"} {
		for who, by := range map[string]*x509.Certificate{"old": old, "new": fresh} {
			if err := taken(g.certificates(name), by); err != nil {
				t.Errorf("who knows the %s one alone does not take %s: %v", who, name, err)
			}
		}
	}
	for _, kind := range []string{"client", "server"} {
		if list := g.certificates("kubelet-pki/kubelet-" + kind + "-current.pem"); len(list) != 1 || taken(list, fresh) != nil {
			t.Errorf("the kubelet's %s certificate is %v", kind, list)
		}
	}
	g.leaves()
	for _, name := range []string{"admin", "controller-manager", "scheduler", "kubelet"} {
		if got := g.conf("kubernetes/"+name+".conf", "certificate-authority-data"); got != g.read(ca) {
			t.Errorf("%s.conf trusts %s", name, got)
		}
	}
	if info := g.read("../cm/cluster-info"); !strings.Contains(info, base64.StdEncoding.EncodeToString([]byte(g.read(ca)))) {
		t.Errorf("who joins finds %s", info)
	}
	if got := g.read("../patched"); strings.Count(got, `"hakube/authority":"7"`) != 1 || !strings.Contains(got, "daemonset/kube-proxy") {
		t.Errorf("patched were %s", got)
	}
	if got := ended(); strings.Contains(got, "apiserver") || !strings.Contains(got, "restart kubelet.service") || !strings.Contains(got, "kube-controller") {
		t.Errorf("ended are %s", got)
	}
	if torn := g.read("../torn"); torn != "" {
		t.Errorf("for a moment these had another one's key: %s", torn)
	}
	// New certificates, in between, are vouched for as well.
	g.want(`{"rotated":"9"}`+"\n", "ROTATION=9\n"+rotating+newLeaf+startsAnew+rotateCertificates)
	if err := taken(g.certificates(shown), old); err != nil {
		t.Errorf("after new certificates: %v", err)
	}
	ended()
	g.want(said("alone"), authorityOn("alone", nil, nil))
	if list := g.certificates(ca); len(list) != 1 || !list[0].Equal(fresh) || len(g.certificates(shown)) != 1 || taken(g.certificates(shown), fresh) != nil {
		t.Errorf("trusted are %v, shown %v", list, g.certificates(shown))
	}
	if got := ended(); !strings.HasPrefix(got, "restart kubelet.service kube-apiserver kube-controller ") {
		t.Errorf("ended are %s", got)
	}
	if got := g.read("hakube/authority"); got != "7 alone\n" {
		t.Errorf("it keeps %q", got)
	}
	// The only master comes to it in one stage, and cut between two files the next boot goes on.
	only := newGuest(t)
	only.want("", reissuing)
	only.want(said("signs"), authorityOn("signs", nil, nil))
	if list := only.certificates(ca); len(list) != 2 || only.read("kubernetes/pki/ca-next.key") != "" {
		t.Errorf("the only master trusts %v", list)
	}
	only.fails("usage: authority", strings.Replace(authorityOn("signs", nil, nil), "set -- signs 7", "set -- signs x", 1))
}

// TestAuthorityOfJoined: a master that joins while an authority is exchanged, and whose
// kubeadm knows the first in ca.crt alone, shows what others show; a node trusts what it was
// told to find.
func TestAuthorityOfJoined(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	g := newGuest(t)
	g.want("", reissuing)
	old := g.certificates("kubernetes/pki/ca.crt")[0]
	g.want("{\"authority\":\"7 signs\"}\n", authorityOn("signs", nil, nil))
	both := g.read("kubernetes/pki/ca.crt")
	g.want("", reissuing+`
only=$(openssl x509 -in "$PKI/apiserver.crt") && put "$PKI/apiserver.crt" <<<"$only"
openssl x509 -in "$PKI/ca.crt" >"$TEST_DIR/first" && trust_in "$DISK/kubernetes/admin.conf" "$TEST_DIR/first"
as_exchanged
as_exchanged`)
	if err := taken(g.certificates("kubernetes/pki/apiserver.crt"), old); err != nil || len(g.certificates("kubernetes/pki/apiserver.crt")) != 2 {
		t.Errorf("what it shows: %v", err)
	}
	if got := g.conf("kubernetes/admin.conf", "certificate-authority-data"); got != both {
		t.Errorf("admin.conf trusts %s", got)
	}
}
