package cluster

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
	"hakube/scripts"
)

// joins tells whether the first master lets somebody ask for a node's certificate with a token.
func (c *sickCluster) joins(token string) bool {
	c.t.Helper()
	near := c.guest(0)
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return near.Dial(ctx, 443) },
	}}
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, "https://master/api/v1/nodes/none", nil)
	c.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := client.Do(r)
	c.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	c.must(err)
	switch answer.StatusCode {
	case http.StatusNotFound: // it may ask, and there is no such node
		return true
	case http.StatusUnauthorized:
		return false
	}
	c.t.Fatalf("%s: %s", answer.Status, text)
	return false
}

// joinTokens are those in the metadata of templates and of nodes' machines, with how many have each.
func (w *world) joinTokens() (templates, machines map[string]int) {
	templates, machines = map[string]int{}, map[string]int{}
	for path, doc := range w.objects() {
		properties, is := doc["properties"].(map[string]any)
		count := templates
		if !is {
			properties, count = doc, machines
		}
		meta, _ := properties["metadata"].(map[string]any)
		items, _ := meta["items"].([]any)
		for _, x := range items {
			if item := x.(map[string]any); item["key"] == scripts.KeyJoinToken {
				count[fmt.Sprint(item["value"])]++
				if !strings.Contains(path, "/instanceTemplates/") && !strings.Contains(path, "/instances/") {
					w.t.Errorf("%s has a join token", path)
				}
			}
		}
	}
	return templates, machines
}

// onlyOne is the only token that templates and so many machines have.
func (w *world) onlyOne(machines int) (token string) {
	w.t.Helper()
	templates, all := w.joinTokens()
	tokens := slices.Collect(maps.Keys(templates))
	if len(tokens) != 1 || len(all) != 1 || all[tokens[0]] != machines {
		w.t.Fatalf("templates have %v, machines %v, of which there are to be %d with one", templates, all, machines)
	}
	return tokens[0]
}

// nodeIDs are the numbers of nodes' machines, by path.
func (w *world) nodeIDs() map[string]string {
	ids := map[string]string{}
	for path, doc := range w.objects() {
		if strings.Contains(path, "/instances/kubernetes-minion") {
			ids[path] = fmt.Sprint(doc["id"])
		}
	}
	return ids
}

// onRequest calls f before the first request whose path ends so.
func (w *world) onRequest(suffix string, f func()) {
	var once sync.Once
	w.setFault(func(r *http.Request) emulator.Fault {
		if strings.HasSuffix(r.URL.Path, suffix) {
			once.Do(f)
		}
		return emulator.Fault{}
	})
}

// TestRotateJoinToken: machines of all pools have another token, and none of them was made again;
// one that is being made meanwhile is a node; nobody joins with the token of before, and those
// who are made from then on do; a pool of another zone gets the new one too.
func TestRotateJoinToken(t *testing.T) {
	besideOthers(t)
	c := newSick(t, 1)
	c.mustUp(c.o.pool(zoneC, 1))
	c.mustUp(c.o.named("gpu", zoneB, 1, ""))
	before, ids := c.onlyOne(3), c.nodeIDs()
	if !c.joins(before) {
		t.Fatal("nobody joins with the token that there is")
	}
	var told Rotating
	c.o.OnRotate(func(x Rotating) error { told = x; return nil })
	c.unchanged(func() {
		if n, err := c.o.PreviewRotate(t.Context(), inventory.RotateJoinToken, c.events()); err != nil || n != 6 {
			t.Errorf("plan: %d steps, %v", n, err)
		}
	})
	if len(told.Masters) != 3 || told.Masters[0].Why == "" || len(told.Ends) > 0 {
		t.Errorf("it tells %+v", told)
	}
	taken := false
	c.onRequest("/setInstanceTemplate", func() { // one that has the token of before is on its way
		c.resize(string(zoneB), 2)
		taken = c.joins(before)
	})
	s, err := c.o.Rotate(t.Context(), inventory.RotateJoinToken, c.events())
	c.must(err)
	if !taken {
		t.Error("the token of before was not taken while machines had it")
	}
	if s.Nothing || len(s.Rotated) != 3 || s.Dark == nil || s.Dark.Failed > 0 {
		t.Errorf("summary: %+v", s)
	}
	c.mustUp(c.o.again(func(s *settings.Settings) { s.NumNodes = 2 })) // whoever was being made is Ready
	now := c.onlyOne(4)
	if now == before || c.joins(before) || !c.joins(now) {
		t.Errorf("the token was %s and is %s; joins with it: %t, %t", before, now, c.joins(before), c.joins(now))
	}
	for path, id := range c.nodeIDs() {
		if was := ids[path]; was != "" && was != id {
			t.Errorf("%s was made again", path)
		}
		delete(ids, path)
	}
	if len(ids) > 0 {
		t.Errorf("gone are %v", ids)
	}
	st, err := c.o.Status(t.Context())
	c.must(err)
	if len(st.Unfinished) > 0 {
		t.Errorf("unfinished: %+v", st.Unfinished)
	}
	c.whole(1)
	nothingToDo(t, c.world, c.o.again(func(s *settings.Settings) { s.NumNodes = 2 }))
	c.unchanged(func() {
		if n, err := c.o.again(func(s *settings.Settings) { s.Zone = "" }).PreviewRoll(t.Context(), false, c.events()); err != nil || n != 0 {
			t.Errorf("plan of a roll: %d steps, %v", n, err)
		}
	})
	c.mustUp(c.o.pool(zoneD, 1))
	c.mustUp(c.o.pool(zoneC, 2))
	if got := c.onlyOne(6); got != now {
		t.Errorf("new machines have %s, not %s", got, now)
	}
	_, err = c.o.Rotate(t.Context(), inventory.RotateJoinToken, c.events())
	c.must(err)
	if got := c.onlyOne(6); got == now || c.joins(now) || !c.joins(got) {
		t.Errorf("once more it is %s, was %s", got, now)
	}
	c.whole(1)
	c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
}

