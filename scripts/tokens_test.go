package scripts

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// signing is a master as service-account-key finds it. What its API server has is what the
// files had when it was last ended; controller-manager is a number that its end makes larger.
const signing = piped + `
answer_with() { "$@" >&2; }
wait_until() { local n; for ((n = 0; n < 3; n++)); do "${@:3}" && return; done; die "$2: not after $1 s"; }
PKI=$DISK/kubernetes/pki
start() { cp "$PKI/sa.key" "$PKI/sa.pub" "$TEST_DIR/running/"; }
if [[ ! -e $STATE/founded ]]; then
	mkdir -p "$PKI" "$TEST_DIR/running"
	openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null
	openssl pkey -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub"
	start
	echo x >"$STATE/founded"
	echo 1 >"$TEST_DIR/kube-controller"
	: >"$TEST_DIR/ended"
fi
api_is_ready() { true; }
each_public() { awk -v d="$TEST_DIR/one" 'BEGIN { RS = "-----END PUBLIC KEY-----\n*" } /BEGIN/ { n++; print $0 "-----END PUBLIC KEY-----" >(d n) } END { print n }' "$1"; }
as_admin() {
	local i n
	case "${*:2}" in
	"get --raw /openid/v1/jwks")
		n=$(each_public "$TEST_DIR/running/sa.pub")
		for ((i = 1; i <= n; i++)); do printf '{"use":"sig","kid":"%s","alg":"x"}' "$(key_id <"$TEST_DIR/one$i")"; done
		;;
	"create token default -n kube-system --duration=600s")
		printf '{"alg":"x","kid":"%s"}' "$(openssl pkey -in "$TEST_DIR/running/sa.key" -pubout | key_id)" | base64 -w 0 | tr '+/' '-_' | tr -d =
		echo .body.signature
		;;
	*) return 1 ;;
	esac
}
pkill() { [[ -n ${STUCK:-} ]] || start; echo "${*: -1}" >>"$TEST_DIR/ended"; }
pgrep() { cat "$TEST_DIR/$2"; }
kill() { echo $(($1 + 1)) >"$TEST_DIR/kube-controller"; echo kube-controller >>"$TEST_DIR/ended"; }
curl() { true; }
`

// kid is how Kubernetes names the public key of a file.
func (g *guest) kid(name string) string {
	g.t.Helper()
	out, err := exec.Command("openssl", "pkey", "-in", filepath.Join(g.dir, "disk", name), "-pubout").Output()
	block, _ := pem.Decode(out)
	if err != nil || block == nil {
		g.t.Fatalf("%s: %v %s", name, err, out)
	}
	if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		g.t.Fatal(err)
	}
	sum := sha256.Sum256(block.Bytes)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// TestServiceAccountKey: a master takes tokens by the new key, signs with it, and takes no
