package kube

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// others is a kubeconfig somebody has already.
const others = `apiVersion: v1
kind: Config
clusters: [{name: work, cluster: {server: "https://work.example", certificate-authority: ca/work.pem}}]
users: [{name: me@work, user: {token: secret}}]
contexts: [{name: work, context: {cluster: work, user: me@work, namespace: team}}]
current-context: work
`

func readConfig(t *testing.T, path string) *clientcmdapi.Config {
	t.Helper()
	c, err := LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A list of files is taken as kubectl takes it.
func TestKubeconfigFiles(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	sep := string(os.PathListSeparator)
	for in, want := range map[string]Files{"": {"/home/me/.kube/config"}, sep: {"/home/me/.kube/config"}, "/x": {"/x"}, sep + "/a" + sep + "/b" + sep + "/a": {"/a", "/b"}} {
		if got := FilesOf(in); !slices.Equal(got, want) {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	dir := t.TempDir()
	f := Files{filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")}
	ctx := context.Background()
	edit := func(change func(c *clientcmdapi.Config)) {
		t.Helper()
		if err := f.Edit(ctx, nil, time.Millisecond, func(c *clientcmdapi.Config) error { change(c); return nil }); err != nil {
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
			Entry{Server: "https://" + name}.Put(c, name, Mark{})
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
	edit(func(c *clientcmdapi.Config) { Verdict{}.Remove(c, "new") })
	if c := readConfig(t, f[2]); HasEntry(c, "new") {
		t.Error("it is still there")
	}
	if c := readConfig(t, f[1]); c.Contexts["work"] == nil || c.Contexts["second"] == nil || c.CurrentContext != "" {
		t.Errorf("after the removal: %+v", c)
	}
	there("bc")
}

// TestNullLists: a kubeconfig whose lists are null, as some programs leave it, takes an
// entry as any other does, and also when it is read a second time.
func TestNullLists(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte("apiVersion: v1\nkind: Config\nclusters: null\nusers: null\ncontexts: null\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c := readConfig(t, path)
		c.Clusters["x"], c.AuthInfos["x"], c.Contexts["x"] = clientcmdapi.NewCluster(), clientcmdapi.NewAuthInfo(), clientcmdapi.NewContext()
	}
	if c := readConfig(t, path); len(c.Clusters) != 0 {
		t.Errorf("what nobody wrote is in it: %v", c.Clusters)
	}
}
