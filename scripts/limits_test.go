package scripts

import (
	"crypto/x509"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Limits of what names get into inside a machine.
const (
	maxCommonName = 64  // X.520, ub-common-name; openssl refuses more
	maxLabel      = 63  // of DNS, and a value of a Node's label
	maxDomain     = 253 // a DNS name, and a Node's name
)

// longest are metadata with names as long as Compute Engine lets them be.
func longest(project string) map[string]string {
	const name, zone = 63, "northamerica-northeast1-a"
	long := map[string]string{
		"project/project-id":                         project,
		"instance/name":                              "k" + strings.Repeat("8", name-2) + "s",
		"instance/zone":                              "projects/42/zones/" + zone,
		"instance/machine-type":                      "projects/42/machineTypes/n2-custom-128-" + strings.Repeat("1", 7) + "-ext",
		"instance/attributes/hakube-cluster":         project + "/" + strings.Repeat("p", 40),
		"instance/attributes/cluster-name":           "c" + strings.Repeat("l", name-1),
		"instance/attributes/hakube-dns-domain":      strings.Repeat("a.", 100) + "example",
		"instance/attributes/hakube-service-range":   "10.0.0.0/16",
		"instance/network-interfaces/0/ip-aliases/0": "10.64.255.0/24",
	}
	for k, v := range nodeMetadata {
		if long[k] == "" {
			long[k] = v
		}
	}
	return long
}

// TestNamesAtTheirLimits makes all that a machine makes of names, with the longest
// there may be: a name is never put where less room is than Compute Engine gives it.
func TestNamesAtTheirLimits(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	for i, project := range []string{
		"acme-k8s-prod-1234567",                              // 21 letters: no master came up
		"acme-platform-prod-europe-0123",                     // 30, the longest
		"a-long-subsidiary.example.com:acme-platform-europe", // of a domain
		"example.com:" + "acme-platform-prod-europe-0123",    // both
	} {
		if testing.Short() && i < 3 {
			continue // the last has both
		}
		t.Run(project, func(t *testing.T) {
			g := newGuest(t)
			g.files = longest(project)
			for _, role := range []string{RoleMaster, RoleNode} {
				g.files["instance/attributes/hakube-role"] = role
				out, stderr, err := g.run(`
ip() { echo "169.254.169.254 via 10.40.0.1 dev ens4 src 10.40.0.3 uid 0"; }
put() { cat; }
read_metadata
mkdir -p "$DISK/etcd" "$STATE"
printf '%s\n' "$FQDN"
node_registration
if [[ $ROLE == master ]]; then
	make_etcd_pki 2>&1
	configure_ring main 2379 2380
	write_kubeadm
else
	write_join
fi`)
				if err != nil {
					t.Fatalf("as a %s: %v\n%s\n%s", role, err, stderr, out)
				}
				fqdn, _, _ := strings.Cut(out, "\n")
				judgeDomain(t, fqdn)
				judgeLabels(t, out)
				if role == RoleMaster {
					g.judgeCertificates(fqdn)
				}
			}
		})
	}
}

func judgeDomain(t *testing.T, name string) {
	t.Helper()
	if len(name) > maxDomain {
		t.Errorf("DNS name %s has %d letters", name, len(name))
	}
	for label := range strings.SplitSeq(name, ".") {
		if len(label) > maxLabel || strings.Contains(label, ":") {
			t.Errorf("%q of %s is no label of DNS", label, name)
		}
	}
}

var nodeLabels = regexp.MustCompile(`node-labels\s+value: (\S+)`)

// judgeLabels looks at those that a kubelet registers its Node with.
func judgeLabels(t *testing.T, rendered string) {
	t.Helper()
	m := nodeLabels.FindStringSubmatch(rendered)
	if m == nil {
		t.Fatalf("no labels in\n%s", rendered)
	}
	for label := range strings.SplitSeq(m[1], ",") {
		if _, value, _ := strings.Cut(label, "="); len(value) > maxLabel || value == "" {
			t.Errorf("label %s has a value of %d letters", label, len(value))
		}
	}
}

func (g *guest) judgeCertificates(fqdn string) {
	g.t.Helper()
	files, err := filepath.Glob(filepath.Join(g.dir, "disk/etcd/pki/*.crt"))
	if err != nil || len(files) < 3 {
		g.t.Fatalf("certificates %v, %v", files, err)
	}
	for _, file := range files {
		c := certificate(g.t, file)
		if n := len(c.Subject.CommonName); n == 0 || n > maxCommonName {
			g.t.Errorf("%s has a CN of %d letters", filepath.Base(file), n)
		}
		for _, name := range c.DNSNames {
			judgeDomain(g.t, name)
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate(g.t, filepath.Join(g.dir, "disk/etcd/pki/ca.crt")))
	if _, err := certificate(g.t, filepath.Join(g.dir, "disk/etcd/pki/member.crt")).Verify(x509.VerifyOptions{DNSName: fqdn, Roots: roots}); err != nil {
		g.t.Errorf("the member is not who it is by its zonal name: %v", err)
	}
}

// TestPackages: a machine of Google's image asks apt for nothing. What is missing
// elsewhere is installed also when one of apt's sources is broken.
func TestPackages(t *testing.T) {
	g := newGuest(t)
	const without = `
command() { [[ $2 == conntrack || $2 == nft ]] && return 1; builtin command "$@" || [[ $2 != "$MISSING" ]]; }
say() { :; }
apt-get() { echo "$@"; }
`
	g.want("", "KUBE_VERSION=v1.32.0 MISSING=none"+without+"install_packages")
	g.want("", "KUBE_VERSION=v1.136.3 MISSING=none"+without+"install_packages")
	for _, version := range []string{"v1.31.9", "v1.9.0", "v1.20.15"} {
		g.want("conntrack\n", "KUBE_VERSION="+version+" MISSING=none"+without+"missing_packages")
	}
	g.want("-q update\n-q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends conntrack\n", "KUBE_VERSION=v1.31.0 MISSING=none"+without+`
apt-get() { echo "$@"; [[ $2 != update ]]; }
install_packages`)
}