// other ones, in that order; its API server is ended when its files have what it has not, and
// only then, and a run that was cut between any two of its changes goes on with the same key.
func TestServiceAccountKey(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	const key, next, trusted = "kubernetes/pki/sa.key", "kubernetes/pki/sa-new.key", "kubernetes/pki/sa.pub"
	run := func(stage string, have []byte) string {
		text := ServiceAccountKey(have)
		return signing + "set -- " + stage + " 7\n" + text[strings.Index(text, "\nHAVE=")+1:]
	}
	said := func(stage string) string { return fmt.Sprintf("{\"serviceAccount\":\"7 %s\"}\n", stage) }
	g := newGuest(t)
	g.want("", signing)
	old := g.kid(key)
	g.want(old, signing+"\n"+definitionsOf(serviceAccountKey)+`public "$PKI/sa.key" | key_id`)
	g.want(said("trusted"), run("trusted", nil))
	id := g.kid(next)
	if g.kid(key) != old || strings.Count(g.read(trusted), "BEGIN PUBLIC KEY") != 2 || id == old {
		t.Fatalf("it signs with %s, was %s; trusted are\n%s", g.kid(key), old, g.read(trusted))
	}
	g.want(said("trusted"), run("trusted", nil))
	g.ended(t, "kube-apiserver")
	fresh := g.read(next)
	// Cut when it signs and has not said so: the next run has no other key.
	g.write(map[string]string{key: fresh})
	g.want(said("signs"), run("signs", nil))
	if g.kid(key) != id || g.read(next) != "" || strings.Count(g.read(trusted), "BEGIN PUBLIC KEY") != 2 {
		t.Errorf("it signs with %s, want %s; trusted are\n%s", g.kid(key), id, g.read(trusted))
	}
	g.ended(t, "kube-apiserver", "kube-apiserver", "kube-controller")
	g.want(said("signs"), run("signs", nil))
	g.ended(t, "kube-apiserver", "kube-apiserver", "kube-controller", "kube-controller")

	// Others get that key from it: one that has not come as far, and one that joined since.
	for what, x := range map[string]struct{ has, trusts string }{
		"a master of before": {"", ""}, "one that joined since": {g.read(key), g.read(trusted)},
	} {
		to := newGuest(t)
		to.want("", signing)
		if x.has != "" {
			to.write(map[string]string{key: x.has, trusted: x.trusts})
			to.want("", signing+"start")
		}
		to.want(said("trusted"), run("trusted", []byte(g.read(key))))
		to.want(said("signs"), run("signs", nil))
		if to.kid(key) != id || strings.Count(to.read(trusted), "BEGIN PUBLIC KEY") < 2 || to.read(next) != "" {
			t.Errorf("%s signs with %s, want %s", what, to.kid(key), id)
		}
	}

	g.want(said("alone"), run("alone", nil))
	if g.kid(key) != id || strings.Count(g.read(trusted), "BEGIN PUBLIC KEY") != 1 {
		t.Errorf("it signs with %s, want %s; trusted are\n%s", g.kid(key), id, g.read(trusted))
	}
	if got := g.read("hakube/service-account-key"); got != "7 alone\n" {
		t.Errorf("it keeps %q", got)
	}
	g.fails("the API server has the keys of its files: not after 240 s", "STUCK=1\n"+strings.ReplaceAll(run("signs", nil), "signs 7", "signs 8"))
	g.fails("usage: service-account-key", run("never", nil))

	// The only master needs no stage before.
	alone := newGuest(t)
	alone.want("", signing)
	before := alone.kid(key)
	alone.want(said("signs"), run("signs", nil))
	alone.ended(t, "kube-apiserver", "kube-controller")
	if alone.kid(key) == before || strings.Count(alone.read(trusted), "BEGIN PUBLIC KEY") != 2 {
		t.Errorf("it signs with %s, was %s; trusted are\n%s", alone.kid(key), before, alone.read(trusted))
	}
}

// ended looks which processes were, one after the other.
func (g *guest) ended(t *testing.T, want ...string) {
	t.Helper()
	if got := g.read("../ended"); got != strings.Join(want, "\n")+"\n" {
		t.Errorf("ended were %q, want %q", got, want)
	}
}

// definitionsOf is a script without what it does.
func definitionsOf(script string) string {
	before, _, _ := strings.Cut(script, "[[ $# == 2 &&")
	return before
}

// TestTokensOfABackup: what a backup's tokens are signed with is taken beside what a living
// master signs with, once each.
func TestTokensOfABackup(t *testing.T) {
	block := func(name string) string {
		return "-----BEGIN PUBLIC KEY-----\n" + name + "\n-----END PUBLIC KEY-----\n"
	}
	from, to := newGuest(t), newGuest(t)
	from.master("one")
	to.master("one")
	from.write(map[string]string{"kubernetes/pki/sa.key": "old", "kubernetes/pki/sa.pub": block("older") + block("old"), "kubernetes/pki/sa-new.key": "newer"})
	to.write(map[string]string{"kubernetes/pki/sa.key": "new", "kubernetes/pki/sa.pub": block("old") + block("new")})
	want := block("old") + block("new") + block("older")
	for _, imported := range []string{"{\"imported\":1}\n", "{\"imported\":0}\n"} {
		stdout, stderr, err := to.imports(from.export())
		if err != nil || stdout != imported || to.read("kubernetes/pki/sa.pub") != want || to.read("kubernetes/pki/sa.key") != "new" || to.read("kubernetes/pki/sa-new.key") != "" {
			t.Errorf("printed %q, %v, want %q; %s; trusted are\n%s", stdout, err, imported, stderr, to.read("kubernetes/pki/sa.pub"))
		}
	}
}
