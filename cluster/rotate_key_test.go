package cluster

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/settings"
	"hakube/replicate/etcdtest"
)

// An eachMaster is clients of each master's own API server. Used and asked, it tells whether
// every master reads what each of them writes.
type eachMaster struct {
	t       testing.TB
	clients []*kube.Client
	written int
}

func (c *sickCluster) eachMaster() *eachMaster {
	c.t.Helper()
	e, err := c.o.runFor(settings.StatusVerb, hold{}).Entry()
	c.must(err)
	x := &eachMaster{t: c.t}
	for i := range c.names {
		g := c.guest(i)
		client, err := kube.NewClient(e, func(ctx context.Context, _, _ string) (net.Conn, error) { return g.Dial(ctx, 443) }, nil)
		c.must(err)
		x.clients = append(x.clients, client)
	}
	return x
}

// use writes a Secret through each master, and reads all through each.
func (x *eachMaster) use(when string) {
	ctx := context.Background()
	for _, c := range x.clients {
		x.written++
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("written-%d", x.written)}, StringData: map[string]string{"is": fmt.Sprint(x.written)}}
		if _, err := c.Secrets("default").Create(ctx, s, metav1.CreateOptions{}); err != nil {
			x.t.Errorf("%s: writing: %v", when, err)
		}
	}
	for i, c := range x.clients {
		list, err := c.Secrets("default").List(ctx, metav1.ListOptions{})
		if err != nil || len(list.Items) != x.written {
			x.t.Errorf("%s: master %d reads %d of %d Secrets: %v", when, i, len(list.Items), x.written, err)
		}
	}
}

// watchedModel is a world whose machines tell of each script that they are asked to run.
func watchedModel(t *testing.T, told func(etcdtest.Asked) etcdtest.Fault) *world {
	w, _ := modelWorld(t, modelsFor(t, used, func(o *etcdtest.Options) {
		o.Fault = func(a etcdtest.Asked) etcdtest.Fault {
			if a.Script == "" {
				return etcdtest.Fault{}
			}
			return told(a)
		}
	}))
	return w
}

// stoppedAt is a cluster of two masters, of which the second failed at a stage of a rotation's
// script: run ended with that. From then on it does not.
func stoppedAt(t *testing.T, script, stage string, run func(*sickCluster) error) *sickCluster {
	t.Helper()
	var mu sync.Mutex
	fails := true
	c := sickOf(t, watchedModel(t, func(a etcdtest.Asked) etcdtest.Fault {
		mu.Lock()
		defer mu.Unlock()
		return etcdtest.Fault{Fail: fails && a.Script == script && a.Args[0] == stage && a.Machine != "kubernetes-master"}
	}), 2)
	if err := run(c); err == nil || !strings.Contains(err.Error(), "a fault that was asked for") {
		t.Fatalf("it ended with %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	fails = false
	return c
}

// leftUndone: status names one thing that is half done, and the command that ends it.
func (c *sickCluster) leftUndone(step, command string) {
	c.t.Helper()
	s, err := c.o.Status(c.t.Context())
	c.must(err)
	if len(s.Unfinished) != 1 || s.Unfinished[0].Step != step || s.Unfinished[0].Command != command {
		c.t.Fatalf("unfinished: %+v, want %q", s.Unfinished, step)
	}
}

// TestRotateEncryptionKey: at each step each master reads what any of them writes, in the end
// nothing is by the old key, and all masters have the same one alone; once more is another one.
func TestRotateEncryptionKey(t *testing.T) {
	besideOthers(t)
	for _, masters := range []int{3, 1} {
		if testing.Short() && masters == 1 {
			continue
		}
		var mu sync.Mutex
		var all *eachMaster
		c := sickOf(t, watchedModel(t, func(a etcdtest.Asked) etcdtest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if a.Script == "encryption-key" && all != nil {
				all.use(fmt.Sprintf("before %s %s", a.Machine, strings.Join(a.Args, " ")))
			}
			return etcdtest.Fault{}
		}), masters)
		mu.Lock()
		all = c.eachMaster()
		all.use("before")
		mu.Unlock()
		c.unchanged(func() {
			if n, err := c.o.PreviewRotate(t.Context(), inventory.RotateEncryptionKey, c.events()); err != nil || n != 3*masters+1 {
				t.Errorf("plan: %d steps, %v", n, err)
			}
		})
		before := c.guest(0).Encryption()
		for round := 1; round <= 2; round++ {
			s, err := c.o.Rotate(t.Context(), inventory.RotateEncryptionKey, c.events())
			c.must(err)
			if s.Nothing || !slices.Equal(s.Rotated, c.names) || s.Dark == nil || s.Dark.Probes == 0 {
				t.Errorf("round %d: %+v", round, s)
			}
			now := c.guest(0).Encryption()
			if len(now) != 1 || slices.Equal(now, before) {
				t.Errorf("round %d: the keys were %q and are %q", round, before, now)
			}
			for i := range c.names {
				if got := c.guest(i).Encryption(); !slices.Equal(got, now) {
					t.Errorf("round %d: %s has %q, %s %q", round, c.names[i], got, c.names[0], now)
				}
			}
			before = now
		}
		mu.Lock()
		all.use("after")
		if all.written < masters*2*(3*masters+1) {
			t.Errorf("%d Secrets were written on the way", all.written)
		}
		mu.Unlock()
		st, err := c.o.Status(t.Context())
		c.must(err)
		if len(st.Unfinished) > 0 {
			t.Errorf("unfinished: %+v", st.Unfinished)
		}
		c.whole(masters)
		nothingToDo(t, c.world, c.o)
		c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
	}
}

// TestRotateEncryptionKeyStops: where it stops at a master, all read what is written, status
// and validate say how far each has come and name the command, and that goes on with the same
// key; a master that is added meanwhile has it too, and another rotation is refused.
func TestRotateEncryptionKeyStops(t *testing.T) {
	long(t, "TestRotateEncryptionKey")
	besideOthers(t)
	stages := map[string]string{
		"behind": "1 of 2 masters have the key of before alone: kubernetes-master-B; 1 of 2 masters have the new key behind that of before: kubernetes-master",
		"first":  "1 of 2 masters have the new key behind that of before: kubernetes-master-B; 1 of 2 masters have the new key first: kubernetes-master",
		"alone":  "1 of 2 masters have the new key first: kubernetes-master-B; 1 of 2 masters have the new key alone: kubernetes-master",
	}
	for stage, says := range stages {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			var all *eachMaster
			c := stoppedAt(t, "encryption-key", stage, func(c *sickCluster) error {
				all = c.eachMaster()
				all.use("before")
				_, err := c.o.Rotate(t.Context(), inventory.RotateEncryptionKey, c.events())
				return err
			})
			all.use("stopped")
			const command = "hakube rotate encryption-key"
			c.leftUndone("a rotation of encryption-key is not done: "+strings.ReplaceAll(says, "kubernetes-master-B", c.names[1]), command)
			if v, err := c.o.Validate(t.Context()); err != nil || v.Valid {
				t.Errorf("valid: %+v, %v", v, err)
			}
			c.unchanged(func() {
				if _, err := c.o.Rotate(t.Context(), inventory.RotateCertificates, c.events()); err == nil || !strings.Contains(err.Error(), "a rotation of encryption-key is not done, which was begun on 20") {
					t.Errorf("another one: %v", err)
				}
			})
			key := newest(c.guest(0).Encryption())
			third := c.mustUp(c.o.replica(zoneD)).Replica
			c.names, c.zones = append(c.names, third), append(c.zones, string(zoneD))
			written := all.written
			all = c.eachMaster()
			all.written = written
			all.use("with another master")
			c.must(c.follow(c.o, command))
			all.use("after")
			for i := range c.names {
				if got := c.guest(i).Encryption(); !slices.Equal(got, []string{key}) {
					t.Errorf("%s has %q, the new key was %s", c.names[i], got, key)
				}
			}
			c.whole(3)
		})
	}
}