// TestRotateJoinTokenStops: where it stops, who joins with either token does, status names the
// command, an up meanwhile makes no node again, and the command ends it with the same token.
func TestRotateJoinTokenStops(t *testing.T) {
	long(t, "TestRotateJoinToken")
	besideOthers(t)
	for _, at := range []string{"/instanceTemplates", "/setInstanceTemplate", "/applyUpdatesToInstances"} {
		t.Run(at[1:], func(t *testing.T) {
			t.Parallel()
			c := newSick(t, 1)
			c.mustUp(c.o.pool(zoneC, 1))
			before, ids := c.onlyOne(2), c.nodeIDs()
			c.setFault(failing(at))
			if _, err := c.o.Rotate(t.Context(), inventory.RotateJoinToken, c.events()); err == nil {
				t.Fatal("it did not stop")
			}
			c.setFault(nil)
			c.leftUndone("a rotation of join-token is not done: machines may join with the one of before", "hakube rotate join-token")
			if !c.joins(before) {
				t.Error("the token of before is not taken")
			}
			c.mustUp(c.o)
			c.mustUp(c.o.pool(zoneC, 2))
			c.must(c.follow(c.o, "hakube rotate join-token"))
			now := c.onlyOne(3)
			if c.joins(before) || !c.joins(now) {
				t.Errorf("joins with that of before: %t, with the new one: %t", c.joins(before), c.joins(now))
			}
			for path, id := range ids {
				if got := c.nodeIDs()[path]; got != id {
					t.Errorf("%s was made again", path)
				}
			}
			c.whole(1)
			nothingToDo(t, c.world, c.o)
		})
	}
}

// TestRotateJoinTokenAlone: a cluster without nodes has no template, and a token for those to come.
func TestRotateJoinTokenAlone(t *testing.T) {
	long(t, "TestRotateJoinToken")
	besideOthers(t)
	w, _ := newModelWorld(t)
	c := sickOf(t, w, 1, func(s *settings.Settings) { s.CreateNodes = false })
	s, err := c.o.Rotate(t.Context(), inventory.RotateJoinToken, c.events())
	c.must(err)
	if s.Nothing || len(s.Rotated) > 0 {
		t.Errorf("summary: %+v", s)
	}
	c.mustUp(c.o.again(func(s *settings.Settings) { s.CreateNodes = true }))
	c.joins(c.onlyOne(1))
	c.whole(1)
}

// TestRotateJoinTokenRefused: while nodes of a pool are being replaced nothing is changed.
func TestRotateJoinTokenRefused(t *testing.T) {
	long(t, "TestRotateJoinToken")
	besideOthers(t)
	c := newSick(t, 1)
	c.setFault(failing("/resize"))
	if _, err := c.o.ofType("e2-standard-4").Up(t.Context(), c.events()); err == nil {
		t.Fatal("it did not stop")
	}
	c.setFault(nil)
	c.unchanged(func() {
		_, err := c.o.Rotate(t.Context(), inventory.RotateJoinToken, c.events())
		if err == nil || !strings.Contains(err.Error(), "1 of 1 nodes were not replaced yet") || !strings.Contains(hintOf(err), "NUM_NODES=1 hakube up") {
			t.Errorf("it ended with %v; %s", err, hintOf(err))
		}
	})
	c.mustUp(c.o)
	_, err := c.o.Rotate(t.Context(), inventory.RotateJoinToken, c.events())
	c.must(err)
	c.whole(1)
}

// TestRestoreOfOldJoinToken: a backup from before an exchange has the token of then, with which
// nobody joins after a restore either; those that templates have are taken.
func TestRestoreOfOldJoinToken(t *testing.T) {
	long(t, "TestRotateJoinToken")
	besideOthers(t)
	c := newSick(t, 1)
	before := c.onlyOne(1)
	k := keeperOf(t, c.o)
	path, _ := k.backup(t, "b")
	_, err := c.o.Rotate(t.Context(), inventory.RotateJoinToken, c.events())
	c.must(err)
	_, err = c.o.again(func(s *settings.Settings) { s.Zone = "" }).Restore(t.Context(), k.source(t, path), c.events(), agreed)
	c.must(err)
	if now := c.onlyOne(1); now == before || c.joins(before) || !c.joins(now) {
		t.Errorf("it was %s and is %s; joins with it: %t, %t", before, now, c.joins(before), c.joins(now))
	}
	c.mustUp(c.o.again(func(s *settings.Settings) { s.NumNodes = 2 }))
	c.whole(1)
}
