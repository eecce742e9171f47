package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/settings"
)

// others is a kubeconfig somebody has already.
const others = `apiVersion: v1
kind: Config
clusters: [{name: work, cluster: {server: "https://work.example", certificate-authority: ca/work.pem}}]
users: [{name: me@work, user: {token: secret}}]
contexts: [{name: work, context: {cluster: work, user: me@work, namespace: team}}]
current-context: work
`

func TestKubeconfigMerge(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	// A link, as people have it who keep their configuration elsewhere.
	target := filepath.Join(t.TempDir(), "real")
	if err := os.MkdirAll(filepath.Dir(o.kubeconfig), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(target, []byte(others), 0o644), os.Symlink(target, o.kubeconfig)); err != nil {
		t.Fatal(err)
	}
	s := w.mustUp(o)

	info, err := os.Lstat(o.kubeconfig)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if info, err = os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v, %v", info, err)
	}
	c := readConfig(t, o.kubeconfig)
	if c.CurrentContext != "local_kubernetes" || c.Clusters["local_kubernetes"].Server != "https://"+s.Address || c.Clusters["local_kubernetes"].ProxyURL != "" {
		t.Errorf("entry: %+v, current %q", c.Clusters["local_kubernetes"], c.CurrentContext)
	}
	if c.Contexts["work"].Namespace != "team" || c.AuthInfos["me@work"].Token != "secret" || c.Clusters["work"].CertificateAuthority != "ca/work.pem" {
		t.Error("another context was touched")
	}
	if _, err := os.Stat(target + ".lock"); !os.IsNotExist(err) {
		t.Errorf("the lock is still there: %v", err)
	}
	// kubectl's own code takes the same file.
	if _, err := clientcmd.NewNonInteractiveClientConfig(*c, "local_kubernetes", nil, nil).ClientConfig(); err != nil {
		t.Error(err)
	}

	w.mustDown(o)
	c = readConfig(t, o.kubeconfig)
	if hasEntry(c, "local_kubernetes") || c.CurrentContext != "" || c.Contexts["work"] == nil {
		t.Errorf("after down: %+v", c)
	}
}

func readConfig(t *testing.T, path string) *clientcmdapi.Config {
	t.Helper()
	c, err := loadKubeconfig(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSecondary leaves the current context alone, coming and going.
func TestSecondary(t *testing.T) {
	w := newWorld(t)
	o := w.operator(func(s *settings.Settings) { s.KeepContext, s.OverrideName = true, "mine" })
	if err := errors.Join(os.MkdirAll(filepath.Dir(o.kubeconfig), 0o700), os.WriteFile(o.kubeconfig, []byte(others), 0o600)); err != nil {
		t.Fatal(err)
	}
	w.mustUp(o)
	if c := readConfig(t, o.kubeconfig); c.CurrentContext != "work" || c.Contexts["mine"] == nil {
		t.Errorf("after up: %+v", c)
	}
	w.mustDown(o)
	if c := readConfig(t, o.kubeconfig); c.CurrentContext != "work" || hasEntry(c, "mine") {
		t.Errorf("after down: %+v", c)
	}
}

// TestKubeconfigRepair: an entry that is there but does not open the API is
// written again, and nothing else happens.
func TestKubeconfigRepair(t *testing.T) {
	for name, spoil := range map[string]func(*clientcmdapi.Config){
		"server": func(c *clientcmdapi.Config) { c.Clusters["local_kubernetes"].Server = "https://192.0.2.1" },
		"proxy":  func(c *clientcmdapi.Config) { c.Clusters["local_kubernetes"].ProxyURL = "http://127.0.0.1:1" },
		"ca": func(c *clientcmdapi.Config) {
			c.Clusters["local_kubernetes"].CertificateAuthorityData = []byte(otherCA)
		},
		"context": func(c *clientcmdapi.Config) { delete(c.Contexts, "local_kubernetes") },
		"key":     func(c *clientcmdapi.Config) { c.AuthInfos["local_kubernetes"].ClientKeyData = []byte("none") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.operator()
			w.mustUp(o)
			err := kubeFiles{o.kubeconfig}.edit(context.Background(), time.Millisecond, func(c *clientcmdapi.Config) error { spoil(c); return nil })
			if err != nil {
				t.Fatal(err)
			}
			n, err := o.PreviewUp(context.Background(), nil)
			if err != nil || n == 0 {
				t.Errorf("preview: %d steps, %v", n, err)
			}
			if _, changes := w.counts(func() { w.mustUp(o) }); changes != 0 {
				t.Errorf("%d changing calls", changes)
			}
		})
	}
}

// otherCA is a certificate of nobody.
const otherCA = `-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIBATAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpzb21lYm9k
-----END CERTIFICATE-----
`

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// Somebody else is done with it in a moment.
	released := make(chan error, 1)
	time.AfterFunc(20*time.Millisecond, func() { released <- os.Remove(path + ".lock") })
	err := kubeFiles{path}.edit(context.Background(), time.Millisecond, func(c *clientcmdapi.Config) error { c.CurrentContext = "x"; return nil })
	if err := errors.Join(err, <-released); err != nil {
		t.Fatal(err)
	}
	if c := readConfig(t, path); c.CurrentContext != "x" {
		t.Errorf("%+v", c)
	}

	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err = kubeFiles{path}.edit(ctx, time.Millisecond, func(c *clientcmdapi.Config) error { c.CurrentContext = "y"; return nil })
	var held *LockError
	if !errors.As(err, &held) || !strings.Contains(held.Hint(), "rm "+path+".lock") {
		t.Errorf("error %v", err)
	}
	if c := readConfig(t, path); c.CurrentContext != "x" {
		t.Errorf("edited without the lock: %+v", c)
	}
}

