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
// machine and disk, to one that the master has made by itself in a bucket, and of a snapshot of the disk. Secrets can be read, the node is Ready again by itself, and it and its
// pods were not touched meanwhile. Of one that is damaged, or without its key, nothing is changed.
// And it makes clusters of it: beside the one that lives, and on another embedded GCE.
func TestRealBackup(t *testing.T) {
	g := &grown{walk: newWalk(t), nodes: 1, masters: map[string]string{}}
	g.restorable(t)
	file := filepath.Join(t.TempDir(), "backup")
	g.ok(t, "local", "start", "--machines=real")
	g.keepsBackups(t)
	var counted *counter
	began, kept := "", "" // the latter in a bucket
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"a cluster and its backup", func(t *testing.T) {
			g.hakube(t, "up", zoneB)
			g.kubectl(t, "create", "configmap", "written-before")
			g.kubectl(t, "create", "secret", "generic", "kept", "--from-literal=key=value")
			eventually(t, 2*time.Minute, "the node runs kube-proxy", func() error {
				if began = g.proxy(t); began == "" {
					return errors.New("its container is not there yet")
				}
				return nil
			})
			g.tended(t)
			begin := time.Now()
			t.Logf("%s", g.ok(t, "backup", "--to="+file).stdout)
			t.Logf("the backup took %s", time.Since(begin).Round(time.Second))
			kept, _, _ = strings.Cut(g.ok(t, "backup", "--to=gs://backups/of").stdout, ": ")
			if list := g.ok(t, "backups", "gs://backups/of").stdout; !strings.Contains(list, kept) || !strings.Contains(list, " yes") {
				t.Errorf("the bucket has\n%s", list)
			}
			g.ok(t, "validate", "--backup-to=gs://backups/of", "--backup-max-age=1h")
			g.refusesBackups(t, file)
			eventually(t, 2*time.Minute, "nothing of a backup is left on the master", func() error {
				if left := g.on(t, master, "ls", "/mnt/disks/master-pd"); strings.Contains(left, "backup") {
					return errors.New(left) // the master makes some by itself
				}
				return nil
			})
		}},
		{"an operator's error", func(t *testing.T) {
			g.kubectl(t, "delete", "configmap", "written-before")
			g.kubectl(t, "create", "configmap", "written-since")
			g.restored(t, file)
		}},
		{"beside it", func(t *testing.T) { g.besideIt(t, file) }},
		{"the master and its disk are lost", func(t *testing.T) {
			counted = g.counter(t)
			g.newestSince(t, time.Now())
			if b := g.cluster(t).Backup; b.Every != "1m" {
				t.Errorf("they make one every %q", b.Every)
			}
			g.lose(t, master, zoneB)
			counted.end()
			newest, made := g.newestSince(t, time.Time{})
			g.restored(t, newest)
			counted.judge(t, g, made)
			eventually(t, 2*time.Minute, "the node's pod is the one of before", func() error { // which its kubelet tells the API of the backup
				if now := g.proxy(t); now != began {
					return fmt.Errorf("it is %s, before %s", now, began)
				}
				return nil
			})
			g.ok(t, "validate", "--wait=3m")
			g.ok(t, "plan", "up", "--zone="+zoneB, "--exit-code")
		}},
		{"they are lost again, but for a snapshot of the disk", func(t *testing.T) {
			if shortForms {
				report(t, "left to make long: a real cluster that is made of a snapshot of its master's disk")
				return
			}
			g.ok(t, "up", "--zone="+zoneB, "--disk-snapshots=hourly")
			disk := g.status(t).Endpoint + "/compute/v1/projects/" + g.project + "/zones/" + zoneB + "/disks/" + master + "-pd"
			if got := fmt.Sprint(g.http(t, http.MethodGet, disk, "")["resourcePolicies"]); !strings.Contains(got, "/resourcePolicies/"+master+"-snapshots") {
				t.Errorf("the disk is %s", got)
			}
			g.http(t, http.MethodPost, disk+"/createSnapshot", `{"name":"by-hand"}`) // the next full hour may be far
			eventually(t, 2*time.Minute, "the snapshot can be used", func() error {
				if list := g.ok(t, "backups", "snapshot://").stdout; !strings.Contains(list, "snapshot://by-hand") || !strings.Contains(list, "tried") {
					return errors.New(list)
				}
				return nil
			})
			g.kubectl(t, "create", "configmap", "written-since")
			g.lose(t, master, zoneB)
			g.restored(t, "snapshot://by-hand")
			g.ok(t, "validate", "--wait=3m")
			g.ok(t, "plan", "up", "--zone="+zoneB, "--exit-code")
			g.ok(t, "up", "--zone="+zoneB, "--disk-snapshots=none")
		}},
		{"on another embedded GCE", func(t *testing.T) { g.onAnother(t, file) }},
	} {
		if !t.Run(step.name, step.do) {
			break
		}
	}
	g.ok(t, "down", "--zone="+zoneB, "--yes")
}

// restorable has backups made for a key, and restored with it.
func (g *grown) restorable(t *testing.T) {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	identity := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(identity, []byte(key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.walk.env = append(g.walk.env, "NUM_NODES=1", "HAKUBE_BACKUP_RECIPIENTS="+key.Recipient().String(), "HAKUBE_BACKUP_IDENTITY="+identity)
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
