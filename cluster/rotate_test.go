package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/replicate/etcdtest"
)

// serials are those of the certificates that the masters' API servers show, by name.
func (c *sickCluster) serials() map[string]string {
	c.t.Helper()
	all := map[string]string{}
	for i, name := range c.names {
		near, err := c.guest(i).Dial(context.Background(), 443)
		c.must(err)
		conn := tls.Client(near, &tls.Config{InsecureSkipVerify: true})
		c.must(conn.HandshakeContext(context.Background()))
		all[name] = conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
		c.must(conn.Close())
	}
	return all
}

// another counts the masters that show another certificate than before.
func another(before, now map[string]string) (n int) {
	for name := range before {
		if before[name] != now[name] {
			n++
		}
	}
	return n
}

// TestRotate: the certificates of all masters are made anew, one master after the other,
// which a plan says and status does not warn of any more; those who hold old ones go on.
func TestRotate(t *testing.T) {
	long(t, "TestRotateCA")
	besideOthers(t)
	for _, masters := range []int{3, 1} {
		c := newSick(t, masters)
		c.guest(masters - 1).AgeCertificates(20 * 24 * time.Hour)
		before := c.serials()
		var told Rotating
		c.o.OnRotate(func(x Rotating) error { told = x; return nil })
		c.unchanged(func() {
			if n, err := c.o.PreviewRotate(t.Context(), inventory.RotateCertificates, c.events()); err != nil || n != masters {
				t.Errorf("plan: %d steps, %v", n, err)
			}
		})
		if len(told.Masters) != masters || told.Since != "" || told.Masters[0].Why == "" {
			t.Errorf("it tells %+v", told)
		}
		for round := 1; round <= 2; round++ { // a second time makes them anew again
			s, err := c.o.Rotate(t.Context(), inventory.RotateCertificates, c.events())
			c.must(err)
			if s.Nothing || !slices.Equal(s.Rotated, c.names) || s.Dark == nil || s.Dark.Probes == 0 {
				t.Errorf("round %d: %+v", round, s)
			}
			now := c.serials()
			if n := another(before, now); n != masters {
				t.Errorf("round %d: %d of %d masters show another certificate", round, n, masters)
			}
			before = now
		}
		st, err := c.o.Status(t.Context())
		c.must(err)
		if len(st.Unfinished) > 0 || strings.Contains(strings.Join(st.Warnings, "\n"), "certificates of ") {
			t.Errorf("unfinished: %+v, warnings %q", st.Unfinished, st.Warnings)
		}
		c.whole(masters)
		nothingToDo(t, c.world, c.o)
		c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
	}
}

// TestRotateStops: a master on which it fails ends the walk with all serving, status says
// which masters have old ones and names the command, and that goes on with these alone.
func TestRotateStops(t *testing.T) {
	long(t, "TestRotateCA")
	besideOthers(t)
	var mu sync.Mutex
	calls := 0
	w, _ := modelWorld(t, modelsFor(t, used, func(o *etcdtest.Options) {
		o.Fault = func(a etcdtest.Asked) etcdtest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if a.Script == "rotate-certificates" {
				calls++
			}
			return etcdtest.Fault{Fail: a.Script == "rotate-certificates" && calls == 2}
		}
	}))
	c := sickOf(t, w, 3)
	before := c.serials()
	_, err := c.o.Rotate(t.Context(), inventory.RotateCertificates, c.events())
	if h := (interface{ Hint() string })(nil); err == nil || errors.As(err, &h) && strings.Contains(h.Hint(), "nothing was changed") {
		t.Fatalf("it ended with %v", err)
	}
	half := c.serials()
	if n := another(before, half); n != 1 || half[c.names[0]] == before[c.names[0]] {
		t.Errorf("%d masters show another certificate", n)
	}
	s, err := c.o.Status(t.Context())
	c.must(err)
	if want := "a rotation of certificates is not done: 2 of 3 masters have those of before: " + c.names[1] + " " + c.names[2]; len(s.Unfinished) != 1 || s.Unfinished[0].Step != want || s.Unfinished[0].Command != "hakube rotate certificates" {
		t.Fatalf("unfinished: %+v, want %q", s.Unfinished, want)
	}
	var told Rotating
	c.o.OnRotate(func(x Rotating) error { told = x; return nil })
	c.unchanged(func() {
		if n, err := c.o.PreviewRotate(t.Context(), inventory.RotateCertificates, nil); err != nil || n != 2 || told.Since == "" || told.Masters[0].Why != "" {
			t.Errorf("plan: %d steps, %v; it tells %+v", n, err, told)
		}
	})
	c.must(c.follow(c.o, s.Unfinished[0].Command))
	now := c.serials()
	if now[c.names[0]] != half[c.names[0]] || another(half, now) != 2 || calls != 4 {
		t.Errorf("after %d calls %d masters show another certificate than in between", calls, another(half, now))
	}
	if s, err = c.o.Status(t.Context()); err != nil || len(s.Unfinished) > 0 {
		t.Errorf("unfinished: %+v, %v", s.Unfinished, err)
	}
	c.whole(3)
}

// TestRotateRefusals: with a master that is not well, a clock that is off, or an authority
// that ends, nothing is made anew, and what helps is said.
func TestRotateRefusals(t *testing.T) {
	besideOthers(t)
	c := newSick(t, 3)
	refused := func(why, cures string) {
		t.Helper()
		for name, run := range map[string]func() error{
			"rotate": func() error { _, err := c.o.Rotate(t.Context(), inventory.RotateCertificates, c.events()); return err },
			"plan":   func() error { _, err := c.o.PreviewRotate(t.Context(), inventory.RotateCertificates, nil); return err },
		} {
			c.unchanged(func() {
				err := run()
				hint := ""
				if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
					hint = h.Hint()
				}
				if err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(hint, cures) {
					t.Errorf("%s: %v; %s", name, err, hint)
				}
			})
		}
	}
	day := 24 * time.Hour
	c.guest(1).AgeAuthority(20 * day)
	refused("the authority ca of "+c.names[1]+" ends on "+time.Now().Add(20*day).UTC().Format(time.DateOnly), "hakube rotate ca")
	c.guest(1).AgeAuthority(-day)
	refused("the authority ca of "+c.names[1]+" ended on ", "hakube rotate ca")
	c.guest(1).AgeAuthority(60 * day)
	c.guest(2).SkewClock(time.Minute)
	refused(c.names[2]+" fails: not ready: its clock is ", "hakube repair "+c.names[2])
	c.guest(2).SkewClock(0)
	c.must(c.Client.Instances(c.zones[2]).Stop(t.Context(), c.names[2]))
	refused(c.names[2]+" fails: stopped", "hakube repair "+c.names[2])
}
