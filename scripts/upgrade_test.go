package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBootsToUpgrade: a boot is an upgrade only of a machine that was made to be one, around the
// disk of a master, and once: it makes the manifests anew, keeps those of before, and says what it
// runs when that is so. One that is to bring what the disk has makes those again that an upgrade
// has left which did not come to its end.
func TestBootsToUpgrade(t *testing.T) {
	const boot = `KUBE_VERSION=v1.36.4 KUBEADM=k.yaml; mkdir -p "$STORE" "$STATE"; say() { :; }
kubeadm() { echo "$@"; sed -i "s/apiserver:.*/apiserver:$KUBE_VERSION/" "$DISK/kubernetes/manifests/kube-apiserver.yaml"; }
follow_version; fit_manifests; has_upgraded; echo "$KUBE_VERSION"`
	const again = "init phase control-plane all --config k.yaml\n"
	manifest := func(version string) string { return "    image: registry.k8s.io/kube-apiserver:" + version + "\n" }
	read := func(g *guest, name string) string {
		text, err := os.ReadFile(filepath.Join(g.dir, "disk", name))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(text))
	}
	disk := func(g *guest, version, manifests string) {
		g.write(map[string]string{"hakube/founded": "x\n", "hakube/kube-version": version + "\n", "kubernetes/manifests/kube-apiserver.yaml": manifest(manifests)})
	}

	g := newGuest(t)
	disk(g, "v1.36.3", "v1.36.3")
	g.want("v1.36.3\n", boot)                                      // whatever the metadata say
	g.want("v1.36.3\n", "UPGRADE=false; "+boot)                    //
	g.want(again+"v1.36.4\n", "UPGRADE=true; "+boot)               // made for that
	g.want("v1.36.4\n", "UPGRADE=true; "+boot)                     // it is so
	g.write(map[string]string{"hakube/kube-version": "v1.36.3\n"}) // somebody restored what was before
	g.want("v1.36.3\n", "UPGRADE=true; "+boot)
	if got := read(g, "hakube/manifests-v1.36.3/kube-apiserver.yaml"); got != strings.TrimSpace(manifest("v1.36.3")) {
		t.Errorf("of the manifests of before is kept %q", got)
	}

	g = newGuest(t) // cut before its API server was ready, and made again to go back
	disk(g, "v1.36.4", "v1.36.5")
	g.want("v1.36.4\n", boot)
	if got := read(g, "kubernetes/manifests/kube-apiserver.yaml"); !strings.Contains(got, "v1.36.5") {
		t.Errorf("a boot that is no upgrade changed manifests: %q", got)
	}
	g.want(again+"v1.36.4\n", "UPGRADE=true; "+boot)
	if got := read(g, "kubernetes/manifests/kube-apiserver.yaml"); !strings.Contains(got, "v1.36.4") {
		t.Errorf("manifests are %q", got)
	}

	g = newGuest(t) // one that joins takes the version of the others
	g.write(map[string]string{"hakube/kube-version": "v1.36.3\n"})
	g.want("v1.36.3\n", "UPGRADE=true; "+boot)
}

// TestTenthAddress is where kubeadm puts the Service of CoreDNS.
func TestTenthAddress(t *testing.T) {
	g := newGuest(t)
	_, body, _ := strings.Cut(settleVersion, "# tenth RANGE")
	tenth, _, _ := strings.Cut(body, "\n\n")
	for in, want := range map[string]string{"10.0.0.0/16": "10.0.0.10", "10.0.255.250/12": "10.0.0.10", "172.30.16.0/20": "172.30.16.10", "192.168.3.240/28": "192.168.3.250"} {
		g.want(want, "#"+tenth+"\ntenth "+in)
	}
}

// TestVersionToBeHad: what a master cannot fetch is said with the place that has it not, and
// images are looked for where containerd does, the mirror first.
func TestVersionToBeHad(t *testing.T) {
	g := newGuest(t)
	_, body, _ := strings.Cut(lookVersions, "\nWHY=''\n")
	functions, _, _ := strings.Cut(body, "\nlook() {")
	const curl = "\nWHY=''\ndpkg() { echo amd64; }\ncurl() { local u=${*: -1}; case $u in $HAS) return 0 ;; esac; echo \"curl: (22) 404\" >&2; return 22; }\n"
	for _, x := range []struct{ mirror, has, want string }{
		{"", "*", ""},
		{"", "*dl.k8s.io*", "https://registry.k8s.io/v2/kube-apiserver/manifests/v1.36.4: curl: (22) 404"},
		{"", "*registry*", "https://dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet.sha256: curl: (22) 404"},
		{"http://m", "http://m/*", ""},
		{"http://m", "*", ""},
		{"http://m", "http://m/dl.k8s.io/*", "https://registry.k8s.io/v2/kube-apiserver/manifests/v1.36.4: curl: (22) 404"},
		{"http://m", "https://*", "http://m/dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet.sha256: curl: (22) 404"},
	} {
		g.want(x.want, "MIRROR="+x.mirror+" HAS='"+x.has+"'\n"+functions+curl+`to_be_had v1.36.4; printf %s "$WHY"`)
	}
}
