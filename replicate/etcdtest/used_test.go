package etcdtest

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A gate stands before a member's peer port and refuses the first snapshot that is
// sent to each of its processes, after a moment. So its first proposal, by which it
// opens its client port, is in the next snapshot and lost with it: on machines that
// happens by itself, on loopback by chance.
type gate struct {
	*httptest.Server
	mu    sync.Mutex
	fresh bool
}

func newGate(t *testing.T, to string) *gate {
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	g, proxy := &gate{}, httputil.NewSingleHostReverseProxy(u)
	proxy.FlushInterval = -1 // streams
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		refuse := g.fresh && r.URL.Path == "/raft/snapshot"
		g.fresh = g.fresh && !refuse
		g.mu.Unlock()
		if refuse {
			time.Sleep(500 * time.Millisecond)
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	g.Config.ErrorLog = log.New(io.Discard, "", 0) // its clients are killed
	proxy.ErrorLog = g.Config.ErrorLog
	return g
}

// usedRing is a ring in the model and in reality whose members stand behind gates.
type usedRing struct {
	*both
	t     *testing.T
	gates map[string]*gate
}

func newUsedRing(t *testing.T, program string, names ...string) *usedRing {
	r, err := newRealRing(program, t.TempDir(), names...)
	if err != nil {
		t.Fatal(err)
	}
	u := &usedRing{t: t, gates: map[string]*gate{}, both: &both{
		bench: newBench(t, Options{}, "a"), real: r, log: t.Logf, data: map[string]bool{"a": true}, added: map[string]int64{}}}
	r.gates = map[string]string{}
	for _, n := range names {
		u.gates[n] = newGate(t, r.listens(n))
		r.gates[n] = u.gates[n].URL
	}
	t.Cleanup(func() {
		r.end()
		for _, g := range u.gates {
			g.CloseClientConnections()
			g.Close()
		}
	})
	if err := r.start("a", "new", []string{"a"}); err != nil {
		t.Fatal(err)
	}
	u.must(u.agree(question{"start", "a"}))
	return u
}

func (u *usedRing) must(err error) {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
}

// does puts a question to both, through a.
func (u *usedRing) does(what, who string) {
	u.t.Helper()
	u.t.Logf("%s %s", what, who)
	u.must(u.ask(question{what, who}, "a"))
}

// lives has both rings agree on so many entries.
func (u *usedRing) lives(entries int) {
	u.t.Helper()
	u.t.Logf("%d entries", entries)
	u.must(u.m["a"].agree(int64(entries)))
	left := make(chan int, entries)
	for i := range entries {
		left <- i
	}
	close(left)
	var wg sync.WaitGroup
	var failed error
	var mu sync.Mutex
	for range 32 {
		wg.Go(func() {
			for range left {
				err := u.real.put("a")
				for n := 0; err != nil && n < 20; n++ { // the host is busy
					err = u.real.put("a")
				}
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	u.must(failed)
}

// joins starts a member of a ring that has lived: its client port stays closed in
// both, and etcd says why in its log, until the ring agrees on one more entry.
func (u *usedRing) joins(name string) {
	u.t.Helper()
	g := u.gates[name]
	g.mu.Lock()
	g.fresh = true
	g.mu.Unlock()
	u.must(u.inModel(question{"start", name}, "a"))
	term := u.real.term("a")
	u.real.stop(name)
	u.must(u.real.start(name, "existing", u.names()))
	u.data[name] = true
	u.t.Logf("start %s", name)
	u.until("etcd to refuse its proposal", func() error {
		if !strings.Contains(u.real.said(name), errTooMany.Error()) {
			return errors.New(u.real.said(name))
		}
		return nil
	})
	time.Sleep(time.Second)
	switch err := u.serves(name); {
	case err == nil && u.real.term("a") != term:
		u.t.Logf("%s serves: a busy host's ring was not quiet, it has had another leader and his entry", name)
	case err == nil || !u.m[name].mute():
		u.t.Errorf("%s serves in a quiet ring: etcd says %v, the model %t", name, err, !u.m[name].mute())
	}
	u.does("put", "")
	u.until(name+" to serve", func() error { return u.serves(name) })
	if u.m[name].mute() {
		u.t.Errorf("%s does not serve in the model", name)
	}
	u.must(u.agree(question{"start", name}))
}

// serves is why etcd's client port is not open. A learner answers in its way.
func (u *usedRing) serves(name string) error {
	if _, err := u.real.members(name); err != nil && !same(errLearner, err) {
		return err
	}
	return nil
}

func (u *usedRing) until(what string, f func() error) {
	u.t.Helper()
	var err error
	for end := time.Now().Add(2 * patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	u.t.Fatalf("waiting for %s: %v", what, err)
}

// away lets a member that runs miss so many entries.
func (u *usedRing) away(name string, entries int) {
	u.t.Helper()
	u.must(u.w.Partition(ringMain, []string{name}))
	p := u.real.running[name].cmd.Process
	u.must(p.Signal(syscall.SIGSTOP))
	u.lives(entries)
	u.must(u.w.Partition(ringMain))
	u.must(p.Signal(syscall.SIGCONT))
}

// usedIsTheSame: the model and etcd agree on what a ring that has lived does with a
// learner, with a voter that was stopped for long, and with one that was away.
func usedIsTheSame(t *testing.T, program string) {
	t.Run("stopped", func(t *testing.T) {
		t.Parallel()
		u := newUsedRing(t, program, "a", "b", "c")
		u.grows()
		u.does("stop", "c")
		u.lives(6000)
		u.joins("c")
		u.must(u.compare())
	})
	t.Run("away", func(t *testing.T) {
		t.Parallel()
		u := newUsedRing(t, program, "a", "b", "c")
		u.grows()
		u.away("c", 12000)
		if err := put(u.m["c"], "k", "1"); !errors.Is(err, errTooMany) {
			t.Errorf("a write through one that was away: the model says %v", err)
		}
		u.until("etcd to have been sent a snapshot", func() error { // by an entry in the meantime it would be over
			if committed, applied := u.real.indexes("c"); committed <= applied+maxGap {
				return fmt.Errorf("%d committed, %d applied", committed, applied)
			}
			return nil
		})
		if err := u.real.put("c"); !same(errTooMany, err) {
			t.Errorf("a write through one that was away: etcd says %v", err)
		}
		if _, err := u.m["c"].read(); err != nil {
			t.Errorf("a read through one that was away: the model says %v", err)
		}
		u.must(u.real.read("c"))
		u.does("put", "")
		u.must(put(u.m["c"], "k", "2"))
		u.until("etcd to take a write again", func() error { return u.real.put("c") })
		u.must(u.compare())
	})
}

// grows makes a ring that has lived one of three voters, and lets so much time pass
// that etcd shortens its log again: for half a minute after a snapshot it does not
// (server.go: releaseDelayAfterSnapshot).
func (u *usedRing) grows() {
	u.t.Helper()
	u.lives(6000)
	for _, name := range []string{"b", "c"} {
		u.does("add", name)
		u.joins(name)
		u.does("promote", name)
	}
	time.Sleep(35 * time.Second)
}