// A list of files is taken as kubectl takes it.
func TestKubeconfigFiles(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	sep := string(os.PathListSeparator)
	for in, want := range map[string]kubeFiles{"": {"/home/me/.kube/config"}, sep: {"/home/me/.kube/config"}, "/x": {"/x"}, sep + "/a" + sep + "/b" + sep + "/a": {"/a", "/b"}} {
		if got := kubeconfigFiles(in); !slices.Equal(got, want) {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	dir := t.TempDir()
	f := kubeFiles{filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")}
	ctx := context.Background()
	edit := func(change func(c *clientcmdapi.Config)) {
		t.Helper()
		if err := f.edit(ctx, time.Millisecond, func(c *clientcmdapi.Config) error { change(c); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	there := func(want string) {
		t.Helper()
		got := ""
		for _, path := range f {
			if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
				got += filepath.Base(path)
			}
		}
		if got != want {
			t.Errorf("files %q, want %q", got, want)
		}
	}
	put := func(name string) func(*clientcmdapi.Config) {
		return func(c *clientcmdapi.Config) {
			entry{server: "https://" + name}.put(c, name, entryMark{})
			c.CurrentContext = name
		}
	}
	edit(put("new")) // none is there: the last
	there("c")
	if err := os.WriteFile(f[1], []byte(others), 0o600); err != nil {
		t.Fatal(err)
	}
	edit(put("second")) // the first that is there
	there("bc")
	if c := readConfig(t, f[1]); c.Contexts["second"] == nil || c.Contexts["work"] == nil || c.CurrentContext != "second" {
		t.Errorf("the first that is there: %+v", c)
	}
	edit(put("new")) // where it is
	if c := readConfig(t, f[1]); c.Contexts["new"] != nil {
		t.Error("a second entry of one name was made")
	}
	// Removed, it goes from where it is, and nothing else does.
	edit(func(c *clientcmdapi.Config) { entryVerdict{}.remove(c, "new") })
	if c := readConfig(t, f[2]); hasEntry(c, "new") {
		t.Error("it is still there")
	}
	if c := readConfig(t, f[1]); c.Contexts["work"] == nil || c.Contexts["second"] == nil || c.CurrentContext != "" {
		t.Errorf("after the removal: %+v", c)
	}
	there("bc")
}

// TestUnreadableKubeconfig is an error that names the file, and the file stays.
func TestUnreadableKubeconfig(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	if err := errors.Join(os.MkdirAll(filepath.Dir(o.kubeconfig), 0o700), os.WriteFile(o.kubeconfig, []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := o.Up(context.Background(), nil)
	if err == nil || !strings.Contains(err.Error(), "reading kubeconfig "+o.kubeconfig) {
		t.Errorf("up: %v", err)
	}
	if b, err := os.ReadFile(o.kubeconfig); err != nil || string(b) != "{" {
		t.Errorf("the file is now %q, %v", b, err)
	}
}

// What a master prints is taken for data: programs to run, files to read and
// addresses to go to that it may name are not.
func TestAdminKubeconfigIsData(t *testing.T) {
	const text = `{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "evil"}}],
		"clusters": [{"name": "c", "cluster": {"server": "https://evil.example", "proxy-url": "http://evil.example", "insecure-skip-tls-verify": true, "certificate-authority-data": "QQ=="}}],
		"users": [{"name": "u", "user": {"client-certificate-data": "QQ==", "client-key-data": "QQ==", "token": "evil", "tokenFile": "/etc/passwd",
			"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/evil", "interactiveMode": "Never"}}}]}`
	e, err := adminEntry([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	e.server, e.proxy = "https://198.51.100.1", ""
	c := clientcmdapi.NewConfig()
	e.put(c, "c", entryMark{})
	out, err := clientcmd.Write(*c)
	if err != nil || strings.Contains(string(out), "evil") || strings.Contains(string(out), "passwd") || strings.Contains(string(out), "insecure") {
		t.Errorf("the kubeconfig is %s (%v)", out, err)
	}
	for _, bad := range []string{
		strings.ReplaceAll(text, `"client-key-data": "QQ==", `, `"client-key": "/etc/passwd", `),
		strings.ReplaceAll(text, `"certificate-authority-data": "QQ=="`, `"certificate-authority": "/etc/passwd"`), "\x00", "", "[]",
	} {
		if e, err := adminEntry([]byte(bad)); err == nil {
			t.Errorf("%q is read as %+v", bad, e)
		}
	}
}
