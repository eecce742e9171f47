package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/kube"
	"hakube/cluster/preflight"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
)

const (
	theirCluster = `{server: "https://192.0.2.9:6443", certificate-authority-data: QQ==}`
	theirUser    = `{token: secret}`
)

// kubeconfigText is a kubeconfig of lists in JSON.
func kubeconfigText(clusters, users, contexts string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: local_kubernetes\nclusters: [%s]\nusers: [%s]\ncontexts: [%s]\n", clusters, users, contexts)
}

func named(kind, name, what string) string {
	return fmt.Sprintf("{name: %s, %s: %s}", name, kind, what)
}

// foreignKubeconfigs have something of our name that is not ours.
var foreignKubeconfigs = map[string]string{
	"all of it": kubeconfigText(named("cluster", "local_kubernetes", theirCluster), named("user", "local_kubernetes", theirUser),
		named("context", "local_kubernetes", "{cluster: local_kubernetes, user: local_kubernetes}")),
	"the cluster": kubeconfigText(named("cluster", "local_kubernetes", theirCluster), "", ""),
	"the user": kubeconfigText(named("cluster", "work", theirCluster), named("user", "local_kubernetes", theirUser),
		named("context", "work", "{cluster: work, user: local_kubernetes}")),
	"a user that asks a program": kubeconfigText("", named("user", "local_kubernetes", `{exec: {apiVersion: client.authentication.k8s.io/v1, command: login, interactiveMode: Never}}`), ""),
	"a user of another cluster":  kubeconfigText("", named("user", "local_kubernetes", `{client-certificate-data: QQ==, client-key-data: QQ==}`), ""),
	"the context": kubeconfigText(named("cluster", "work", theirCluster), named("user", "me@work", theirUser),
		named("context", "local_kubernetes", "{cluster: work, user: me@work, namespace: team}")),
}

// TestForeignEntry: an entry of our name that leads to another cluster is
// refused before anything is changed, another name is the way out, and a
// removal leaves it.
func TestForeignEntry(t *testing.T) {
	besideOthers(t)
	for name, text := range foreignKubeconfigs {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.operator()
			write := func() {
				t.Helper()
				if err := errors.Join(os.MkdirAll(filepath.Dir(o.kubeconfig), 0o700), os.WriteFile(o.kubeconfig, []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			untouched := func(after string) {
				t.Helper()
				if b, err := os.ReadFile(o.kubeconfig); err != nil || string(b) != text {
					t.Errorf("after %s the file is\n%s %v", after, b, err)
				}
			}
			write()
			_, changes := w.counts(func() {
				_, err := o.Up(context.Background(), nil)
				var no refusal.Blockers
				if !errors.As(err, &no) || len(no) != 1 || !strings.Contains(no.Error(), o.kubeconfig) || !strings.Contains(no[0].Cure, "OVERRIDE_CONTEXT=") {
					t.Errorf("up: %v", err)
				}
			})
			if changes != 0 {
				t.Errorf("%d changes before it was refused", changes)
			}
			untouched("up")

			// The way out.
			other := w.operator(func(s *settings.Settings) { s.OverrideName = "mine" })
			other.kubeconfig = o.kubeconfig
			other.deps.Kubeconfig = o.kubeconfig
			w.mustUp(other)
			if c := readConfig(t, o.kubeconfig); c.Contexts["mine"] == nil || c.CurrentContext != "mine" {
				t.Errorf("by another name: %+v", c)
			}
			// Under its own name hakube does not find it.
			write()
			s, err := o.Down(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], o.kubeconfig) || !strings.Contains(s.Warnings[0], "left as it is") {
				t.Errorf("down says %q", s.Warnings)
			}
			untouched("down")
			if s, err = o.Down(context.Background(), nil); err != nil || !s.Nothing || len(s.Warnings) != 1 {
				t.Errorf("down again: %+v, %v", s, err)
			}
			untouched("down again")
		})
	}
}

