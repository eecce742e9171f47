package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostile is text that runs a command wherever a shell looks at it a second
// time: bare, in double or single quotes, in an arithmetic expression, in a
// document that is expanded, or as an option.
func hostile(canary string) []string {
	run := "touch " + canary
	return []string{
		"$(" + run + ")", "`" + run + "`", "; " + run + " #", "' ; " + run + " ; '", `" ; ` + run + ` ; "`,
		"a[$(" + run + ")]", "\n" + run + "\n", "-e " + run, "--output=" + canary, "END\n" + run + "\n", "${x:=$(" + run + ")}", "../../../" + strings.TrimPrefix(canary, "/"),
		"*", "a\x1b[2Jb",
	}
}

// TestHostileMetadata renders all that a machine renders with values in its
// metadata that are not what hakube would have put there. They come out as
// they went in and run nothing.
func TestHostileMetadata(t *testing.T) {
	names := make([]string, 0, len(nodeMetadata))
	for name := range nodeMetadata {
		names = append(names, name)
	}
	for i := range hostile("") {
		if testing.Short() && i%7 != 0 {
			continue // each is fifty calls of curl
		}
		g := newGuest(t)
		canary := filepath.Join(g.dir, "canary")
		text := hostile(canary)[i]
		for _, name := range names {
			g.files[name] = text
		}
		g.files["instance/attributes/hakube-service-range"] = text
		for _, role := range []string{"master", "node"} {
			g.files["instance/attributes/hakube-role"] = role
			stdout, stderr, err := g.run(`
ip() { echo "169.254.169.254 via 10.40.0.1 dev ens4 src 10.40.0.3 uid 0"; }
put() { cat; }
systemctl() { :; }
for f in iptables iptables-restore ip6tables; do eval "$f() { :; }"; done
openssl() { echo 0123456789abcdef; }
read_metadata
write_cni
guard_pods
write_containerd
node_registration
source_url https://dl.k8s.io/x
internal_domain "$PROJECT"
if [[ $ROLE == master ]]; then
	write_kubeadm
else
	write_join
fi
printf '[%s]' "$ADDRESS" "$MIRROR"
`)
			if err != nil {
				t.Errorf("%q: %v: %s", text, err, stderr)
			}
			if want := "[" + strings.TrimRight(text, "\n"); !strings.Contains(stdout, want) {
				t.Errorf("%q does not come out as it went in:\n%s", text, stdout)
			}
			if _, err := os.Stat(canary); err == nil {
				t.Fatalf("%q in the metadata of a %s ran", text, role)
			}
		}
	}
}

// TestNamesOfTheLanguage: a name that is a word of YAML stays a name.
func TestNamesOfTheLanguage(t *testing.T) {
	g := newGuest(t)
	for _, word := range []string{"null", "true", "no", "y"} {
		stdout, _, err := g.run(`put() { cat; }
openssl() { :; }
NAME=n IP=10.0.0.1 PROJECT=p ZONE=z REGION=r MACHINE_TYPE=m ROLE=master KUBE_VERSION=v1.36.3 ADDRESS=198.51.100.1 POD_RANGE=10.64.0.0/14
SERVICE_RANGE=10.0.0.0/16 FQDN=n.z DNS_IP=10.0.0.10 JOIN_TOKEN=123456.1234567890123456 CA_HASH=sha256:0 CLUSTER_NAME=` + word + ` DNS_DOMAIN=` + word + ` AUDIT=true SIGN_KUBELETS=true
write_kubeadm
write_join`)
		for _, line := range []string{`clusterName: "` + word + `"`, `dnsDomain: "` + word + `"`, `token: "123456.1234567890123456"`, `tlsBootstrapToken: "123456.1234567890123456"`} {
			if err != nil || !strings.Contains(stdout, line+"\n") {
				t.Errorf("no line %s (%v):\n%s", line, err, stdout)
			}
		}
	}
}
