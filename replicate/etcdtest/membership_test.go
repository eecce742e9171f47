package etcdtest

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// A bench is a world with one ring and no machines, to ask etcd's rules of.
type bench struct {
	t     *testing.T
	w     *World
	disks map[string]*dataDisk
	m     map[string]*member
}

// newBench is a ring of voters.
func newBench(t *testing.T, o Options, names ...string) *bench {
	t.Helper()
	b := &bench{t: t, w: NewWorld(o), disks: map[string]*dataDisk{}, m: map[string]*member{}}
	t.Cleanup(func() {
		for _, d := range b.disks {
			_ = d.close()
		}
		if err := b.w.Close(); err != nil {
			t.Error(err)
		}
	})
	for i, n := range names {
		path := filepath.Join(t.TempDir(), n)
		if err := CreateDisk(path); err != nil {
			t.Fatal(err)
		}
		d, err := openData(path)
		if err != nil {
			t.Fatal(err)
		}
		d.content.Name = n
		b.disks[n] = d
		if i == 0 {
			d.content.Rings = map[string]*memberData{ringMain: foundRing("local/kubernetes/main", n, peer(n))}
			b.start(n)
		}
	}
	for _, n := range names[1:] {
		b.want(b.m[names[0]].addLearner(peer(n)), nil)
		b.told(n, names[:1+len(b.m)]...)
		b.start(n)
		b.want(b.m[names[0]].promote(b.id(n)), nil)
	}
	return b
}

func peer(name string) string { return "https://" + name + ":2380" }

// first is a member that runs.
func (b *bench) first() *member {
	for _, m := range b.m {
		if m.ring.live[m.data.ID] == m {
			return m
		}
	}
	b.t.Fatal("none runs")
	return nil
}

// id finds a member by peer URL, 1 if there is none.
func (b *bench) id(name string) memberID {
	for id, x := range b.first().ring.newest(b.first().side).Members {
		if x.PeerURLs[0] == peer(name) {
			return id
		}
	}
	return 1
}

// told gives a machine without data the list it is to join with.
func (b *bench) told(name string, list ...string) {
	if b.disks[name] == nil {
		path := filepath.Join(b.t.TempDir(), name)
		if err := CreateDisk(path); err != nil {
			b.t.Fatal(err)
		}
		d, err := openData(path)
		if err != nil {
			b.t.Fatal(err)
		}
		d.content.Name, b.disks[name] = name, d
	}
	data := &memberData{ID: b.id(name)}
	for _, n := range list {
		data.Initial = append(data.Initial, peer(n))
	}
	b.disks[name].content.Rings = map[string]*memberData{ringMain: data}
}

func (b *bench) start(name string) {
	b.t.Helper()
	b.want(b.starts(name), nil)
}

func (b *bench) starts(name string) error {
	m, err := b.w.startMember(b.disks[name], ringMain)
	if err == nil {
		b.m[name] = m
	}
	return err
}

func (b *bench) stop(name string) { b.w.stopMember(b.m[name]) }

func (b *bench) want(got, want error) {
	b.t.Helper()
	if !errors.Is(got, want) {
		b.t.Errorf("got %v, want %v", got, want)
	}
}

// TestEtcdRules is what etcd 3.6.8 itself answered, asked the same in the same
// order.
func TestEtcdRules(t *testing.T) {
	for _, names := range [][]string{{"a", "b", "c", "d"}, {"a", "b", "c", "d", "e"}} {
		t.Run(fmt.Sprint(len(names), " voters"), func(t *testing.T) {
			b := newBench(t, Options{}, names...)
			dead := names[len(names)-1]
			b.stop(dead)
			a := b.m["a"]
			b.want(a.addLearner(peer("x")), errUnhealthy) // though there is quorum with one more
			b.want(b.w.remove(a, b.id(dead)), nil)
			b.want(a.addLearner(peer("x")), nil)
			b.want(a.addLearner(peer("x")), errPeerExists)
			b.want(a.addLearner(peer("y")), errTooManyLearners)
			b.want(a.promote(b.id("x")), errNotReady) // it has not started
			b.want(a.promote(b.id("a")), errNotLearner)
			b.want(a.promote(1), errNotFound)
			b.want(b.w.remove(a, 1), errNotFound)

			b.told("x", "a", "x")
			b.want(b.starts("x"), errUnequal)
			b.told("x", append(names[1:len(names)-1:len(names)-1], "x", "y")...)
			b.want(b.starts("x"), errUnmatched)
			b.told("x", append(names[:len(names)-1:len(names)-1], "x")...)
			b.start("x")
			b.want(b.w.remove(a, b.id("x")), nil)
			if _, err := b.m["x"].read(); !errors.Is(err, errNotRunning) {
				t.Errorf("a learner that was removed: %v", err)
			}
			b.want(b.starts("x"), errRemoved)
		})
	}
}

