//go:build linux

package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// refusesBackups: a real cluster's backup is refused by the name of the ring whose part is
// damaged, and without a key, before anything.
func (g *grown) refusesBackups(t *testing.T, file string) {
	t.Helper()
	for part, said := range map[string]string{"main.db.age": "main", "events.db.age": "events"} {
		if r := g.run(t, "restore", "--yes", damagedIn(t, file, part)); r.code != exitFailed || !strings.Contains(r.stderr, part) || !strings.Contains(r.stderr, "is damaged") || !strings.Contains(r.stderr, "Nothing was changed") {
			t.Errorf("with ring %s damaged it exits with %d:\n%s", said, r.code, r.stderr)
		}
	}
	env := g.walk.env
	defer func() { g.walk.env = env }()
	g.walk.env = without(env, "HAKUBE_BACKUP_IDENTITY")
	if r := g.run(t, "restore", "--yes", file); r.code != exitUsage || !strings.Contains(r.stderr, "HAKUBE_BACKUP_IDENTITY is not set") || !strings.Contains(r.stderr, "Nothing was changed") {
		t.Errorf("without a key it exits with %d:\n%s", r.code, r.stderr)
	}
}

// damagedIn is a copy of a backup of which one byte in the middle of a part is another one.
func damagedIn(t *testing.T, file, part string) (damaged string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("looking for %s: %v", part, err)
		}
		if h.Name != part {
			continue
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			t.Fatal(err)
		}
		text[at+h.Size/2] ^= 1
		break
	}
	damaged = filepath.Join(t.TempDir(), "damaged")
	if err := os.WriteFile(damaged, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return damaged
}

// without is an environment less some variables.
func without(env []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(names, name)
	})
}

// besideIt makes a cluster of the backup beside the one that lives, looks into it, and takes it
// away: the one that lives has what it had.
func (g *grown) besideIt(t *testing.T, file string) {
	t.Helper()
	if shortForms {
		report(t, "left to make long: a real cluster that is made of a backup beside the one that it is of")
		return
	}
	env := g.walk.env
	defer func() { g.walk.env = env }()
	uid := "jsonpath={.metadata.uid} {.spec.clusterIP}"
	was := g.kubectl(t, "get", "service", "web", "-o", uid)
	g.walk.env = append(without(env, "HAKUBE_BACKUP_EVERY", "HAKUBE_MASTER_SERVICE_ACCOUNT"), "KUBE_GCE_INSTANCE_PREFIX=then", "KUBE_GCE_NETWORK=then", "KUBE_GCE_ZONE="+zoneC, "SECONDARY_KUBECONFIG=true")
	begin := time.Now()
	t.Logf("%s", g.ok(t, "restore", "--yes", file).stderr)
	report(t, "a cluster made of a backup beside the one that lives: %.1f s", time.Since(begin).Seconds())
	then := func(args ...string) string { return g.kubectl(t, append([]string{"--context=local_then"}, args...)...) }
	if got := then("get", "configmaps", "-o", "name"); !strings.Contains(got, "written-before") {
		t.Errorf("it has %s", got)
	}
	if got := then("get", "service", "web", "-o", uid); got == was || strings.Fields(got)[1] != strings.Fields(was)[1] {
		t.Errorf("the Service was %s and is %s", was, got)
	}
	if got := then("get", "nodes", "-o", "name"); strings.TrimSpace(got) != "node/then-master" {
		t.Errorf("its Nodes are %s", got)
	}
	if got := then("get", "persistentvolumes", "-o", "name"); strings.TrimSpace(got) != "" {
		t.Errorf("its volumes are %s", got)
	}
	g.ok(t, "validate", "--wait=3m")
	g.ok(t, "down", "--yes")
	g.walk.env = env
	if got := g.kubectl(t, "get", "service", "web", "-o", uid); got != was {
		t.Errorf("the one that lives had the Service %s and has %s", was, got)
	}
	g.kubectl(t, "get", "persistentvolume", "elsewhere")
	g.ok(t, "validate", "--wait=1m")
}

// tended are objects that would act on disks and balancers of the cluster that they are of.
func (g *grown) tended(t *testing.T) {
	t.Helper()
	g.kubectl(t, "create", "service", "loadbalancer", "web", "--tcp=80")
	file := filepath.Join(t.TempDir(), "volume.json")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"elsewhere"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"persistentVolumeReclaimPolicy":"Delete","csi":{"driver":"pd.csi.storage.gke.io","volumeHandle":"projects/%s/zones/%s/disks/none"}}}`, g.project, zoneB)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.kubectl(t, "create", "-f", file)
}

// onAnother brings the cluster back on another embedded GCE, of which there can be one at a time
// on this host, from the file: its API is at another address, for kubeconfigs of before too, and
// nodes join it.
func (g *grown) onAnother(t *testing.T, file string) {
	t.Helper()
	g.ok(t, "local", "reset", "--yes") // it is lost, and its entry in the kubeconfig is not
	g.dir = filepath.Join(filepath.Dir(g.dir), "another")
	g.walk.env = append(without(g.walk.env, "HAKUBE_LOCAL_DIR", "HAKUBE_BACKUP_EVERY", "HAKUBE_BACKUP_TO", "HAKUBE_MASTER_SERVICE_ACCOUNT", "NUM_NODES"), "HAKUBE_LOCAL_DIR="+g.dir)
	g.ok(t, "local", "start", "--machines=real")
	g.kubectlPath = strings.TrimSpace(g.ok(t, "local", "kubectl").stdout)
	begin := time.Now()
	t.Logf("%s", g.ok(t, "restore", "--zone="+zoneB, "--yes", file).stderr)
	report(t, "a cluster made of a backup on another embedded GCE: %.1f s", time.Since(begin).Seconds())
	if got := g.kubectl(t, "get", "configmaps", "-o", "name"); !strings.Contains(got, "written-before") {
		t.Errorf("it has %s", got)
	}
	if got := g.kubectl(t, "get", "secret", "kept", "-o", "jsonpath={.data.key}"); got != "dmFsdWU=" {
		t.Errorf("the Secret is %q", got)
	}
	if shortForms {
		report(t, "left to make long: nodes of a real cluster that was made of a backup")
		g.ok(t, "validate", "--wait=3m")
		return
	}
	g.ok(t, "up", "--zone="+zoneB, "--num-nodes=1")
	eventually(t, 2*time.Minute, "the node runs kube-proxy", func() error {
		if g.proxy(t) == "" {
			return errors.New("its container is not there yet")
		}
		return nil
	})
	g.ok(t, "validate", "--wait=3m")
	g.ok(t, "plan", "up", "--zone="+zoneB, "--exit-code")
}