// newest is the key that a rotation made.
func newest(keys []string) string {
	return keys[slices.IndexFunc(keys, func(k string) bool { return strings.HasPrefix(k, "key-") })]
}

// TestRotateEncryptionKeyRefused: where Secrets are not encrypted, there is nothing to rotate.
func TestRotateEncryptionKeyRefused(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	c := sickOf(t, w, 1, func(s *settings.Settings) { s.EncryptSecrets = false })
	c.unchanged(func() {
		_, err := c.o.Rotate(t.Context(), inventory.RotateEncryptionKey, c.events())
		if err == nil || !strings.Contains(err.Error(), "kubernetes-master has no key that hakube made to encrypt Secrets with") {
			t.Errorf("it ended with %v", err)
		}
	})
}

// TestRestoreOfOldKey: a backup from before a rotation brings its key with it, so that its
// Secrets are read, and what is written then is by the new one where that is there.
func TestRestoreOfOldKey(t *testing.T) {
	long(t, "TestRestore")
	besideOthers(t)
	for name, lost := range map[string]bool{"the master lives": false, "its disk is lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newModelWorld(t)
			c := sickOf(t, w, 1)
			all := c.eachMaster()
			all.use("before")
			k := keeperOf(t, c.o)
			path, _ := k.backup(t, "b")
			_, err := c.o.Rotate(t.Context(), inventory.RotateEncryptionKey, c.events())
			c.must(err)
			if lost {
				c.deleteMachine(0)
				c.deleteDisk(0)
			}
			_, err = c.o.again(func(s *settings.Settings) { s.Zone = "" }).Restore(t.Context(), k.source(t, path), c.events(), agreed)
			c.must(err)
			all = c.eachMaster()
			all.written = 1
			all.use("restored")
			if got := c.guest(0).Encryption(); !slices.Contains(got, "key1") || (len(got) == 1) != lost {
				t.Errorf("its keys are %q", got)
			}
			_, err = c.o.Rotate(t.Context(), inventory.RotateEncryptionKey, c.events())
			c.must(err)
			all.use("rotated again")
			if got := c.guest(0).Encryption(); len(got) != 1 || got[0] == "key1" {
				t.Errorf("its keys are %q", got)
			}
			c.whole(1)
		})
	}
}
