package cluster

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/replicate/etcdtest"
)

// membersTaken: each master's members take what any of them shows.
func (c *sickCluster) membersTaken(when string) {
	for i := range c.names {
		signs, _ := c.guest(i).EtcdAuthority()
		for j := range c.names {
			if _, trusts := c.guest(j).EtcdAuthority(); !slices.Contains(trusts, signs) {
				c.t.Errorf("%s: %s shows certificates by %s, and %s takes those by %q", when, c.names[i], signs, c.names[j], trusts)
			}
		}
	}
}

// oneForRings: all masters' members are by the same authority, and take no other.
func (c *sickCluster) oneForRings(before string) {
	c.t.Helper()
	first, _ := c.guest(0).EtcdAuthority()
	for i := range c.names {
		if signs, trusts := c.guest(i).EtcdAuthority(); signs != first || signs == before || !slices.Equal(trusts, []string{signs}) {
			c.t.Errorf("%s is by %s and takes %q, %s by %s, before by %s", c.names[i], signs, trusts, c.names[0], first, before)
		}
	}
}

// TestRotateEtcdCA: at each step members of all masters take what any of them shows; in the end
// there is another authority, the same and the only one on all masters. The only master comes to it by one step.
func TestRotateEtcdCA(t *testing.T) {
	long(t, "TestRotateCA")
	besideOthers(t)
	for _, masters := range []int{3, 1} {
		if testing.Short() && masters == 1 {
			continue
		}
		var mu sync.Mutex
		var c *sickCluster
		w := watchedModel(t, func(a etcdtest.Asked) etcdtest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if a.Script == "etcd-authority" && c != nil {
				c.membersTaken(fmt.Sprintf("before %s %s", a.Machine, strings.Join(a.Args, " ")))
			}
			return etcdtest.Fault{}
		})
		x := sickOf(t, w, masters)
		mu.Lock()
		c = x
		mu.Unlock()
		before, _ := c.guest(0).EtcdAuthority()
		c.unchanged(func() {
			if n, err := c.o.PreviewRotate(t.Context(), inventory.RotateEtcdCA, c.events()); err != nil || n != map[int]int{3: 9, 1: 1}[masters] {
				t.Errorf("plan: %d steps, %v", n, err)
			}
		})
		s, err := c.o.Rotate(t.Context(), inventory.RotateEtcdCA, c.events())
		c.must(err)
		if !slices.Equal(s.Rotated, c.names) {
			t.Errorf("rotated are %+v", s)
		}
		c.oneForRings(before)
		st, err := c.o.Status(t.Context())
		c.must(err)
		if len(st.Unfinished) > 0 {
			t.Errorf("unfinished: %+v", st.Unfinished)
		}
		c.whole(masters)
		before, _ = c.guest(0).EtcdAuthority()
		_, err = c.o.Rotate(t.Context(), inventory.RotateEtcdCA, c.events())
		c.must(err)
		c.oneForRings(before)
		c.whole(masters)
		c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
	}
}

// TestRotateEtcdCAStops: where it stops, members take what any of them shows, status says how far
// each master has come, and the command that it names goes on with the same authority, which a master
// that is added meanwhile has too.
func TestRotateEtcdCAStops(t *testing.T) {
	long(t, "TestRotateCA")
	besideOthers(t)
	for stage, says := range map[string]string{
		"trusted": "a rotation of etcd-ca is not done: 1 of 2 masters have the authority of before alone: B; 1 of 2 masters have the new authority trusted: kubernetes-master",
		"signs":   "a rotation of etcd-ca is not done: 1 of 2 masters have the new authority trusted: B; 1 of 2 masters have the new authority signing: kubernetes-master",
		"alone":   "a rotation of etcd-ca is not done: 1 of 2 masters have the new authority signing: B; 1 of 2 masters have no other authority trusted: kubernetes-master",
	} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			c := stoppedAt(t, "etcd-authority", stage, func(c *sickCluster) error {
				_, err := c.o.Rotate(t.Context(), inventory.RotateEtcdCA, c.events())
				return err
			})
			c.membersTaken("stopped")
			c.leftUndone(strings.ReplaceAll(says, "B;", c.names[1]+";"), "hakube rotate etcd-ca")
			third := c.mustUp(c.o.replica(zoneD)).Replica
			c.names, c.zones = append(c.names, third), append(c.zones, string(zoneD))
			c.membersTaken("with another master")
			c.must(c.follow(c.o, "hakube rotate etcd-ca"))
			c.oneForRings("etcd-ca")
			c.whole(3)
		})
	}
}

// TestRestoreOfOldEtcdCA: a backup from before an exchange has the authority of then, and a master
// that lives stays with its own.
func TestRestoreOfOldEtcdCA(t *testing.T) {
	long(t, "TestRestore")
	besideOthers(t)
	w, _ := newModelWorld(t)
	c := sickOf(t, w, 1, func(s *settings.Settings) { s.CreateNodes = false })
	k := keeperOf(t, c.o)
	path, _ := k.backup(t, "b")
	_, err := c.o.Rotate(t.Context(), inventory.RotateEtcdCA, c.events())
	c.must(err)
	_, err = c.o.again(func(s *settings.Settings) { s.Zone = "" }).Restore(t.Context(), k.source(t, path), c.events(), agreed)
	c.must(err)
	c.oneForRings("etcd-ca")
	c.names, c.zones = append(c.names, c.mustUp(c.o.replica(zoneC)).Replica), append(c.zones, string(zoneC))
	c.oneForRings("etcd-ca")
	c.whole(2)
}
