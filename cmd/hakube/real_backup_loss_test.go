//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// byMasters is where masters of these tests keep the backups that they make by themselves.
const byMasters = "gs://backups/by-masters"

// keepsBackups makes the bucket, and an account of masters that has what that takes and no
// more, and has them make a backup every minute.
func (g *grown) keepsBackups(t *testing.T) {
	t.Helper()
	at := g.status(t).Endpoint
	account := "hakube-masters@" + g.project + ".iam.gserviceaccount.com"
	g.http(t, http.MethodPost, at+"/storage/v1/b?project="+g.project, `{"name":"backups","location":"EU"}`)
	g.http(t, http.MethodPost, at+"/v1/projects/"+g.project+"/serviceAccounts", `{"accountId":"hakube-masters"}`)
	g.http(t, http.MethodPut, at+"/storage/v1/b/backups/iam", `{"bindings":[{"role":"roles/storage.objectUser","members":["serviceAccount:`+account+`"]}]}`)
	g.walk.env = append(g.walk.env, "HAKUBE_BACKUP_EVERY=1m", "HAKUBE_BACKUP_TO="+byMasters, "HAKUBE_MASTER_SERVICE_ACCOUNT="+account)
}

// newestSince waits for a backup of masters' own that was made after a moment.
func (g *grown) newestSince(t *testing.T, since time.Time) (where string, made time.Time) {
	t.Helper()
	eventually(t, 5*time.Minute, "masters make a backup by themselves", func() error {
		b := g.cluster(t).Backup
		switch {
		case b == nil || b.Newest == nil:
			return fmt.Errorf("there is none: %+v", b)
		case !b.Newest.MadeAt.After(since):
			return fmt.Errorf("the newest is of %s, and they say %q", b.Newest.MadeAt, b.Attempts)
		}
		where, made = b.Newest.Where, *b.Newest.MadeAt
		return nil
	})
	return where, made
}

// A counter is a ConfigMap that is written all the while: when each write was acknowledged.
type counter struct {
	mu    sync.Mutex
	acked map[int]time.Time
	n     int
	end   func()
}

func (g *grown) counter(t *testing.T) *counter {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", g.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.Timeout = 5 * time.Second
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	maps := client.CoreV1().ConfigMaps("default")
	if _, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "counter"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	c := &counter{acked: map[int]time.Time{}}
	c.end = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(c.end)
	go func() {
		defer close(done)
		for n := 1; ctx.Err() == nil; n++ {
			_, err := maps.Patch(ctx, "counter", types.MergePatchType, fmt.Appendf(nil, `{"data":{"n":"%d"}}`, n), metav1.PatchOptions{})
			c.mu.Lock()
			if c.n = n; err == nil {
				c.acked[n] = time.Now()
			}
			c.mu.Unlock()
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return c
}

// judge says what was lost of it, which is nothing that was written before the backup was made.
func (c *counter) judge(t *testing.T, g *grown, made time.Time) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	kept, err := strconv.Atoi(g.kubectl(t, "get", "configmap", "counter", "-o", "jsonpath={.data.n}"))
	if err != nil {
		t.Fatal(err)
	}
	var lost int
	var first, last time.Time
	for n := 1; n <= c.n; n++ {
		at, acked := c.acked[n]
		if !acked {
			continue
		}
		if last = at; n <= kept {
			continue
		}
		if lost++; first.IsZero() {
			first = at
		}
		if at.Before(made) {
			t.Errorf("write %d was acknowledged at %s, before the backup of %s, and is lost", n, at, made)
		}
	}
	seconds := 0.0
	if lost > 0 {
		seconds = last.Sub(first).Seconds()
	}
	report(t, "backups every minute: of %d acknowledged writes the last %d are lost, of %.1f s", len(c.acked), lost, seconds)
}

// TestRealBackupOfThree loses all machines and disks of three real masters that make a backup
// every minute, while a workload runs and a counter is written: the restore of the newest
// brings the API back at the same address, the node is Ready again by itself, its pod was not
// touched, and no write is lost that is older than the backup.
func TestRealBackupOfThree(t *testing.T) {
	if shortForms {
		report(t, "left to make long: the loss of three masters that make backups by themselves")
		return
	}
	g := &grown{walk: newWalk(t), nodes: 1, masters: map[string]string{}}
	g.restorable(t)
	g.ok(t, "local", "start", "--machines=real")
	g.keepsBackups(t)
	g.walk.env = slices.DeleteFunc(withoutZone(g.walk.env), func(kv string) bool { return strings.HasPrefix(kv, "NUM_NODES=") })              // the number is one of all zones
	g.ok(t, "up", "--zones="+strings.Join([]string{zoneB, zoneC, zoneD}, ","), "--master-count=3", "--node-count=1", "--master-groups=false") // a group would make a machine again before its disk is gone
	g.runBusybox(t, "untouched", `{}`)
	container := func() string {
		return g.kubectl(t, "get", "pod", "untouched", "-o", "jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}")
	}
	was := container()
	counted, began := g.counter(t), time.Now()
	g.newestSince(t, began.Add(time.Minute))
	g.ok(t, "validate")
	before := g.cluster(t)
	for _, m := range before.Masters {
		g.lose(t, m.Name, m.Zone)
	}
	lost := time.Now()
	counted.end()
	newest, made := g.newestSince(t, began)
	begin := time.Now()
	r := g.ok(t, "restore", "--yes", newest)
	report(t, "restore of three masters' backup onto one: %.1f s, %.1f s after they were lost", time.Since(begin).Seconds(), time.Since(lost).Seconds())
	t.Log(r.stderr)
	after := g.cluster(t)
	if after.Address.IP != before.Address.IP || len(after.Masters) != 1 {
		t.Errorf("the address was %+v and is %+v, masters are %+v", before.Address, after.Address, after.Masters)
	}
	counted.judge(t, g, made)
	g.ok(t, "validate", "--wait=4m", "--backup-max-age=1h")
	report(t, "the cluster is valid %.1f s after the restore began", time.Since(begin).Seconds())
	eventually(t, 2*time.Minute, "the pod is the one of before", func() error {
		if now := container(); now != was {
			return errors.New(now)
		}
		return nil
	})
	g.newestSince(t, begin) // the one that was made anew goes on with them
	g.ok(t, "down", "--yes")
}
