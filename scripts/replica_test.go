package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// master writes what a founded master's disk has of keys, of authority ca.
func (g *guest) master(ca string) {
	g.write(map[string]string{
		"hakube/founded": "x", "hakube/kube-version": "v1.36.3\n",
		"kubernetes/pki/ca.crt": ca, "kubernetes/pki/ca.key": ca + " key\n\x00", "kubernetes/pki/sa.key": "s", "kubernetes/pki/sa.pub": "p",
		"kubernetes/pki/front-proxy-ca.crt": "f", "kubernetes/pki/front-proxy-ca.key": "k",
		"etcd/pki/ca.crt": ca + " etcd", "etcd/pki/ca.key": "e", "kubernetes/pki/apiserver.key": "its own",
	})
}

// export runs export-keys.
func (g *guest) export() string {
	g.t.Helper()
	stdout, stderr, err := g.pipe(strings.ReplaceAll(ExportKeys, "/mnt/disks/master-pd", g.dir+"/disk"))
	if err != nil {
		g.t.Fatalf("%v: %s", err, stderr)
	}
	return stdout
}

// imports runs import-keys.
func (g *guest) imports(exported string) (stdout, stderr string, err error) {
	g.t.Helper()
	text, err := ImportKeys([]byte(exported))
	if err != nil {
		g.t.Fatal(err)
	}
	return g.pipe(strings.NewReplacer("/mnt/disks/master-pd", g.dir+"/disk", "mountpoint -q", "mkdir -p").Replace(text))
}

func TestKeysTravel(t *testing.T) {
	from, to := newGuest(t), newGuest(t)
	from.master("one")
	one := from.export()
	if strings.Count(one, "\n") != 1 || strings.Contains(one, "apiserver") {
		t.Errorf("exported %s", one)
	}
	for _, want := range []string{"{\"imported\":8}\n", "{\"imported\":0}\n"} {
		if stdout, stderr, err := to.imports(one); err != nil || stdout != want {
			t.Fatalf("printed %q, %v, want %q; %s", stdout, err, want, stderr)
		}
	}
	for _, name := range []string{"kubernetes/pki/ca.crt", "kubernetes/pki/ca.key", "etcd/pki/ca.crt", "hakube/kube-version"} {
		if got, want := to.read(name), from.read(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]os.FileMode{
		"kubernetes/pki/ca.key": 0o600, "kubernetes/pki/sa.key": 0o600, "etcd/pki/ca.key": 0o600, "kubernetes/pki/ca.crt": 0o644, "kubernetes/pki": 0o755, "etcd/pki": 0o700,
	} {
		if s, err := os.Stat(filepath.Join(to.dir, "disk", name)); err != nil || s.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, s.Mode(), err, want)
		}
	}

	// Keys of another cluster: what the old authority has signed goes with it.
	to.write(map[string]string{"etcd/pki/member.crt": "by one", "kubernetes/admin.conf": "by one", "kubelet-pki/kubelet-client-current.pem": "by one"})
	from.master("two")
	two := from.export()
	if stdout, stderr, err := to.imports(two); err != nil || stdout != "{\"imported\":8}\n" {
		t.Fatalf("printed %q, %v; %s", stdout, err, stderr)
	}
	for _, name := range []string{"etcd/pki/member.crt", "kubernetes/admin.conf", "kubelet-pki/kubelet-client-current.pem"} {
		if to.read(name) != "" {
			t.Errorf("%s of the other cluster is still there", name)
		}
	}

	// One that founds a cluster has none to give yet.
	g := newGuest(t)
	g.master("three")
	g.write(map[string]string{"hakube/founded": "", "hakube/served": "x"})
	if got := g.export(); got != "{\"founding\":true}\n" {
		t.Errorf("of a master that founds a cluster: %s", got)
	}

	// A master keeps its own.
	to.write(map[string]string{"hakube/founded": "x"})
	if stdout, stderr, err := to.imports(two); err != nil || stdout != "{\"imported\":0}\n" {
		t.Errorf("printed %q, %v; %s", stdout, err, stderr)
	}
	if _, stderr, err := to.imports(one); err == nil || !strings.Contains(stderr, "is a master already, and its etcd/pki/ca.crt is another one") {
		t.Errorf("keys of another cluster for a master: %v, %q", err, stderr)
	}
	if to.read("kubernetes/pki/ca.crt") != "two" {
		t.Error("a master's authority was replaced")
	}
}

func TestOnlyMastersExport(t *testing.T) {
	g := newGuest(t)
	g.master("one")
	for _, name := range []string{"etcd/pki/ca.key", "hakube/founded"} {
		if err := os.Remove(filepath.Join(g.dir, "disk", name)); err != nil {
			t.Fatal(err)
		}
		if stdout, _, err := g.pipe(strings.ReplaceAll(ExportKeys, "/mnt/disks/master-pd", g.dir+"/disk")); err == nil || stdout != "" {
			t.Errorf("without %s: printed %q, %v, want a failure", name, stdout, err)
		}
	}
}

func TestImportKeysTakesNothingElse(t *testing.T) {
	for name, exported := range map[string]string{
		"no JSON":          `Error: no`,
		"no version":       `{"files":{"etcd/pki/ca.key":"QQ=="}}`,
		"a bad version":    `{"version":"v1.36.3; reboot","files":{"etcd/pki/ca.key":"QQ=="}}`,
		"no files":         `{"version":"v1.36.3"}`,
		"another path":     `{"version":"v1.36.3","files":{"etcd/pki/../../x.key":"QQ=="}}`,
		"a path with more": `{"version":"v1.36.3","files":{"etcd/pki/ca.key\nreboot":"QQ=="}}`,
		"no base64":        `{"version":"v1.36.3","files":{"etcd/pki/ca.key":"$(reboot)"}}`,
	} {
		if text, err := ImportKeys([]byte(exported)); err == nil {
			t.Errorf("%s: a script of %d bytes, want an error", name, len(text))
		}
	}
}
