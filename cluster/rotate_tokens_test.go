package cluster

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/replicate/etcdtest"
)

// tokensTaken: each master takes the tokens that any of them signs.
func (c *sickCluster) tokensTaken(when string) {
	for i := range c.names {
		signs, _ := c.guest(i).TokenKeys()
		for j := range c.names {
			if _, trusts := c.guest(j).TokenKeys(); !slices.Contains(trusts, signs) {
				c.t.Errorf("%s: %s signs with %s, and %s takes tokens by %q", when, c.names[i], signs, c.names[j], trusts)
			}
		}
	}
}

// makeToken makes a Secret with a token of a service account, and returns how to read it.
func (c *sickCluster) makeToken() func() string {
	c.t.Helper()
	secrets := c.kube(c.o).Secrets("default")
	_, err := secrets.Create(c.t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "token"}, Type: corev1.SecretTypeServiceAccountToken}, metav1.CreateOptions{})
	c.must(err)
	return func() string {
		s, err := secrets.Get(c.t.Context(), "token", metav1.GetOptions{})
		c.must(err)
		return string(s.Data[corev1.ServiceAccountTokenKey])
	}
}

// TestRotateServiceAccountKey: at each step each master takes what any of them signs; tokens
// by the old key are taken until they are distrusted, which a warning names and a rotation
// that was cut does not; then they are made anew in Secrets, and no key is left but one.
func TestRotateServiceAccountKey(t *testing.T) {
	long(t, "TestRotateEncryptionKey")
	besideOthers(t)
	for _, masters := range []int{3, 1} {
		var mu sync.Mutex
		var c *sickCluster
		w := watchedModel(t, func(a etcdtest.Asked) etcdtest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if a.Script == "service-account-key" && c != nil {
				c.tokensTaken(fmt.Sprintf("before %s %s", a.Machine, strings.Join(a.Args, " ")))
			}
			return etcdtest.Fault{}
		})
		x := sickOf(t, w, masters)
		mu.Lock()
		c = x
		mu.Unlock()
		token := c.makeToken()
		old := token()
		before, _ := c.guest(0).TokenKeys()
		c.unchanged(func() {
			if s, err := c.o.Rotate(t.Context(), inventory.DistrustTokenKey, c.events()); err != nil || !s.Nothing || len(s.Rotated) > 0 {
				t.Errorf("distrusted where there is no other: %+v, %v", s, err)
			}
			if n, err := c.o.PreviewRotate(t.Context(), inventory.RotateTokenKey, c.events()); err != nil || n != map[int]int{3: 6, 1: 1}[masters] {
				t.Errorf("plan: %d steps, %v", n, err)
			}
		})
		s, err := c.o.Rotate(t.Context(), inventory.RotateTokenKey, c.events())
		c.must(err)
		if !slices.Equal(s.Rotated, c.names) {
			t.Errorf("rotated are %+v", s)
		}
		signs, _ := c.guest(0).TokenKeys()
		for i := range c.names {
			if now, trusts := c.guest(i).TokenKeys(); now != signs || now == before || !slices.Contains(trusts, before) || len(trusts) != 2 {
				t.Errorf("%s signs with %s and takes %q; before it was %s, elsewhere %s", c.names[i], now, trusts, before, signs)
			}
		}
		if token() != old {
			t.Error("a token that somebody may have copied was made anew before it was distrusted")
		}
		st, err := c.o.Status(t.Context())
		c.must(err)
		if len(st.Unfinished) > 0 || !strings.Contains(strings.Join(st.Warnings, "\n"), "tokens of service accounts are taken by 2 keys, and one signs; until 20") || strings.Contains(strings.Join(st.Warnings, "\n"), "hakube rotate") {
			t.Errorf("unfinished: %+v, warnings %q", st.Unfinished, st.Warnings)
		}
		c.whole(masters)
		var told Rotating
		c.o.OnRotate(func(x Rotating) error { told = x; return fmt.Errorf("no") })
		c.unchanged(func() {
			if _, err := c.o.Rotate(t.Context(), inventory.DistrustTokenKey, c.events()); err == nil || len(told.Ends) != 2 || !strings.Contains(told.Ends[0], "pods may hold tokens by the key of before") || !strings.HasSuffix(told.Ends[1], ": default/token") {
				t.Errorf("it ended with %v, and asked about %q", err, told.Ends)
			}
		})
		c.o.OnRotate(nil)
		_, err = c.o.Rotate(t.Context(), inventory.DistrustTokenKey, c.events())
		c.must(err)
		for i := range c.names {
			if now, trusts := c.guest(i).TokenKeys(); now != signs || !slices.Equal(trusts, []string{signs}) {
				t.Errorf("%s signs with %s and takes %q, want %s", c.names[i], now, trusts, signs)
			}
		}
		if token() == old {
			t.Error("the token in a Secret is of before")
		}
		if st, err = c.o.Status(t.Context()); err != nil || len(st.Unfinished) > 0 || strings.Contains(strings.Join(st.Warnings, "\n"), "tokens of service accounts") {
			t.Errorf("unfinished: %+v, warnings %q, %v", st.Unfinished, st.Warnings, err)
		}
		c.whole(masters)
		c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
	}
}

