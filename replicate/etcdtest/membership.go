package etcdtest

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// etcd's own rules on who may be in a ring, in the order it asks them and in its
// own words (etcd 3.6.8: server/etcdserver/server.go and util.go, mayAddMember,
// mayPromoteMember, mayRemoveMember; api/v3rpc/rpctypes/error.go).
var (
	errPeerExists      = errors.New("etcdserver: Peer URLs already exists")
	errTooManyLearners = errors.New("etcdserver: too many learner members in cluster")
	errUnhealthy       = errors.New("etcdserver: unhealthy cluster")
	errNotLearner      = errors.New("etcdserver: can only promote a learner member")
	errNotReady        = errors.New("etcdserver: can only promote a learner member which is in sync with leader")
	errNotFound        = errors.New("etcdserver: member not found")
	errNotEnough       = errors.New("etcdserver: re-configuration failed due to not enough started members")
	errBadTransferee   = errors.New("etcdserver: bad leader transferee")
	errTransferTimeout = errors.New("rpc error: code = Unknown desc = etcdserver: request timed out, leader transfer took too long")
)

// configure has the ring agree on a change of its members. There is a leader.
func (r *ring) configure(change func(*ringState)) error {
	side := r.live[r.leader].side
	next := r.newest(side).clone()
	change(&next)
	next.Conf++
	for _, m := range r.on(side) {
		if m.incoming > 0 {
			continue
		}
		m.data.State = next.clone()
		m.has(next.index())
		if err := m.disk.save(); err != nil {
			return err
		}
	}
	return r.publish(side)
}

// connected tells whether m has been connected to a member for as long as etcd
// wants it (HealthInterval). To itself it always is.
func (m *member) connected(id memberID) bool {
	if id == m.data.ID {
		return true
	}
	if !m.reaches(id) {
		return false
	}
	since := m.since
	if other := m.ring.live[id]; other.since.After(since) {
		since = other.since
	}
	return time.Since(since) >= m.ring.interval
}

// addLearner adds a member without a vote. Each voter must be there, even if the
// ring would do with fewer.
func (m *member) addLearner(peerURL string) error {
	s, err := m.serve()
	if err != nil {
		return err
	}
	for id, x := range s.Members {
		if !x.Learner && !m.connected(id) {
			return errUnhealthy
		}
	}
	if err := m.proposes(); err != nil {
		return err
	}
	learners := 0
	for _, x := range s.Members {
		if slices.Contains(x.PeerURLs, peerURL) {
			return errPeerExists
		}
		if x.Learner {
			learners++
		}
	}
	if learners > 0 { // etcd's --max-learners is 1
		return errTooManyLearners
	}
	// etcd mixes the time into the id, so that one who comes again is another.
	sum := sha1.Sum(fmt.Appendf(nil, "%s %s %d", m.data.Ring, peerURL, s.Conf))
	id := memberID(binary.BigEndian.Uint64(sum[:8]))
	return m.ring.configure(func(s *ringState) {
		s.Members[id] = ringMember{PeerURLs: []string{peerURL}, Learner: true}
	})
}

// promote gives a learner a vote. etcd asks how far the learner had come when the
// leader last heard of it, and not whether it still lives: one that caught up and
// died gets its vote, and from one voter to two that ends the ring. (Tried with
// etcd 3.6.8.)
func (m *member) promote(id memberID) error {
	s, err := m.read()
	if err != nil {
		return err
	}
	x, there := s.Members[id]
	switch {
	case !there:
		return errNotFound
	case m.ring.matches(id, m.side)*10 < s.index()*9: // readyPercentThreshold 0.9
		return errNotReady
	case !x.Learner:
		return errNotLearner
	}
	named, voters := 1, 1 // the learner counts as started
	for _, x := range s.Members {
		if !x.Learner {
			voters++
			if x.Name != "" {
				named++
			}
		}
	}
	if named < voters/2+1 {
		return errNotEnough
	}
	if err := m.proposes(); err != nil {
		return err
	}
	x.Learner = false
	if err := m.ring.configure(func(s *ringState) { s.Members[id] = x }); err != nil {
		return err
	}
	return m.ring.settle() // the quorum is another one now
}

// matches is how far the leader knows a member to be.
func (r *ring) matches(id memberID, side string) int64 {
	if m := r.live[id]; m != nil && m.side == side {
		return m.data.State.index()
	}
	return r.match[id]
}

// remove takes a member out; its etcd ends. One that is dead may go as long as
// enough of the others ever started.
func (w *World) remove(m *member, id memberID) error {
	s, err := m.serve()
	if err != nil {
		return err
	}
	x, there := s.Members[id]
	if !there || !x.Learner { // a learner may go always
		if err := m.mayRemove(s, id); err != nil {
			return err
		}
	}
	if err := m.proposes(); err != nil {
		return err
	}
	if !there {
		return errNotFound
	}
	if err := m.ring.configure(func(s *ringState) { delete(s.Members, id) }); err != nil {
		return err
	}
	err = m.ring.settle()
	w.happened()
	return err
}

// mayRemove is mayRemoveMember for a voter.
func (m *member) mayRemove(s *ringState, id memberID) error {
	voters, active, rest, named := 0, 0, 0, 0
	for other, x := range s.Members {
		if x.Learner {
			continue
		}
		voters++
		if m.connected(other) {
			active++
		}
		if other != id {
			rest++
			if x.Name != "" {
				named++
			}
		}
	}
	switch {
	case named < rest/2+1: // also the last voter
		return errNotEnough
	case !m.reaches(id):
		return nil
	case active-1 < 1+(voters-1)/2:
		return errUnhealthy
	}
	return nil
}

// lead hands the lead to another voter.
func (m *member) lead(id memberID) error {
	s, err := m.serve()
	if err != nil {
		return err
	}
	x, there := s.Members[id]
	switch {
	case m.ring.leader != m.data.ID: // etcdctl's own words
		return fmt.Errorf("no leader endpoint given at [https://127.0.0.1:%d]", clientPorts[m.name])
	case !there || x.Learner:
		return errBadTransferee
	case !m.reaches(id):
		return errTransferTimeout
	}
	m.ring.elect(id)
	return nil
}

// agree has the ring agree on entries without a change, one as etcd's alarm list does.
func (m *member) agree(entries int64) error {
	if _, err := m.read(); err != nil {
		return err
	}
	if err := m.proposes(); err != nil {
		return err
	}
	for _, other := range m.ring.on(m.side) {
		if err := other.receive(); err != nil { // some time has passed
			return err
		}
	}
	return m.ring.configure(func(s *ringState) { s.Conf += entries - 1 })
}
