package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/kube"
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
	besideOthers(t)
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
	if kube.HasEntry(c, "local_kubernetes") || c.CurrentContext != "" || c.Contexts["work"] == nil {
		t.Errorf("after down: %+v", c)
	}
}

func readConfig(t *testing.T, path string) *clientcmdapi.Config {
	t.Helper()
	c, err := kube.LoadFile(path)
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
	if c := readConfig(t, o.kubeconfig); c.CurrentContext != "work" || kube.HasEntry(c, "mine") {
		t.Errorf("after down: %+v", c)
	}
}

// TestKubeconfigRepair: an entry that is there but does not open the API is
// written again, and nothing else happens.
func TestKubeconfigRepair(t *testing.T) {
	besideOthers(t)
	for name, spoil := range map[string]func(*clientcmdapi.Config){
		"server": func(c *clientcmdapi.Config) { c.Clusters["local_kubernetes"].Server = "https://192.0.2.1" },
		"proxy":  func(c *clientcmdapi.Config) { c.Clusters["local_kubernetes"].ProxyURL = "http://127.0.0.1:1" },
		"ca": func(c *clientcmdapi.Config) {
			c.Clusters["local_kubernetes"].CertificateAuthorityData = []byte(otherCA)
		},
		"context": func(c *clientcmdapi.Config) { delete(c.Contexts, "local_kubernetes") },
		"key":     func(c *clientcmdapi.Config) { c.AuthInfos["local_kubernetes"].ClientKeyData = []byte("none") },
	} {
		if testing.Short() && name != "server" && name != "key" {
			continue // TestValidateAsKubectl has more of them
		}
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.operator()
			w.mustUp(o)
			err := kube.Files{o.kubeconfig}.Edit(context.Background(), nil, time.Millisecond, func(c *clientcmdapi.Config) error { spoil(c); return nil })
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
