package scripts

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// rotating is a master as the script finds it, with certificates as kubeadm and the
// startup-script make them. What listens shows what is in the files, and processes of
// controllers are two numbers that the end of one makes larger.
const rotating = piped + `
export AGREED=0
answer_with() { "$@" >&2; }
wait_until() { local n; for ((n = 0; n < 5; n++)); do "${@:3}" && return; done; die "$2: not after $1 s"; }
NAME=m FQDN=m.z-a.c.p.internal IP=10.0.0.2
made() { # DIRECTORY NAME SUBJECT EXTENSIONS [CA]
	local ca=()
	[[ -z ${5:-} ]] || ca=(-CA "$1/$5.crt" -CAkey "$1/$5.key")
	openssl req -batch -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "${DAYS:-3650}" -keyout "$1/$2.key" -out "$1/$2.crt" "${ca[@]}" -config /dev/stdin 2>/dev/null <<-X
		[req]
		prompt = no
		distinguished_name = name
		x509_extensions = extensions
		[name]
		$3
		[extensions]
		$4
	X
}
conf() { printf 'users:\n- name: %s\n  user:\n    client-certificate-data: %s\n    client-key-data: %s\n    extra: kept\n' "$1" "$(base64 -w 0 "$PKI/$1.crt")" "$(base64 -w 0 "$PKI/$1.key")" >"$DISK/kubernetes/$1.conf"; rm "$PKI/$1".{crt,key}; }
PKI=$DISK/kubernetes/pki
if [[ ! -e $STATE/founded ]]; then
	mkdir -p "$PKI/etcd" "$ETCD_PKI"
	authority=$'basicConstraints = critical,CA:TRUE\nsubjectKeyIdentifier = hash'
	made "$PKI" ca 'CN = kubernetes' "$authority"
	made "$PKI" front-proxy-ca 'CN = front-proxy-ca' "$authority"
	made "$ETCD_PKI" ca 'CN = etcd-ca' "$authority"
	made "$PKI" apiserver 'CN = kube-apiserver' $'keyUsage = critical,digitalSignature\nextendedKeyUsage = serverAuth\nsubjectAltName = DNS:kubernetes,DNS:m,IP:10.0.0.2' ca
	made "$PKI" apiserver-kubelet-client $'O = kubeadm:cluster-admins\nCN = kube-apiserver-kubelet-client' 'extendedKeyUsage = clientAuth' ca
	made "$PKI" front-proxy-client 'CN = front-proxy-client' 'extendedKeyUsage = clientAuth' front-proxy-ca
	made "$ETCD_PKI" member 'CN = etcd-member' $'subjectKeyIdentifier = hash\nextendedKeyUsage = serverAuth,clientAuth\nsubjectAltName = DNS:m.z-a.c.p.internal,IP:127.0.0.1' ca
	made "$ETCD_PKI" client 'CN = kube-apiserver-etcd-client' 'extendedKeyUsage = clientAuth' ca
	cp "$ETCD_PKI/client.crt" "$PKI/apiserver-etcd-client.crt"; cp "$ETCD_PKI/client.key" "$PKI/apiserver-etcd-client.key"
	for name in admin controller-manager scheduler; do
		made "$PKI" "$name" "CN = system:$name" 'extendedKeyUsage = clientAuth' ca
		conf "$name"
	done
	echo x >"$STATE/founded"
	echo 1 >"$TEST_DIR/kube-controller"; echo 101 >"$TEST_DIR/kube-scheduler"
fi
timeout() { # openssl s_client
	case $5 in
	*:443) cat "$DISK/kubernetes/pki/${STALE:-apiserver}.crt" ;;
	*) cat "$ETCD_PKI/member.crt" ;;
	esac
}
mv() { # who looks at a pair in between finds one that belongs together
	local c
	command mv "$@"
	[[ $* == *certificates-new* ]] || return 0
	for c in "$ETCD_PKI"/*.crt "$PKI"/*.crt; do
		[[ -e ${c%.crt}.key ]] || continue # ca-signing, ca-cross
		[[ $(openssl x509 -noout -pubkey -in "$c") == "$(openssl pkey -pubout -in "${c%.crt}.key")" ]] || echo "$c" >>"$TEST_DIR/torn"
	done
}
pgrep() { cat "$TEST_DIR/$2"; }
kill() { local f; for f in kube-controller kube-scheduler; do if [[ $(<"$TEST_DIR/$f") == "$1" ]]; then echo $(($1 + 1)) >"$TEST_DIR/$f"; echo "$f" >>"$TEST_DIR/ended"; return; fi; done; }
curl() { true; }
set -- "${ROTATION:-7}"
`