// An entry that was ours and was turned to another cluster is not ours any
// more, whatever marks it kept.
func TestTurnedEntry(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	turn := func(c *clientcmdapi.Config) error {
		c.Clusters["local_kubernetes"].Server = "https://192.0.2.9"
		c.Clusters["local_kubernetes"].CertificateAuthorityData = []byte(otherCA)
		c.AuthInfos["local_kubernetes"].Token = "secret"
		return nil
	}
	if err := (kube.Files{o.kubeconfig}).Edit(context.Background(), nil, time.Millisecond, turn); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Up(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "leads to https://192.0.2.9") || !strings.Contains(err.Error(), "has credentials that hakube did not write") {
		t.Errorf("up: %v", err)
	}
	w.mustDown(o)
	if c := readConfig(t, o.kubeconfig); c.AuthInfos["local_kubernetes"].Token != "secret" || c.Clusters["local_kubernetes"] == nil || c.Contexts["local_kubernetes"] == nil {
		t.Errorf("after down: %+v", c)
	}
}

// Entries that earlier versions wrote have no mark, and are ours by where they
// lead; so they are by the CA when somebody turned the server to a way of theirs.
func TestEntryWithoutMark(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	edit := func(change func(*clientcmdapi.Cluster)) {
		t.Helper()
		err := kube.Files{o.kubeconfig}.Edit(context.Background(), nil, time.Millisecond, func(c *clientcmdapi.Config) error {
			c.Clusters["local_kubernetes"].Extensions, c.AuthInfos["local_kubernetes"].Extensions = nil, nil
			change(c.Clusters["local_kubernetes"])
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	edit(func(*clientcmdapi.Cluster) {})
	before := readConfig(t, o.kubeconfig)
	w.mustUp(o)
	edit(func(c *clientcmdapi.Cluster) { c.Server = "https://localhost:6443" })
	w.mustUp(o)
	if c := readConfig(t, o.kubeconfig); c.Clusters["local_kubernetes"].Server != before.Clusters["local_kubernetes"].Server {
		t.Errorf("after up: %s", c.Clusters["local_kubernetes"].Server)
	}
	edit(func(*clientcmdapi.Cluster) {})
	w.mustDown(o)
	if c := readConfig(t, o.kubeconfig); kube.HasEntry(c, "local_kubernetes") {
		t.Errorf("after down: %+v", c)
	}
}

// Two embedded GCEs have clusters of the same names; one's `up` does not take
// the other's way in. When the other is gone, its entry is nobody's.
func TestEntryOfAnotherCloud(t *testing.T) {
	besideOthers(t)
	one, two := newWorld(t), newWorld(t)
	path := filepath.Join(t.TempDir(), "config")
	operator := func(w *world) *operator {
		o := w.operator()
		o.kubeconfig, o.deps.Kubeconfig, o.deps.Cloud = path, path, t.TempDir()
		return o
	}
	a, b := operator(one), operator(two)
	one.mustUp(a)
	before := readConfig(t, path).Clusters["local_kubernetes"]
	if _, err := b.Up(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "cluster kubernetes of project local in the embedded GCE of "+a.deps.Cloud) {
		t.Errorf("up of the other: %v", err)
	}
	two.mustDown(b)
	if now := readConfig(t, path).Clusters["local_kubernetes"]; now == nil || now.Server != before.Server {
		t.Errorf("the entry is now %+v", now)
	}
	// What a reset does.
	if gone, err := kube.ForgetCloud(context.Background(), path, b.deps.Cloud); err != nil || len(gone) > 0 {
		t.Errorf("forgot %q, %v", gone, err)
	}
	if err := os.RemoveAll(a.deps.Cloud); err != nil {
		t.Fatal(err)
	}
	two.mustUp(b)
	if gone, err := kube.ForgetCloud(context.Background(), path, b.deps.Cloud); err != nil || len(gone) != 1 || gone[0] != "local_kubernetes" {
		t.Errorf("forgot %q, %v", gone, err)
	}
	if c := readConfig(t, path); kube.HasEntry(c, "local_kubernetes") || c.CurrentContext != "" {
		t.Errorf("after that: %+v", c)
	}
}

// What the file cannot take is refused before the first change, each with a cure.
func TestKubeconfigRefusedBeforehand(t *testing.T) {
	besideOthers(t)
	for name, c := range map[string]struct {
		make func(path string) error
		why  string
		cure string
	}{
		"corrupt":   {func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) }, "reading kubeconfig", "export KUBECONFIG="},
		"directory": {func(path string) error { return os.Mkdir(path, 0o700) }, "it is a directory", "export KUBECONFIG="},
		"read-only": {func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(others), 0o400), os.Chmod(path, 0o400))
		}, "read-only", "chmod u+w "},
		"locked":      {func(path string) error { return os.WriteFile(path+".lock", nil, 0o600) }, "is there", "rm "},
		"nowhere":     {func(path string) error { return os.Symlink(os.DevNull, path) }, "a device", "export KUBECONFIG="},
		"link's loop": {func(path string) error { return os.Symlink(path, path) }, "too many levels", "export KUBECONFIG="},
		"not a dir": {func(path string) error {
			return errors.Join(os.Remove(filepath.Dir(path)), os.WriteFile(filepath.Dir(path), nil, 0o600))
		}, "not a directory", "export KUBECONFIG="},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.operator().by(func(d time.Duration) <-chan time.Time {
				if d == preflight.LockPatience {
					d = 20 * time.Millisecond
				}
				return time.After(d)
			})
			if err := errors.Join(os.MkdirAll(filepath.Dir(o.kubeconfig), 0o700), c.make(o.kubeconfig)); err != nil {
				t.Fatal(err)
			}
			_, changes := w.counts(func() {
				_, err := o.Up(context.Background(), nil)
				var no refusal.Blockers
				var unchanged *Unchanged
				if !errors.As(err, &no) || len(no) != 1 || !strings.Contains(no.Error(), c.why) || !strings.Contains(no[0].Cure, c.cure) || !errors.As(err, &unchanged) {
					t.Errorf("up: %v", err)
				}
			})
			if changes != 0 {
				t.Errorf("%d changes before it was refused", changes)
			}
		})
	}
}

