package etcdtest

import "testing"

// TestUsedRing: a learner of a ring that has lived opens no client port before the
// ring agrees on something, a newborn's does at once; a member that runs and comes
// back makes no proposals until then. (etcd 3.6.8; TestSameAsEtcd shows it of etcd)
func TestUsedRing(t *testing.T) {
	for _, entries := range []int64{0, 6000} {
		b := newBench(t, Options{}, "a", "b", "c")
		a := b.m["a"]
		b.want(a.agree(1+entries), nil)
		b.want(b.w.remove(a, b.id("c")), nil)
		b.want(a.addLearner(peer("c")), nil)
		b.told("c", "a", "b", "c")
		b.start("c")
		c := b.m["c"]
		if mute := c.mute(); mute != (entries > 0) {
			t.Errorf("%d entries: its client port is closed: %t", entries, mute)
		}
		if own := a.data.State.Members[b.id("c")]; (own.Name == "") != (entries > 0) {
			t.Errorf("%d entries: its name is %q", entries, own.Name)
		}
		b.want(a.agree(1), nil)
		if own := a.data.State.Members[b.id("c")]; c.mute() || own.Name != "c" || c.applied != a.applied {
			t.Errorf("%d entries, and one: mute %t, name %q, entry %d of %d", entries, c.mute(), own.Name, c.applied, a.applied)
		}
		b.want(a.promote(b.id("c")), nil)

		// It runs all the time, and was away.
		must(t, b.w.Partition(ringMain, []string{"c"}))
		b.want(a.agree(1+entries), nil)
		must(t, b.w.Partition(ringMain))
		want := error(nil)
		if entries > 0 {
			want = errTooMany
		}
		b.want(put(c, "k", "1"), want)
		if _, err := c.read(); err != nil {
			t.Errorf("%d entries: a read: %v", entries, err)
		}
		b.want(put(a, "k", "2"), nil)
		b.want(put(c, "k", "3"), nil)

		// It was stopped.
		b.stop("c")
		b.want(a.agree(1+entries), nil)
		b.start("c")
		if mute := b.m["c"].mute(); mute != (entries > 0) {
			t.Errorf("%d entries, stopped: its client port is closed: %t", entries, mute)
		}
		b.want(put(a, "k", "4"), nil)
		b.want(put(b.m["c"], "k", "5"), nil)
	}
}

// TestSlowSnapshot: what is on the way is no data yet, nobody gets a vote before it
// has come, and it comes by looking.
func TestSlowSnapshot(t *testing.T) {
	b := newBench(t, Options{Slow: 30 << 20}, "a", "b", "c")
	a := b.m["a"]
	for _, m := range b.m { // which of those with the same entries is copied is not said
		m.data.State.Bytes = 100 << 20
	}
	b.want(a.agree(6000), nil)
	b.want(b.w.remove(a, b.id("c")), nil)
	b.want(a.addLearner(peer("c")), nil)
	b.told("c", "a", "b", "c")
	b.start("c")
	c := b.m["c"]
	for looks, want := range []int64{0, 30 << 20, 60 << 20, 90 << 20} {
		if got := c.received(); got != want || !c.mute() {
			t.Errorf("after %d looks %d bytes, want %d; mute %t", looks, got, want, c.mute())
		}
		b.want(a.promote(b.id("c")), errNotReady)
		b.want(put(a, "k", "1"), nil)
		must(t, c.receive())
	}
	b.want(put(a, "k", "2"), nil)
	if c.mute() || c.data.State.Revision != a.data.State.Revision {
		t.Errorf("at the end mute %t, revision %d of %d", c.mute(), c.data.State.Revision, a.data.State.Revision)
	}
	b.want(a.promote(b.id("c")), nil)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
