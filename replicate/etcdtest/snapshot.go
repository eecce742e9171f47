package etcdtest

import (
	"errors"
	"fmt"
	"time"
)

// What etcd 3.6.8 does with members that lack much, and why a ring that has lived a
// while is another one than a newborn.

const (
	// keptEntries is how far back a leader's log goes for one that is behind. Who
	// lacks more is sent all of the ring's data, a snapshot (etcd, server.go:
	// DefaultSnapshotCatchUpEntries).
	keptEntries = 5000
	// maxGap: a member with more committed than applied makes no proposals (v3_server.go:
	// maxGapBetweenApplyAndCommitIndex). What is applied it counts by entries alone: a
	// snapshot moves the other number, so that the gap stays until the next entry
	// (server.go: setAppliedIndex is called in apply only).
	maxGap = 5000
)

var (
	errTooMany = errors.New("etcdserver: too many requests")
	// errMute is what clients see of a member that has not published itself: its
	// client port opens with that (server.go: publishV3, readych).
	errMute = errors.New("context deadline exceeded")
)

// Used is what a cluster has lived through when it is founded; the zero value is a
// newborn one.
type Used struct {
	Entries int64         // in each ring
	Bytes   int64         // of objects in ring main; in ring events a tenth of it
	Age     time.Duration // of its authority and the administrator's certificate
}

// live has the ring of a newborn state agree on all that.
func (u Used) live(ring string, s *ringState) {
	s.Revision += u.Entries
	s.Bytes = u.Bytes
	if ring == ringEvents {
		s.Bytes /= 10
	}
}

// refuses tells that it makes no proposals.
func (m *member) refuses() bool { return m.committed > m.applied+maxGap }

// mute tells that its client port is not open yet.
func (m *member) mute() bool { return !m.ready && (m.incoming > 0 || m.refuses()) }

// has takes note of an entry that all who can have got: it counts as applied.
func (m *member) has(index int64) { m.applied, m.committed = index, index }

// catchUp gives a member that is behind what it missed: entries, or the data as a
// whole, which take their time where Options.Slow says so.
func (m *member) catchUp(s *ringState) error {
	missing := s.index() - m.data.State.index()
	if missing > keptEntries && m.ring.slow > 0 && m.incoming == 0 {
		m.incoming = s.Bytes
	}
	if m.incoming > 0 {
		return nil
	}
	return m.install(s, missing > keptEntries)
}

func (m *member) install(s *ringState, whole bool) error {
	if m.data.File = m.data.size(); whole { // another database in the place of its own
		m.data.File = 0
	}
	m.data.State = s.clone()
	if m.committed = s.index(); !whole {
		m.applied = m.committed
	}
	return m.disk.save()
}

// receive is called when its machine is asked about it.
func (m *member) receive() error {
	if m == nil || m.incoming == 0 || m.ring.live[m.data.ID] != m || m.ring.leads(m.side) == 0 {
		return nil
	}
	if m.incoming = max(0, m.incoming-m.ring.slow); m.incoming > 0 {
		return nil
	}
	if err := m.install(m.ring.newest(m.side), true); err != nil {
		return err
	}
	return m.ring.settle()
}

// received is what it has on disk.
func (m *member) received() int64 {
	if m.incoming == 0 {
		return m.data.State.Bytes
	}
	return m.ring.newest(m.side).Bytes - m.incoming
}

// publish has those members tell the ring their names that have just started and can
// make a proposal. The first proposal of one that is sent a snapshot is lost with it:
// that is how it was on real machines each time, and the next one is refused.
func (r *ring) publish(side string) error {
	s, names := r.newest(side), map[memberID]string{}
	for id, m := range r.on(side) {
		own, in := s.Members[id]
		if !in || m.ready || m.mute() || m.data.State.behind(s) {
			continue
		}
		m.ready = true
		if name := m.disk.content.Name; own.Name == "" && name != "" {
			names[id] = name
		}
	}
	if len(names) == 0 {
		return nil
	}
	return r.configure(func(s *ringState) {
		for id, name := range names {
			own := s.Members[id]
			own.Name = name
			s.Members[id] = own
		}
	})
}

// Agree has a ring agree on so many entries through the machine's own member, as
// a cluster does that is at work; no key changes.
func (g *Guest) Agree(ring string, entries int64) error {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k, err := g.master("writing to ring "+ring, ring)
	if err != nil {
		return err
	}
	m := k.members[ring]
	if m == nil {
		return fmt.Errorf("writing to ring %s: %w", ring, errNotRunning)
	}
	return m.agree(entries)
}