// TestRotateServiceAccountKeyStops: where it stops, all take what any signs, status says how far
// each master has come, and the command that it names goes on with the same key, which a master
// that is added meanwhile has too.
func TestRotateServiceAccountKeyStops(t *testing.T) {
	long(t, "TestRotateEncryptionKey")
	besideOthers(t)
	for stage, says := range map[string]string{
		"trusted": "a rotation of service-account-key is not done: 1 of 2 masters have the key of before alone: B; 1 of 2 masters have the new key trusted: kubernetes-master",
		"signs":   "a rotation of service-account-key is not done: 1 of 2 masters have the new key trusted: B; 1 of 2 masters have the new key signing: kubernetes-master",
		"alone":   "distrusting the service-account-key of before is not done: 1 of 2 masters have the key of before trusted too: B; 1 of 2 masters have no other key trusted: kubernetes-master",
	} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			c := stoppedAt(t, "service-account-key", stage, func(c *sickCluster) error {
				_, err := c.o.Rotate(t.Context(), inventory.RotateTokenKey, c.events())
				if stage == "alone" {
					c.must(err)
					_, err = c.o.Rotate(t.Context(), inventory.DistrustTokenKey, c.events())
				}
				return err
			})
			c.tokensTaken("stopped")
			command := map[bool]string{false: "hakube rotate service-account-key", true: "hakube rotate --distrust service-account-key"}[stage == "alone"]
			c.leftUndone(strings.ReplaceAll(says, "B;", c.names[1]+";"), command)
			third := c.mustUp(c.o.replica(zoneD)).Replica
			c.names, c.zones = append(c.names, third), append(c.zones, string(zoneD))
			c.tokensTaken("with another master")
			c.must(c.follow(c.o, command))
			c.tokensTaken("after")
			signs, trusts := c.guest(0).TokenKeys()
			for i := range c.names {
				if now, also := c.guest(i).TokenKeys(); now != signs || len(also) != len(trusts) || signs == "kid-1" || (len(trusts) == 1) != (stage == "alone") {
					t.Errorf("%s signs with %s and takes %q, %s with %s and %q", c.names[i], now, also, c.names[0], signs, trusts)
				}
			}
			c.whole(3)
		})
	}
}

// TestRestoreOfOldTokens: a backup from before a rotation has tokens by the key of then, which
// a master that lives takes as well; those that pods hold by now are taken too.
func TestRestoreOfOldTokens(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	c := sickOf(t, w, 1)
	k := keeperOf(t, c.o)
	path, _ := k.backup(t, "b")
	for _, of := range []string{inventory.RotateTokenKey, inventory.DistrustTokenKey} {
		_, err := c.o.Rotate(t.Context(), of, c.events())
		c.must(err)
	}
	before, _ := c.guest(0).TokenKeys()
	_, err := c.o.again(func(s *settings.Settings) { s.Zone = "" }).Restore(t.Context(), k.source(t, path), c.events(), agreed)
	c.must(err)
	if signs, trusts := c.guest(0).TokenKeys(); signs != before || !slices.Contains(trusts, "kid-1") || len(trusts) != 2 {
		t.Errorf("it signs with %s, which was %s, and takes %q", signs, before, trusts)
	}
}
