package etcdtest

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// etcd's own rules on who may be in a ring, in its own words
// (etcd 3.6: server/etcdserver/server.go, api/v3/v3rpc/rpctypes/error.go).
var (
	errPeerExists      = errors.New("etcdserver: Peer URLs already exists")
	errTooManyLearners = errors.New("etcdserver: too many learner members in cluster")
	errUnhealthy       = errors.New("etcdserver: unhealthy cluster")
	errNotLearner      = errors.New("etcdserver: can only promote a learner member")
	errNotReady        = errors.New("etcdserver: can only promote a learner member which is in sync with leader")
	errNotFound        = errors.New("etcdserver: member not found")
	errNotEnough       = errors.New("etcdserver: re-configuration failed due to not enough started members")
)

// configure has the ring agree on a change of its members. There is a leader.
func (r *ring) configure(change func(*ringState)) error {
	s := r.newest()
	next := s.clone()
	change(&next)
	next.Conf++
	for _, m := range r.live {
		m.data.State = next.clone()
		if err := m.disk.save(); err != nil {
			return err
		}
	}
	return nil
}

// addLearner adds a member without a vote. Members that run must reach the quorum
// that there would be with one voter more, but for the step from one to two.
func (m *member) addLearner(peerURL string) error {
	s, err := m.read()
	if err != nil {
		return err
	}
	for _, x := range s.Members {
		if slices.Contains(x.PeerURLs, peerURL) {
			return errPeerExists
		}
	}
	for _, x := range s.Members {
		if x.Learner {
			return errTooManyLearners
		}
	}
	if all, running := s.voters(m.ring.live); all > 1 && running < (all+1)/2+1 {
		return errUnhealthy
	}
	// etcd mixes the time into the id, so that one who comes again is another.
	sum := sha1.Sum(fmt.Appendf(nil, "%s %s %d", m.data.Ring, peerURL, s.Conf))
	id := memberID(binary.BigEndian.Uint64(sum[:8]))
	return m.ring.configure(func(s *ringState) {
		s.Members[id] = ringMember{PeerURLs: []string{peerURL}, Learner: true}
	})
}

// promote gives a learner that runs a vote: in the model it has all there is.
func (m *member) promote(id memberID) error {
	s, err := m.read()
	if err != nil {
		return err
	}
	x, there := s.Members[id]
	switch {
	case !there:
		return errNotFound
	case !x.Learner:
		return errNotLearner
	case m.ring.live[id] == nil:
		return errNotReady
	}
	x.Learner = false
	return m.ring.configure(func(s *ringState) { s.Members[id] = x })
}

// remove takes a member out; its etcd ends. One that is dead may always go.
func (w *World) remove(m *member, id memberID) error {
	s, err := m.read()
	if err != nil {
		return err
	}
	x, there := s.Members[id]
	if !there {
		return errNotFound
	}
	all, running := s.voters(m.ring.live)
	if !x.Learner && m.ring.live[id] != nil && running-1 < (all-1)/2+1 {
		return errNotEnough
	}
	if err := m.ring.configure(func(s *ringState) { delete(s.Members, id) }); err != nil {
		return err
	}
	delete(m.ring.live, id)
	if m.ring.leader == id {
		m.ring.leader = 0
	}
	err = m.ring.settle()
	w.happened()
	return err
}

// lead hands the lead to another voter.
func (m *member) lead(id memberID) error {
	s, err := m.read()
	if err != nil {
		return err
	}
	x, there := s.Members[id]
	switch {
	case m.ring.leader != m.data.ID:
		return errors.New("etcdserver: not leader")
	case !there:
		return errNotFound
	case x.Learner || m.ring.live[id] == nil:
		return errors.New("etcdserver: bad leader transferee")
	}
	m.ring.leader = id
	return nil
}