// leaves are all certificates of the guest that are no authority's, by file.
func (g *guest) leaves() map[string]*x509.Certificate {
	g.t.Helper()
	all := map[string]*x509.Certificate{}
	for _, pattern := range []string{"kubernetes/pki/*.crt", "etcd/pki/*.crt"} {
		files, err := filepath.Glob(filepath.Join(g.dir, "disk", pattern))
		if err != nil {
			g.t.Fatal(err)
		}
		for _, f := range files {
			if c := certificate(g.t, f); !c.IsCA {
				all[strings.TrimPrefix(f, g.dir+"/disk/")] = c
				g.pair(f, strings.TrimSuffix(f, "crt")+"key", c)
			}
		}
	}
	for _, name := range []string{"admin", "controller-manager", "scheduler"} {
		text := g.read("kubernetes/" + name + ".conf")
		part := func(what string) string {
			m := regexp.MustCompile(what + `-data: (\S+)`).FindStringSubmatch(text)
			if m == nil {
				g.t.Fatalf("%s.conf has no %s:\n%s", name, what, text)
			}
			raw, err := base64.StdEncoding.DecodeString(m[1])
			if err != nil {
				g.t.Fatal(err)
			}
			f := filepath.Join(g.dir, name+what)
			if err := os.WriteFile(f, raw, 0o600); err != nil {
				g.t.Fatal(err)
			}
			return f
		}
		f := part("client-certificate")
		all[name+".conf"] = certificate(g.t, f)
		g.pair(f, part("client-key"), all[name+".conf"])
		if !strings.Contains(text, "    extra: kept\n") {
			g.t.Errorf("%s.conf is another one: %s", name, text)
		}
	}
	return all
}

// pair looks that key and certificate belong together.
func (g *guest) pair(cert, key string, c *x509.Certificate) {
	g.t.Helper()
	out, err := exec.Command("openssl", "pkey", "-in", key, "-pubout", "-outform", "DER").Output()
	if err != nil {
		g.t.Fatalf("%s: %v", key, err)
	}
	k, err := x509.ParsePKIXPublicKey(out)
	if own, is := k.(*ecdsa.PublicKey); err != nil || !is || !own.Equal(c.PublicKey) {
		g.t.Errorf("%s is not the key of %s (%v)", key, cert, err)
	}
}

