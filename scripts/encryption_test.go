package scripts

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// exchanging is a master as encryption-key finds it, whose API server has what its file has
// but for STALE, and whose etcd is a file with a line for each Secret: NAMESPACE/NAME KEY.
// Values are shown as etcdctl does, %q of what is no text too.
const exchanging = piped + `
BETWEEN=0
answer_with() { "$@" >&2; }
wait_until() { local n; for ((n = 0; n < 3; n++)); do "${@:3}" && return; done; die "$2: not after $1 s"; }
ENCRYPTION=$DISK/kubernetes/pki/encryption.yaml
mkdir -p "${ENCRYPTION%/*}" "$DISK/kubernetes/manifests"
if [[ ! -e $STATE/founded ]]; then
	ENCRYPT_SECRETS=true make_encryption_key
	printf '    - kube-apiserver\n    - --encryption-provider-config=%s\n    - --etcd-servers=x\n' /etc/kubernetes/pki/encryption.yaml >"$DISK/kubernetes/manifests/kube-apiserver.yaml"
	echo x >"$STATE/founded"
	: >"$TEST_DIR/secrets"
fi
api_is_ready() { true; }
as_admin() {
	local sum
	[[ $* == "--request-timeout=30s get --raw /metrics" ]] || return 1
	sum=$(sha256sum <"$ENCRYPTION")
	echo 'apiserver_authentication_config_controller_last_config_info{apiserver_id_hash="sha256:1",hash="sha256:'"${sum%% *}"'"} 1'
	echo 'apiserver_encryption_config_controller_last_config_info{apiserver_id_hash="sha256:1",hash="sha256:'"${STALE:-}${sum%% *}"'"} 1'
}
etcd_ctl() {
	local name key n=0 more=false
	[[ "${*:1:3} ${*:5}" == "main --command-timeout=60s get /registry/secrets0 --limit=100 -w fields" ]] || return 1
	while read -r name key; do
		[[ ! /registry/secrets/$name < $4 ]] || continue
		((++n <= 100)) || { more=true; break; }
		printf '"Key" : "/registry/secrets/%s"\n"ModRevision" : 7\n"Value" : "%s\\x00\\"Key\\" : "\n"Lease" : 0\n' "$name" "$key"
	done < <(LC_ALL=C sort "$TEST_DIR/secrets")
	printf '"More" : %s\n"Count" : %d\n' "$more" "$n"
}
`

// secrets has etcd hold a Secret by each of the keys, after another.
func (g *guest) secrets(by ...string) {
	var b strings.Builder
	for i, key := range by {
		fmt.Fprintf(&b, "default/s-%03d %s\n", i, key)
	}
	g.write(map[string]string{"../secrets": b.String()})
}

// TestEncryptionKeyExchange: a master has the new key behind, before and without the old one,
// in that order and each once; its API server is had to read its file anew, and has to have.
func TestEncryptionKeyExchange(t *testing.T) {
	const file, manifest = "kubernetes/pki/encryption.yaml", "kubernetes/manifests/kube-apiserver.yaml"
	run := func(stage string, have []byte) string {
		text := EncryptionKey(have)
		return exchanging + "set -- " + stage + " 7\n" + text[strings.Index(text, "\nHAVE=")+1:]
	}
	keys := func(g *guest) (names []string) {
		for line := range strings.Lines(g.read(file)) {
			if name, is := strings.CutPrefix(line, "      - name: "); is {
				names = append(names, strings.TrimSpace(name))
			}
		}
		return names
	}
	g := newGuest(t)
	g.want("", exchanging)
	old := g.read(file)
	g.fails("does not have the key key-7 yet", run("first", nil))
	for _, x := range []struct{ stage, keys string }{{"behind", "key1 key-7"}, {"behind", "key1 key-7"}, {"first", "key-7 key1"}, {"behind", "key-7 key1"}, {"first", "key-7 key1"}} {
		g.want(`{"encryption":"7 `+x.stage+`"}`+"\n", run(x.stage, nil))
		if got := strings.Join(keys(g), " "); got != x.keys || g.read("hakube/encryption-key") != "7 "+x.stage+"\n" {
			t.Fatalf("%s: keys are %s, want %s; it keeps %q", x.stage, got, x.keys, g.read("hakube/encryption-key"))
		}
	}
	want := "    - kube-apiserver\n    - --encryption-provider-config=/etc/kubernetes/pki/encryption.yaml\n    - --encryption-provider-config-automatic-reload=true\n    - --etcd-servers=x\n"
	if got := g.read(manifest); got != want {
		t.Errorf("the manifest is\n%s", got)
	}
	first := g.read(file)

	// Another master takes that key over, and whatever else it lacks.
	to := newGuest(t)
	to.want("", exchanging)
	secret := strings.TrimPrefix(strings.Split(old, "\n")[8], "        secret: ")
	was := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - secretbox:\n      keys:\n" +
		"      - name: key1\n        secret: " + secret + "\n  - identity: {} # reads what was written before there was a key\n"
	to.write(map[string]string{file: was}) // as hakube has written it from the beginning
	to.want(`{"encryption":"7 behind"}`+"\n", run("behind", []byte(first)))
	if got := strings.Join(keys(to), " "); got != "key1 key-7" {
		t.Errorf("the other master has %s", got)
	}
	to.want(`{"encryption":"7 first"}`+"\n", run("first", nil))
	if to.read(file) != first {
		t.Errorf("the masters differ:\n%s\n%s", to.read(file), first)
	}

	// While etcd has one by another key, or by none, no key goes; that of another name is one.
	for _, by := range []string{"k8s:enc:secretbox:v1:key1:", "k8s\\x00\\n\\f", "k8s:enc:secretbox:v1:key-77:", "k8s:enc:aescbc:v1:key-7:"} {
		g.secrets("k8s:enc:secretbox:v1:key-7:", by)
		g.fails("etcd has Secrets by another key than key-7: default/s-001", run("alone", nil))
	}
	if g.read(file) != first {
		t.Error("a key went")
	}
	g.fails("the API server has read "+g.dir+"/disk/"+file+": not after 240 s", "STALE=0\n"+run("first", nil))
	g.secrets("k8s:enc:secretbox:v1:key-7:", "k8s:enc:secretbox:v1:key-7:")
	g.want(`{"encryption":"7 alone"}`+"\n", run("alone", nil))
	if got := strings.Join(keys(g), " "); got != "key-7" {
		t.Errorf("in the end it has %s", got)
	}

	// What somebody changed is left as it is.
	g.write(map[string]string{file: strings.ReplaceAll(first, "[secrets]", "[secrets, configmaps]")})
	g.fails("was changed by somebody, and is left as it is", run("behind", nil))
	g.write(map[string]string{file: ""})
	g.fails("this master encrypts no Secrets", run("behind", nil))
	g.fails("usage: encryption-key", run("last", nil))
}

