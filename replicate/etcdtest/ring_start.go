package etcdtest

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// startMember lets a member of the disk run. The world's lock is held.
func (w *World) startMember(d *dataDisk, name string) (*member, error) {
	data := d.content.Rings[name]
	if data == nil {
		return nil, fmt.Errorf("starting etcd ring %s: the disk has no member of it", name)
	}
	side := w.sideOf(name, d.content.Name)
	if err := w.mayStart(data, side); err != nil {
		return nil, fmt.Errorf("starting etcd ring %s: %w", name, err)
	}
	r := w.rings[data.Ring]
	if r == nil {
		r = &ring{live: map[memberID]*member{}, interval: w.opts.HealthInterval, slow: w.opts.Slow, quota: cmp.Or(w.opts.Quota, defaultQuota), watch: func(int, int) {}}
		if w.opts.Ring != nil {
			r.watch = func(voters, running int) { w.opts.Ring(name, voters, running) }
		}
		w.rings[data.Ring] = r
	}
	m := &member{name: name, ring: r, data: data, disk: d, side: side, since: time.Now()}
	m.has(data.State.index()) // it reads its log again
	r.live[data.ID] = m
	return m, r.settle()
}

// mayStart is why an etcd ends as soon as it begins. One that was removed knows
// so, or its peers tell it. One that is new asks its peers who they are, and has
// to have been told of just those (etcd: bootstrapExistingClusterNoWAL).
func (w *World) mayStart(data *memberData, side string) error {
	if data.Corrupt {
		return errDamaged
	}
	s := &data.State
	_, in := s.Members[data.ID]
	isNew := len(s.Members) == 0
	if isNew {
		if data.Ring = w.ringOf(data.ID, side); data.Ring == "" {
			return errNoPeer
		}
	} else if !in {
		return errRemoved
	}
	r := w.rings[data.Ring]
	if r == nil || r.newest(side) == nil {
		return nil
	}
	members := r.newest(side).Members
	if _, in := members[data.ID]; !in && r.leads(side) != 0 {
		return errRemoved
	}
	if !isNew {
		return nil
	}
	if len(data.Initial) != len(members) {
		return errUnequal
	}
	for _, x := range members {
		if !slices.ContainsFunc(x.PeerURLs, func(u string) bool { return slices.Contains(data.Initial, u) }) {
			return errUnmatched
		}
	}
	return nil
}

// ringOf finds the ring that has a member, as an etcd that joins asks those it
// was told of and reaches. The lock is held.
func (w *World) ringOf(id memberID, side string) string {
	for name, r := range w.rings {
		if s := r.newest(side); s != nil {
			if _, in := s.Members[id]; in {
				return name
			}
		}
	}
	return ""
}

// remember keeps how far the leader knows it to be, before it ends or is cut off.
func (m *member) remember() {
	if m.ring.leads(m.side) != 0 {
		m.ring.match[m.data.ID] = m.data.State.index()
	}
}

// stopMember ends it. The world's lock is held.
func (w *World) stopMember(m *member) {
	if m == nil || m.ring.live[m.data.ID] != m {
		return // removed from the ring before
	}
	m.remember()
	delete(m.ring.live, m.data.ID)
	if len(m.ring.live) == 0 {
		m.ring.watch(m.data.State.voters(nil))
		delete(w.rings, m.data.Ring)
		return
	}
	_ = m.ring.settle() // members were in step already, nothing is written
}
