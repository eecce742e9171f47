package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/settings"
	"hakube/replicate/etcdtest"
)

// knows tells whether somebody who knows the authorities of an entry alone, and whose certificate
// is that of the entry, is let in by each master and takes it for one.
func (c *sickCluster) knows(e kube.Entry) (err error) {
	for i, name := range c.names {
		near := c.guest(i)
		client, x := kube.NewClient(e, func(ctx context.Context, _, _ string) (net.Conn, error) { return near.Dial(ctx, 443) }, nil)
		if x == nil {
			_, x = client.Nodes().List(context.Background(), metav1.ListOptions{})
		}
		if x != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, x))
		}
	}
	return err
}

func (c *sickCluster) entry() kube.Entry {
	c.t.Helper()
	e, err := c.o.runFor(settings.StatusVerb, hold{}).Entry()
	c.must(err)
	return e
}

// TestRotateCA: at each step each master takes, and is taken by, who knows the authority of
// before alone; that ends when it is distrusted, which is refused while a node is of before.
func TestRotateCA(t *testing.T) {
	besideOthers(t)
	for _, masters := range []int{3, 1} {
		if testing.Short() && masters == 1 {
			continue
		}
		var mu sync.Mutex
		var c *sickCluster
		var old kube.Entry
		w := watchedModel(t, func(a etcdtest.Asked) etcdtest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if a.Script == "authority" && c != nil && a.Args[0] != "alone" {
				if err := c.knows(old); err != nil {
					t.Errorf("before %s %s: %v", a.Machine, strings.Join(a.Args, " "), err)
				}
			}
			return etcdtest.Fault{}
		})
		x := sickOf(t, w, masters)
		mu.Lock()
		c, old = x, x.entry()
		mu.Unlock()
		before := c.guest(0).Authorities()
		c.unchanged(func() {
			if s, err := c.o.Rotate(t.Context(), inventory.DistrustCA, c.events()); err != nil || !s.Nothing || len(s.Rotated) > 0 {
				t.Errorf("distrusted where there is no other: %+v, %v", s, err)
			}
			if n, err := c.o.PreviewRotate(t.Context(), inventory.RotateCA, c.events()); err != nil || n != map[int]int{3: 6, 1: 1}[masters] {
				t.Errorf("plan: %d steps, %v", n, err)
			}
		})
		s, err := c.o.Rotate(t.Context(), inventory.RotateCA, c.events())
		c.must(err)
		if !slices.Equal(s.Rotated, c.names) {
			t.Errorf("rotated are %+v", s)
		}
		now := c.guest(0).Authorities()
		for i := range c.names {
			if list := c.guest(i).Authorities(); len(list) != 2 || !slices.Equal(list, now) || list[0] == before[0] || list[1] != before[0] {
				t.Errorf("%s trusts %q, before it was %q, elsewhere %q", c.names[i], list, before, now)
			}
		}
		if err := c.knows(old); err != nil {
			t.Errorf("who knows that of before: %v", err)
		}
		if e := c.entry(); !e.By() || !slices.Equal(kube.CAHashes(e.CA), now) {
			t.Errorf("the operator's entry knows %q; it is by the first: %t", kube.CAHashes(e.CA), e.By())
		}
		warned := func(want string) {
			t.Helper()
			st, err := c.o.Status(t.Context())
			c.must(err)
			if all := strings.Join(st.Warnings, "\n"); len(st.Unfinished) > 0 || want == "" && strings.Contains(all, "authorities") || !strings.Contains(all, want) {
				t.Errorf("unfinished: %+v, warnings %q, want %q", st.Unfinished, st.Warnings, want)
			}
		}
		warned("certificates by 2 authorities are taken, and one signs; nodes of before know that of before alone: kubernetes-minion-group-")
		c.whole(masters)
		for of, says := range map[string]string{
			inventory.RotateCA:   "masters trust two certificate authorities already; hakube rotate --distrust ca",
			inventory.DistrustCA: "1 nodes know the certificate authority of before alone, and would be lost: kubernetes-minion-group-; hakube roll",
		} {
			why, command, _ := strings.Cut(says, "; ")
			c.unchanged(func() {
				_, err := c.o.Rotate(t.Context(), of, c.events())
				h := (interface{ Hint() string })(nil)
				if err == nil || !strings.Contains(err.Error(), why) || !errors.As(err, &h) || !strings.Contains(h.Hint(), command) {
					t.Errorf("%s: it ended with %v", of, err)
				}
			})
		}
		made, err := c.o.again(func(s *settings.Settings) { s.Zone = "" }).Roll(t.Context(), false, c.events())
		c.must(err)
		if len(made.Rolled) > 0 || len(made.RolledPools) != 1 || !strings.Contains(made.RolledPools[0].Why, "certificate authority=sha256:") {
			t.Errorf("made again are %v and %+v", made.Rolled, made.RolledPools)
		}
		warned("no node knows another one any more, and this takes those by no other")
		var told Rotating
		c.o.OnRotate(func(x Rotating) error { told = x; return fmt.Errorf("no") })
		c.unchanged(func() {
			if _, err := c.o.Rotate(t.Context(), inventory.DistrustCA, c.events()); err == nil || len(told.Ends) == 0 || !strings.Contains(told.Ends[0], "by the authority of before are not let in any more") {
				t.Errorf("it ended with %v, and asked about %q", err, told.Ends)
			}
		})
		c.o.OnRotate(nil)
		_, err = c.o.Rotate(t.Context(), inventory.DistrustCA, c.events())
		c.must(err)
		for i := range c.names {
			if list := c.guest(i).Authorities(); !slices.Equal(list, now[:1]) {
				t.Errorf("%s trusts %q, want %q", c.names[i], list, now[:1])
			}
		}
		if err := c.knows(old); err == nil {
			t.Error("who knows that of before alone takes masters that do not show it")
		}
		old.CA = c.entry().CA
		if err := c.knows(old); err == nil || !strings.Contains(err.Error(), "nauthorized") {
			t.Errorf("a certificate by that of before: %v", err)
		}
		warned("")
		c.whole(masters)
		c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
	}
}

