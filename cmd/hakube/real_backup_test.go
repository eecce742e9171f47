//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

// TestRealBackup takes a backup of a real cluster, and brings the cluster back to it: on
// the master itself, after an operator's error; and after the loss of the only master's
// machine and disk, out of a bucket, and of a snapshot of the disk. Secrets can be read, the node is Ready again by itself, and it and its
// pods were not touched meanwhile.
func TestRealBackup(t *testing.T) {
	g := &grown{walk: newWalk(t), nodes: 1, masters: map[string]string{}}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	identity, file := filepath.Join(dir, "key"), filepath.Join(dir, "backup")
	if err := os.WriteFile(identity, []byte(key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.walk.env = append(g.walk.env, "NUM_NODES=1", "HAKUBE_BACKUP_RECIPIENTS="+key.Recipient().String(), "HAKUBE_BACKUP_IDENTITY="+identity)
	g.ok(t, "local", "start", "--machines=real")
	began, kept := "", "" // the latter in a bucket
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"a cluster and its backup", func(t *testing.T) {
			g.hakube(t, "up", zoneB)
			g.kubectl(t, "create", "configmap", "written-before")
			g.kubectl(t, "create", "secret", "generic", "kept", "--from-literal=key=value")
			eventually(t, settled, "the node runs kube-proxy", func() error {
				if began = g.proxy(t); began == "" {
					return errors.New("its container is not there yet")
				}
				return nil
			})
			begin := time.Now()
			t.Logf("%s", g.ok(t, "backup", "--to="+file).stdout)
			t.Logf("the backup took %s", time.Since(begin).Round(time.Second))
			g.http(t, http.MethodPost, g.status(t).Endpoint+"/storage/v1/b?project="+g.project, `{"name":"backups","location":"EU"}`)
			kept, _, _ = strings.Cut(g.ok(t, "backup", "--to=gs://backups/of").stdout, ": ")
			if list := g.ok(t, "backups", "gs://backups/of").stdout; !strings.Contains(list, kept) || !strings.Contains(list, " yes") {
				t.Errorf("the bucket has\n%s", list)
			}
			g.valid(t, "--backup-to=gs://backups/of", "--backup-max-age=1h")
			if left := g.on(t, master, "ls", "/mnt/disks/master-pd"); strings.Contains(left, "backup") {
				t.Errorf("left on the master is %s", left)
			}
		}},
		{"an operator's error", func(t *testing.T) {
			g.kubectl(t, "delete", "configmap", "written-before")
			g.kubectl(t, "create", "configmap", "written-since")
			g.restored(t, file)
		}},
		{"the master and its disk are lost", func(t *testing.T) {
			g.lose(t, master, zoneB)
			g.restored(t, kept)                                                          // out of the bucket
			eventually(t, settled, "the node's pod is the one of before", func() error { // which its kubelet tells the API of the backup
				if now := g.proxy(t); now != began {
					return fmt.Errorf("it is %s, before %s", now, began)
				}
				return nil
			})
			g.valid(t)
			g.nothingToDo(t, "--zone="+zoneB)
		}},
		{"they are lost again, but for a snapshot of the disk", func(t *testing.T) {
			g.ok(t, "up", "--zone="+zoneB, "--disk-snapshots=hourly")
			disk := g.status(t).Endpoint + "/compute/v1/projects/" + g.project + "/zones/" + zoneB + "/disks/" + master + "-pd"
			if got := fmt.Sprint(g.http(t, http.MethodGet, disk, "")["resourcePolicies"]); !strings.Contains(got, "/resourcePolicies/"+master+"-snapshots") {
				t.Errorf("the disk is %s", got)
			}
			g.http(t, http.MethodPost, disk+"/createSnapshot", `{"name":"by-hand"}`) // the next full hour may be far
			eventually(t, settled, "the snapshot can be used", func() error {
				if list := g.ok(t, "backups", "snapshot://").stdout; !strings.Contains(list, "snapshot://by-hand") || !strings.Contains(list, "tried") {
					return errors.New(list)
				}
				return nil
			})
			g.kubectl(t, "create", "configmap", "written-since")
			g.lose(t, master, zoneB)
			g.restored(t, "snapshot://by-hand")
			g.valid(t)
			g.nothingToDo(t, "--zone="+zoneB)
			g.ok(t, "up", "--zone="+zoneB, "--disk-snapshots=none")
		}},
	} {
		if !t.Run(step.name, step.do) {
			break
		}
	}
	g.ok(t, "down", "--zone="+zoneB, "--yes")
}

// proxy is the container of kube-proxy on the machine that is no master.
func (g *grown) proxy(t *testing.T) string {
	t.Helper()
	return g.kubectl(t, "get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-proxy", "--field-selector=spec.nodeName!="+master,
		"-o", "jsonpath={.items[*].status.containerStatuses[0].containerID}")
}

// restored brings the cluster back to a backup, and looks at what there is then.
func (g *grown) restored(t *testing.T, file string) {
	t.Helper()
	if r := g.run(t, "restore", file); r.code != exitFailed || !strings.Contains(r.stderr, "there is no terminal to ask") {
		t.Errorf("without --yes it exits with %d:\n%s", r.code, r.stderr)
	}
	begin := time.Now()
	r := g.ok(t, "restore", "--yes", file)
	t.Logf("the restore took %s\n%s", time.Since(begin).Round(time.Second), r.stderr)
	if got := g.kubectl(t, "get", "configmaps", "-o", "name"); !strings.Contains(got, "written-before") || strings.Contains(got, "written-since") {
		t.Errorf("there is %s", got)
	}
	if got := g.kubectl(t, "get", "secret", "kept", "-o", "jsonpath={.data.key}"); got != "dmFsdWU=" {
		t.Errorf("the Secret is %q", got)
	}
	g.kubectl(t, "create", "configmap", "writes-are-taken")
	g.kubectl(t, "delete", "configmap", "writes-are-taken")
}
