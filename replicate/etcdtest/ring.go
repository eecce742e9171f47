package etcdtest

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// The rings and the ports of their peers.
const (
	ringMain   = "main"
	ringEvents = "events"
)

var peerPorts = map[string]int{ringMain: 2380, ringEvents: 2381}

// A memberID is told as etcd does, in hexadecimal.
type memberID uint64

func (id memberID) String() string { return fmt.Sprintf("%x", uint64(id)) }

// MarshalText makes it readable on disks, also as a key.
func (id memberID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (id *memberID) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "%x", (*uint64)(id))
	return err
}

// memberData is what a member has on its machine's disk: who it is, and its own
// copy of the ring.
type memberData struct {
	Ring  string    `json:"ring"` // the ring's cluster id
	ID    memberID  `json:"id"`
	State ringState `json:"state"`
}

// ringState is what a ring has agreed on.
type ringState struct {
	Members  map[memberID]ringMember `json:"members"`
	Revision int64                   `json:"revision"` // 1 when nothing was written yet, as etcd's
	Keys     map[string]entry        `json:"keys,omitempty"`
}

type ringMember struct {
	Name     string   `json:"name"` // "" until it started
	PeerURLs []string `json:"peerURLs"`
	Learner  bool     `json:"learner,omitempty"`
}

// An entry is a key's value and the revision that made it so.
type entry struct {
	Value json.RawMessage `json:"value"`
	Mod   int64           `json:"mod"`
}

// A change is one agreement of a ring, as it is written to its members' disks.
type change struct {
	Ring     string                     `json:"ring"`
	Revision int64                      `json:"revision"`
	Put      map[string]json.RawMessage `json:"put,omitempty"`
	Delete   []string                   `json:"delete,omitempty"`
}

func (s *ringState) apply(c change) {
	if s.Keys == nil {
		s.Keys = map[string]entry{}
	}
	for k, v := range c.Put {
		s.Keys[k] = entry{v, c.Revision}
	}
	for _, k := range c.Delete {
		delete(s.Keys, k)
	}
	s.Revision = c.Revision
}

func (s *ringState) clone() ringState {
	return ringState{maps.Clone(s.Members), s.Revision, maps.Clone(s.Keys)}
}

// voters counts the members that have a vote, and those of them that run.
func (s *ringState) voters(live map[memberID]*member) (all, running int) {
	for id, m := range s.Members {
		if !m.Learner {
			all++
			if live[id] != nil {
				running++
			}
		}
	}
	return all, running
}

// foundRing is the data of the first member of a new ring. Ids come from peer
// URL and token as etcd computes them for a ring that starts.
func foundRing(token, name, peerURL string) *memberData {
	sum := sha1.Sum([]byte(peerURL + token))
	id := memberID(binary.BigEndian.Uint64(sum[:8]))
	ring := sha1.Sum(binary.BigEndian.AppendUint64(nil, uint64(id)))
	return &memberData{
		Ring: fmt.Sprintf("%x", ring[:8]), ID: id,
		State: ringState{Members: map[memberID]ringMember{id: {Name: name, PeerURLs: []string{peerURL}}}, Revision: 1},
	}
}

// A ring is the members of one etcd cluster that run now. The world's lock
// guards it.
type ring struct {
	live   map[memberID]*member
	leader memberID // 0: none
}

// A member is an etcd that runs.
type member struct {
	name string // of the ring: main or events
	ring *ring
	data *memberData
	disk *dataDisk
}

var (
	// etcd's own words, which its clients see.
	errNoQuorum = errors.New("etcdserver: request timed out")
	errRemoved  = errors.New("the member has been permanently removed from the cluster")
)

// newest is the copy of the ring that is furthest. With quorum it has all the
// ring agreed on, since each change is on more than half of the voters.
func (r *ring) newest() *ringState {
	var s *ringState
	for _, m := range r.live {
		if s == nil || m.data.State.Revision > s.Revision {
			s = &m.data.State
		}
	}
	return s
}

// settle elects a leader after a member came or went. Those who are behind get
// what they missed.
func (r *ring) settle() error {
	s := r.newest()
	if s == nil {
		r.leader = 0
		return nil
	}
	if all, running := s.voters(r.live); running <= all/2 {
		r.leader = 0
		return nil
	}
	lead, ok := s.Members[r.leader]
	if !ok || lead.Learner || r.live[r.leader] == nil {
		r.leader = 0
		for _, id := range slices.Sorted(maps.Keys(s.Members)) {
			if !s.Members[id].Learner && r.live[id] != nil {
				r.leader = id
				break
			}
		}
	}
	for _, m := range r.live {
		if m.data.State.Revision < s.Revision {
			m.data.State = s.clone()
			if err := m.disk.save(); err != nil {
				return err
			}
		}
	}
	return nil
}

// read returns what the ring agreed on, if it can still agree.
func (m *member) read() (*ringState, error) {
	if m.ring.leader == 0 {
		return nil, errNoQuorum
	}
	return &m.data.State, nil
}

// write has the ring agree on a change and returns its revision.
func (m *member) write(put map[string]json.RawMessage, remove ...string) (int64, error) {
	s, err := m.read()
	if err != nil {
		return 0, err
	}
	c := change{Ring: m.name, Revision: s.Revision + 1, Put: put, Delete: remove}
	var failed error
	for id, other := range m.ring.live {
		if err := other.disk.write(c); err != nil {
			// An etcd that cannot write its log ends; the others go on.
			delete(m.ring.live, id)
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		if err := m.ring.settle(); err != nil || m.ring.leader == 0 {
			return 0, errors.Join(failed, err)
		}
	}
	return c.Revision, nil
}

// startMember lets a member of the disk run. The world's lock is held.
func (w *World) startMember(d *dataDisk, name string) (*member, error) {
	data := d.content.Rings[name]
	r := w.rings[data.Ring]
	if r == nil {
		r = &ring{live: map[memberID]*member{}}
		w.rings[data.Ring] = r
	}
	if r.leader != 0 {
		if _, ok := r.newest().Members[data.ID]; !ok {
			return nil, fmt.Errorf("starting etcd ring %s: %w", name, errRemoved)
		}
	}
	m := &member{name: name, ring: r, data: data, disk: d}
	r.live[data.ID] = m
	return m, r.settle()
}

// stopMember ends it. The world's lock is held.
func (w *World) stopMember(m *member) {
	delete(m.ring.live, m.data.ID)
	if len(m.ring.live) == 0 {
		delete(w.rings, m.data.Ring)
		return
	}
	_ = m.ring.settle() // members were in step already, nothing is written
}