// TestRotateCAStops: where it stops, who knows either authority goes on, status says how far
// each master has come, and the command that it names goes on with the same authority, which a
// master that is added meanwhile has too.
func TestRotateCAStops(t *testing.T) {
	long(t, "TestRotateCA")
	besideOthers(t)
	for stage, says := range map[string]string{
		"trusted": "a rotation of ca is not done: 1 of 2 masters have the authority of before alone: B; 1 of 2 masters have the new authority trusted: kubernetes-master",
		"signs":   "a rotation of ca is not done: 1 of 2 masters have the new authority trusted: B; 1 of 2 masters have the new authority signing: kubernetes-master",
		"alone":   "distrusting the ca of before is not done: 1 of 2 masters have the authority of before trusted too: B; 1 of 2 masters have no other authority trusted: kubernetes-master",
	} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			var old kube.Entry
			c := stoppedAt(t, "authority", stage, func(c *sickCluster) error {
				old = c.entry()
				_, err := c.o.Rotate(t.Context(), inventory.RotateCA, c.events())
				if stage == "alone" {
					c.must(err)
					_, err = c.o.again(func(s *settings.Settings) { s.Zone = "" }).Roll(t.Context(), false, c.events())
					c.must(err)
					old = c.entry()
					_, err = c.o.Rotate(t.Context(), inventory.DistrustCA, c.events())
				}
				return err
			})
			c.must(c.knows(old))
			command := map[bool]string{false: "hakube rotate ca", true: "hakube rotate --distrust ca"}[stage == "alone"]
			c.leftUndone(strings.ReplaceAll(says, "B;", c.names[1]+";"), command)
			third := c.mustUp(c.o.replica(zoneD)).Replica
			c.names, c.zones = append(c.names, third), append(c.zones, string(zoneD))
			c.must(c.knows(old))
			c.must(c.follow(c.o, command))
			c.must(c.knows(old))
			now := c.guest(0).Authorities()
			for i := range c.names {
				if list := c.guest(i).Authorities(); !slices.Equal(list, now) || (len(list) == 1) != (stage == "alone") {
					t.Errorf("%s trusts %q, %s %q", c.names[i], list, c.names[0], now)
				}
			}
			c.whole(3)
		})
	}
}

// TestRotateCAWithoutNodes: a template that no group uses is of the authority of before, and is
// made again when there are to be nodes.
func TestRotateCAWithoutNodes(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	c := sickOf(t, w, 1, func(s *settings.Settings) { s.CreateNodes = false })
	for _, of := range []string{inventory.RotateCA, inventory.DistrustCA} {
		_, err := c.o.Rotate(t.Context(), of, c.events())
		c.must(err)
	}
	o := c.o.again(func(s *settings.Settings) { s.CreateNodes = true })
	c.mustUp(o)
	c.whole(1)
	nothingToDo(t, c.world, o)
}

// TestRestoreOfOldCA: a backup from before an exchange has the authority of then, and a master
// that lives stays with its own.
func TestRestoreOfOldCA(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	c := sickOf(t, w, 1, func(s *settings.Settings) { s.CreateNodes = false })
	k := keeperOf(t, c.o)
	path, _ := k.backup(t, "b")
	for _, of := range []string{inventory.RotateCA, inventory.DistrustCA} {
		_, err := c.o.Rotate(t.Context(), of, c.events())
		c.must(err)
	}
	before := c.guest(0).Authorities()
	_, err := c.o.again(func(s *settings.Settings) { s.Zone = "" }).Restore(t.Context(), k.source(t, path), c.events(), agreed)
	c.must(err)
	if now := c.guest(0).Authorities(); !slices.Equal(now, before) {
		t.Errorf("it trusts %q, and did %q", now, before)
	}
	c.must(c.knows(c.entry()))
	_, err = c.o.Rotate(t.Context(), inventory.RotateCA, c.events()) // what the manual says to do after it
	c.must(err)
	again := c.o.again(func(s *settings.Settings) { s.CreateNodes = true })
	c.mustUp(again)
	_, err = again.Rotate(t.Context(), inventory.DistrustCA, c.events())
	c.must(err)
	if now := c.guest(0).Authorities(); len(now) != 1 || now[0] == before[0] {
		t.Errorf("it trusts %q, and did %q", now, before)
	}
	c.whole(1)
}