func TestEtcdRulesOfThree(t *testing.T) {
	b := newBench(t, Options{}, "a", "b", "c")
	a := b.m["a"]
	b.want(a.lead(b.id("a")), nil)
	b.stop("c")
	b.want(a.lead(b.id("c")), errTransferTimeout)
	if err := b.m["b"].lead(b.id("b")); err == nil || err.Error() != "no leader endpoint given at [https://127.0.0.1:2379]" {
		t.Errorf("asking another one than the leader: %v", err)
	}
	b.want(b.w.remove(a, b.id("b")), errUnhealthy)
	b.want(b.w.remove(a, b.id("a")), errUnhealthy)
	c := b.id("c")
	b.want(b.w.remove(a, c), nil)
	b.want(b.starts("c"), errRemoved)
	b.want(b.w.remove(a, c), errNotFound)
	b.want(b.w.remove(a, b.id("b")), nil)
	b.want(b.w.remove(a, b.id("a")), errNotEnough) // the last
	b.want(put(a, "k", "1"), nil)
}

// TestEtcdRulesOfTwo goes from one to two, where etcd protects nobody.
func TestEtcdRulesOfTwo(t *testing.T) {
	b := newBench(t, Options{}, "a")
	a := b.m["a"]
	b.want(a.addLearner(peer("b")), nil)
	b.told("b", "a", "b")
	b.start("b")
	learner := b.m["b"]
	for _, err := range []error{
		func() error { _, err := learner.read(); return err }(), put(learner, "k", "1"),
		learner.addLearner(peer("x")), b.w.remove(learner, b.id("a")),
	} {
		b.want(err, errLearner)
	}
	b.want(a.lead(b.id("b")), errBadTransferee)
	b.want(put(a, "k", "1"), nil)
	b.want(a.promote(b.id("b")), nil)
	b.stop("b")
	b.want(put(a, "k", "2"), errNoQuorum)
	b.want(a.addLearner(peer("x")), errUnhealthy)
	b.want(b.w.remove(a, b.id("b")), errNoQuorum)
	b.want(a.promote(b.id("b")), errNoQuorum)
	b.start("b")
	if s, err := b.m["b"].read(); err != nil || string(s.Keys["k"].Value) != "1" {
		t.Errorf("after it came back: %+v, %v", s, err)
	}
}

// TestDeadLearner: etcd gives a vote to one that caught up and died since. Who
// promotes has to look first.
func TestDeadLearner(t *testing.T) {
	b := newBench(t, Options{}, "a")
	a := b.m["a"]
	b.want(a.addLearner(peer("b")), nil)
	b.told("b", "a", "b")
	b.start("b")
	b.stop("b")
	for i := range 40 { // meanwhile the ring goes on, too far for etcd's 90 %
		b.want(put(a, "k", fmt.Sprint(i)), nil)
	}
	b.want(a.promote(b.id("b")), errNotReady)
	b.start("b")
	b.stop("b")
	b.want(a.promote(b.id("b")), nil)
	b.want(put(a, "k", "lost"), errNoQuorum)
	b.want(b.w.remove(a, b.id("b")), errNoQuorum)
}

// TestHealthInterval: etcd changes members only of a ring that has been together
// for a while.
func TestHealthInterval(t *testing.T) {
	b := newBench(t, Options{}, "a", "b", "c")
	a := b.m["a"]
	a.ring.interval = time.Hour
	b.want(a.addLearner(peer("x")), errUnhealthy)
	b.want(b.w.remove(a, b.id("b")), errUnhealthy)
	for _, m := range b.m {
		m.since = m.since.Add(-2 * time.Hour)
	}
	b.stop("c")
	b.start("c")
	b.want(a.addLearner(peer("x")), errUnhealthy)
	b.want(b.w.remove(a, b.id("c")), errUnhealthy) // it lives, and is not counted yet
	b.m["c"].since = a.since
	b.want(a.addLearner(peer("x")), nil)
	b.want(b.w.remove(a, b.id("x")), nil)
	b.want(b.w.remove(a, b.id("c")), nil)
}

// TestRemovedComesFirst: a member that was removed while it was down does not
// know. It runs until it meets one of the ring.
func TestRemovedComesFirst(t *testing.T) {
	b := newBench(t, Options{}, "a", "b", "c")
	b.stop("c")
	b.want(b.w.remove(b.m["a"], b.id("c")), nil)
	b.stop("a")
	b.stop("b")
	b.start("c")
	if _, err := b.m["c"].read(); !errors.Is(err, errNoQuorum) {
		t.Errorf("alone it says %v", err)
	}
	b.start("a")
	b.start("b")
	if _, err := b.m["c"].read(); !errors.Is(err, errNotRunning) {
		t.Errorf("after the others came: %v", err)
	}
	b.want(put(b.m["b"], "k", "1"), nil)
	b.want(b.starts("c"), errRemoved)
}
