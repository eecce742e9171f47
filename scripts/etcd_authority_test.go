package scripts

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ofRings is a master as etcd-authority finds it. Members and API server have read what ca.crt was
// when they were last started.
const ofRings = rotating + `
if [[ ! -e $TEST_DIR/read-main ]]; then
	cp "$ETCD_PKI/ca.crt" "$PKI/etcd/ca.crt"
	for name in main events kube-apiserver; do cp "$ETCD_PKI/ca.crt" "$TEST_DIR/read-$name"; done
fi
export BETWEEN=0
api_is_ready() { true; }
members_vote() { true; }
systemctl() {
	local ring=${*: -1}
	ring=${ring#etcd@} ring=${ring%.service}
	cp "$ETCD_PKI/ca.crt" "$TEST_DIR/read-$ring"; echo "$ring" >>"$TEST_DIR/ended"
}
pgrep() { [[ -e $TEST_DIR/api ]] || echo 1 >"$TEST_DIR/api"; cat "$TEST_DIR/api"; }
kill() { cp "$API_COPY" "$TEST_DIR/read-kube-apiserver"; echo 2 >"$TEST_DIR/api"; echo kube-apiserver >>"$TEST_DIR/ended"; }
pkill() { cp "$API_COPY" "$TEST_DIR/read-${*: -1}"; echo "${*: -1}" >>"$TEST_DIR/ended"; }
`

// etcdAuthorityOn is a run of the script, with what another master has.
func etcdAuthorityOn(stage string, have, key []byte) string {
	text := EtcdAuthority(have, key)
	text = text[strings.Index(text, "\nHAVE=")+1:]
	return ofRings + "set -- " + stage + " 7\n" + strings.Replace(text, "\nexchange_etcd_authority() {", `
since() { cmp -s "$API_COPY" "$TEST_DIR/read-kube-apiserver"; }
member_has_read() { cmp -s "$PKI/ca.crt" "$TEST_DIR/read-$1"; }
api_has_read() { cmp -s "$API_COPY" "$TEST_DIR/read-kube-apiserver"; }
exchange_etcd_authority() {`, 1)
}

// ringLeaves: certificates of the rings are by an authority, have the names of before, belong to
// their keys, and the API server has the same as the client.
func (g *guest) ringLeaves(by *x509.Certificate) {
	g.t.Helper()
	for _, name := range []string{"member", "client"} {
		list := g.certificates("etcd/pki/" + name + ".crt")
		if len(list) != 1 || taken(list, by) != nil {
			g.t.Errorf("%s is %v", name, list)
		}
		g.pair(filepath.Join(g.dir, "disk/etcd/pki/"+name+".crt"), filepath.Join(g.dir, "disk/etcd/pki/"+name+".key"), list[0])
	}
	if member := g.certificates("etcd/pki/member.crt")[0]; member.VerifyHostname("m.z-a.c.p.internal") != nil || member.VerifyHostname("127.0.0.1") != nil {
		g.t.Errorf("the member is for %v %v", member.DNSNames, member.IPAddresses)
	}
	for _, end := range []string{"crt", "key"} {
		if g.read("kubernetes/pki/apiserver-etcd-client."+end) != g.read("etcd/pki/client."+end) {
			g.t.Errorf("the API server has another client.%s", end)
		}
	}
}