// TestOldSecrets: of very many some are asked for at a time, and all are counted.
func TestOldSecrets(t *testing.T) {
	g := newGuest(t)
	g.want("", exchanging)
	list := exchanging + "set -- 7\n" + secretsBy + oldSecrets
	g.want(`{"secrets":[],"left":0}`+"\n", list)
	var by []string
	for range 350 {
		by = append(by, "k8s:enc:secretbox:v1:key-7:")
	}
	by[3], by[99], by[100], by[349] = "k8s:enc:secretbox:v1:key1:", "x", "k8s\\x00", "k8s:enc:secretbox:v1:key1:"
	g.secrets(by...)
	g.want(`{"secrets":["default/s-003","default/s-099","default/s-100","default/s-349"],"left":4}`+"\n", list)
	g.fails("etcd does not tell which Secrets it has", exchanging+"etcd_ctl() { return 1; }\nset -- 7\n"+secretsBy+oldSecrets)
}

// TestKeysOfABackup: what a backup's Secrets were encrypted with is put behind what a living
// master has; keys of one name that differ are not its cluster's.
func TestKeysOfABackup(t *testing.T) {
	file := func(pairs ...string) string {
		text := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - secretbox:\n      keys:\n"
		for i := 0; i < len(pairs); i += 2 {
			text += "      - name: " + pairs[i] + "\n        secret: " + pairs[i+1] + "\n"
		}
		return text + "  - identity: {} # reads what was written before there was a key\n"
	}
	const name = "kubernetes/pki/encryption.yaml"
	for _, x := range []struct {
		has, brings, want string
		imported          int
	}{
		{file("key-7", "QQ=="), file("key1", "QUI="), file("key-7", "QQ==", "key1", "QUI="), 1},
		{file("key-7", "QQ==", "key1", "QUI="), file("key1", "QUI="), file("key-7", "QQ==", "key1", "QUI="), 0},
		{file("key-9", "Qg==", "key1", "QUI="), file("key-7", "QQ==", "key1", "QUI="), file("key-9", "Qg==", "key1", "QUI=", "key-7", "QQ=="), 1},
		{file("key1", "QQ=="), file("key1", "QUI="), "", 0},
		{file("key1", "QQ=="), "nothing that is known", "", 0},
	} {
		g := newGuest(t)
		g.master("one")
		exported := strings.Replace(g.export(), `"files":{`, `"files":{"`+name+`":"`+base64.StdEncoding.EncodeToString([]byte(x.brings))+`",`, 1)
		g.write(map[string]string{name: x.has})
		stdout, stderr, err := g.imports(exported)
		switch {
		case x.want == "" && (err == nil || !strings.Contains(stderr, "is a master already, and its "+name+" is another one") || g.read(name) != x.has):
			t.Errorf("%q beside %q: %v, %s", x.brings, x.has, err, stderr)
		case x.want != "" && (err != nil || stdout != fmt.Sprintf("{\"imported\":%d}\n", x.imported) || g.read(name) != x.want):
			t.Errorf("%q beside %q: %s, %v, %s; it has\n%s", x.brings, x.has, stdout, err, stderr, g.read(name))
		}
	}
}