// TestRotateCertificates: each leaf is another one of the same authority, with the names and
// uses of before and a key of its own, and does not outlive who signed it; controllers are
// ended once; a rotation is done once, and one that was cut between two files is ended by
// the next boot.
func TestRotateCertificates(t *testing.T) {
	if testing.Short() {
		t.Skip("make test has it; a quick run has what calls it, on model machines")
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	g := newGuest(t)
	out, stderr, err := g.run("export DAYS=100\n" + rotating)
	if err != nil {
		t.Fatalf("%v %s %s", err, out, stderr)
	}
	before := g.leaves()
	g.want(`{"rotated":"7"}`+"\n", rotating+newLeaf+startsAnew+rotateCertificates)
	after := g.leaves()
	if len(before) != 9 || len(after) != len(before) {
		t.Fatalf("%d and %d certificates", len(before), len(after))
	}
	for name, old := range before {
		now := after[name]
		switch {
		case now.Equal(old) || old.PublicKey.(*ecdsa.PublicKey).Equal(now.PublicKey):
			t.Errorf("%s is the same, or its key is", name)
		case now.Subject.String() != old.Subject.String() || now.Issuer.String() != old.Issuer.String() || !slices.Equal(now.DNSNames, old.DNSNames) ||
			len(now.IPAddresses) != len(old.IPAddresses) || !slices.Equal(now.ExtKeyUsage, old.ExtKeyUsage) || now.KeyUsage != old.KeyUsage:
			t.Errorf("%s is of another: %v, was %v", name, now, old)
		case now.NotAfter.After(old.NotAfter.Add(time.Minute)) || now.NotAfter.Before(old.NotAfter.Add(-25*time.Hour)):
			t.Errorf("%s ends %s, its authority about %s", name, now.NotAfter, old.NotAfter)
		}
	}
	if got := g.read("hakube/certificates"); got != "7\n" {
		t.Errorf("it keeps %q", got)
	}
	ended := func(want int) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(g.dir, "ended"))
		if err != nil || strings.Count(string(text), "\n") != want {
			t.Errorf("ended: %q, %v", text, err)
		}
	}
	ended(2)
	for name, want := range map[string]os.FileMode{"kubernetes/admin.conf": 0o600, "etcd/pki/member.key": 0o600, "kubernetes/pki/apiserver.key": 0o600, "kubernetes/pki/apiserver-etcd-client.key": 0o600} {
		if s, err := os.Stat(filepath.Join(g.dir, "disk", name)); err != nil || s.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	if torn := g.read("../torn"); torn != "" {
		t.Errorf("for a moment these had another one's key: %s", torn)
	}
	g.want(`{"rotated":"7"}`+"\n", rotating+newLeaf+startsAnew+rotateCertificates) // the same once more
	if same := g.leaves(); !same["admin.conf"].Equal(after["admin.conf"]) {
		t.Error("a rotation that was done was done again")
	}
	ended(2)
	// Cut when some files are in their places: the next boot has the rest follow.
	g.want("", rotating+strings.ReplaceAll(definitions(newLeaf+startsAnew+rotateCertificates), "answer_with", ":")+`make_new_certificates >&2
mv "$NEW_CERTIFICATES/etcd/pki/member.key" "$ETCD_PKI/member.key"
put_new_certificates
[[ ! -e $NEW_CERTIFICATES ]]`)
	booted := g.leaves()
	for name, c := range booted {
		if c.Equal(after[name]) {
			t.Errorf("%s is not in its place after the boot", name)
		}
	}
	// Cut before all were made: nothing is in its place, and nothing is left.
	g.want("", rotating+strings.ReplaceAll(definitions(newLeaf+startsAnew+rotateCertificates), "answer_with", ":")+`make_new_certificates >&2
rm "$NEW_CERTIFICATES/whole"
put_new_certificates
[[ ! -e $NEW_CERTIFICATES ]]`)
	if !g.leaves()["etcd/pki/member.crt"].Equal(booted["etcd/pki/member.crt"]) {
		t.Error("a certificate of a rotation that was not whole is in its place")
	}
	g.fails("API server and etcd show their new certificates: not after 120 s", "ROTATION=8 STALE=front-proxy-client\n"+rotating+newLeaf+startsAnew+rotateCertificates)
	if got := g.read("hakube/certificates"); got != "7\n" {
		t.Errorf("it keeps %q of one that did not end", got)
	}
	g.fails("usage: rotate-certificates", "ROTATION=x\n"+rotating+newLeaf+startsAnew+rotateCertificates)
}

// definitions are a script without what it does at its end.
func definitions(script string) string {
	before, _, _ := strings.Cut(script, "[[ $# == 1 &&")
	return before
}