// TestEtcdAuthority: a master's members trust the new authority, show themselves by it, and trust no
// other, in that order, and each is started anew only where it has to read whom to trust; a run that was cut goes on with the same.
func TestEtcdAuthority(t *testing.T) {
	if testing.Short() {
		t.Skip("make test has it, a quick run has TestAuthorityOfJoined")
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	const ca, next, copied = "etcd/pki/ca.crt", "etcd/pki/ca-next.crt", "kubernetes/pki/etcd/ca.crt"
	said := func(stage string) string { return fmt.Sprintf("{\"etcdAuthority\":\"7 %s\"}\n", stage) }
	g := newGuest(t)
	g.want("", ofRings)
	old, before := g.certificates(ca)[0], g.read("etcd/pki/member.crt")
	ended := func(g *guest) string {
		text, _ := os.ReadFile(filepath.Join(g.dir, "ended"))
		_ = os.Remove(filepath.Join(g.dir, "ended"))
		return strings.ReplaceAll(string(text), "\n", " ")
	}
	g.want(said("trusted"), etcdAuthorityOn("trusted", nil, nil))
	trusted := g.certificates(ca)
	if len(trusted) != 2 || !trusted[0].Equal(old) || g.read("etcd/pki/member.crt") != before || trusted[1].Subject.CommonName != "etcd-ca-7" || g.read(copied) != g.read(ca) {
		t.Fatalf("trusted are %v; what is shown is the same: %t", trusted, g.read("etcd/pki/member.crt") == before)
	}
	fresh := trusted[1]
	if got := ended(g); got != "main events kube-apiserver " {
		t.Errorf("ended are %s", got)
	}
	g.want(said("trusted"), etcdAuthorityOn("trusted", nil, nil))
	if got := ended(g); got != "" || len(g.certificates(ca)) != 2 {
		t.Errorf("the same once more ended %s", got)
	}
	other := newGuest(t)
	other.want("", ofRings)
	other.want(said("trusted"), etcdAuthorityOn("trusted", []byte(g.read(next)), []byte(g.read("etcd/pki/ca-next.key"))))
	if list := other.certificates(ca); len(list) != 2 || !list[1].Equal(fresh) {
		t.Errorf("another master trusts %v", list)
	}
	g.want(said("signs"), etcdAuthorityOn("signs", nil, nil))
	if list := g.certificates(ca); len(list) != 2 || !list[0].Equal(fresh) || !list[1].Equal(old) {
		t.Fatalf("trusted are %v", list)
	}
	g.pair(filepath.Join(g.dir, "disk", ca), filepath.Join(g.dir, "disk/etcd/pki/ca.key"), fresh)
	g.ringLeaves(fresh)
	if got := ended(g); got != "" {
		t.Errorf("ended are %s", got)
	}
	if torn := g.read("../torn"); torn != "" {
		t.Errorf("for a moment these had another one's key: %s", torn)
	}
	g.want(said("alone"), etcdAuthorityOn("alone", nil, nil))
	if list := g.certificates(ca); len(list) != 1 || !list[0].Equal(fresh) || g.read(copied) != g.read(ca) {
		t.Errorf("trusted are %v, by the API server %v", list, g.certificates(copied))
	}
	if got := ended(g); got != "main events kube-apiserver " {
		t.Errorf("ended are %s", got)
	}
	if got := g.read("hakube/etcd-authority"); got != "7 alone\n" || g.read("etcd/pki/ca-next.key") != "" {
		t.Errorf("it keeps %q", got)
	}
	g.ringLeaves(fresh)
	// The only master comes to it by one start of each.
	only := newGuest(t)
	only.want("", ofRings)
	only.want(said("alone"), etcdAuthorityOn("only", nil, nil))
	list := only.certificates(ca)
	if len(list) != 1 || list[0].Subject.CommonName != "etcd-ca-7" || only.read(copied) != only.read(ca) {
		t.Errorf("the only master trusts %v", list)
	}
	only.ringLeaves(list[0])
	if got := ended(only); got != "kube-apiserver main events " { // while it reaches its members
		t.Errorf("ended are %s", got)
	}
	only.want(said("alone"), etcdAuthorityOn("only", nil, nil))
	if got := ended(only); got != "" || !only.certificates(ca)[0].Equal(list[0]) {
		t.Errorf("the same once more ended %s", got)
	}
	only.fails("usage: etcd-authority", strings.Replace(etcdAuthorityOn("signs", nil, nil), "set -- signs 7", "set -- signs x", 1))
}