// A read-only file that opens the API is enough: nobody has to write it.
func TestReadOnlyAndRight(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	if err := os.Chmod(o.kubeconfig, 0o400); err != nil {
		t.Fatal(err)
	}
	w.mustUp(o)
	_, changes := w.counts(func() {
		if _, err := o.Down(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("down: %v", err)
		}
	})
	if changes != 0 {
		t.Errorf("%d changes before it was refused", changes)
	}
}

// TestForeignEntryInEachMode: whoever grows or repairs a cluster with a kubeconfig
// in which its name is another's is refused before the first change; a removal
// needs no entry, drains all the same, and writes nothing.
func TestForeignEntryInEachMode(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	first := w.operator()
	w.mustUp(first)
	w.mustUp(first.pool(zoneC, 1))
	replica := w.mustUp(first.replica(zoneD)).Replica
	other := w.operator()
	text := foreignKubeconfigs["all of it"]
	if err := errors.Join(os.MkdirAll(filepath.Dir(other.kubeconfig), 0o700), os.WriteFile(other.kubeconfig, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, f func() error) {
		t.Helper()
		_, changes := w.counts(func() {
			var no refusal.Blockers
			if err := f(); !errors.As(err, &no) || !strings.Contains(no.Error(), "leads to https://192.0.2.9:6443") {
				t.Errorf("%s: %v", what, err)
			}
		})
		if changes != 0 {
			t.Errorf("%s: %d changes before it was refused", what, changes)
		}
	}
	up := func(o *operator) func() error {
		return func() error { _, err := o.Up(context.Background(), nil); return err }
	}
	refused("a pool more", up(other.pool(zoneD, 1)))
	refused("a larger pool", up(other.pool(zoneC, 2)))
	refused("a master more", up(other.replica(zoneC)))
	refused("the same again", up(other))
	if s := w.mustDown(other.pool(zoneC, 1)); len(s.Warnings) > 0 {
		t.Errorf("the pool was removed undrained: %q", s.Warnings)
	}
	if err := w.Client.Instances(zoneD).Stop(context.Background(), replica); err != nil {
		t.Fatal(err)
	}
	refused("a repair", func() error { _, err := other.Repair(context.Background(), "", nil); return err })
	if b, err := os.ReadFile(other.kubeconfig); err != nil || string(b) != text {
		t.Errorf("the file is now\n%s %v", b, err)
	}
}
