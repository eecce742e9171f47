package etcdtest

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"hakube/replicate/etcdtest/kubeapi"
)

// The rings and the ports of their peers.
const (
	ringMain   = "main"
	ringEvents = "events"
)

var (
	peerPorts   = map[string]int{ringMain: 2380, ringEvents: 2381}
	clientPorts = map[string]int{ringMain: 2379, ringEvents: 4002}
)

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
	Ring  string    `json:"ring"` // the ring's cluster id, "" until it was reached
	ID    memberID  `json:"id"`
	State ringState `json:"state"`
	// Initial are the peer URLs it was told of. They count until it has a State.
	Initial []string `json:"initial,omitempty"`
	// File is how large its database's file was when it held more than it does now: what
	// is free in it stays its own until it is defragmented.
	File int64 `json:"file,omitempty"`
	// Corrupt: etcd cannot read what is there, and ends.
	Corrupt bool `json:"corrupt,omitempty"`
	// Lost: a cluster was founded on the disk, and the ring's data are gone.
	Lost bool `json:"lost,omitempty"`
}

// ringState is what a ring has agreed on.
type ringState struct {
	// Conf counts the changes of Members, which have no revision.
	Conf     int64                    `json:"conf,omitempty"`
	Members  map[memberID]ringMember  `json:"members"`
	Revision int64                    `json:"revision"` // 1 when nothing was written yet, as etcd's
	Keys     map[string]kubeapi.Entry `json:"keys,omitempty"`
	Bytes    int64                    `json:"bytes,omitempty"` // of what a member that joins has to be sent, besides Keys
	// Live and Old are the bytes of Keys, and of what was in their place and is not
	// compacted yet.
	Live      int64   `json:"live,omitempty"`
	Old       int64   `json:"old,omitempty"`
	Compacted int64   `json:"compacted,omitempty"` // up to this revision
	Alarms    []alarm `json:"alarms,omitempty"`
}

type ringMember struct {
	Name     string   `json:"name"` // "" until it started
	PeerURLs []string `json:"peerURLs"`
	Learner  bool     `json:"learner,omitempty"`
}

// contents are the ring's keys.
func (s *ringState) contents() *kubeapi.Contents {
	return &kubeapi.Contents{Revision: s.Revision, Keys: s.Keys}
}

// A change is one agreement of a ring, as it is written to its members' disks.
type change struct {
	Ring     string                     `json:"ring"`
	Revision int64                      `json:"revision"`
	Put      map[string]json.RawMessage `json:"put,omitempty"`
	Delete   []string                   `json:"delete,omitempty"`
	By       string                     `json:"by,omitempty"` // the key that Secrets among them are encrypted with
}

func (s *ringState) apply(c change) {
	if s.Keys == nil {
		s.Keys = map[string]kubeapi.Entry{}
	}
	for k, v := range c.Put {
		s.outdate(k)
		s.Keys[k] = kubeapi.Entry{Value: v, Mod: c.Revision}
		if isSecret(k) {
			s.Keys[k] = kubeapi.Entry{Value: v, Mod: c.Revision, By: c.By}
		}
		s.Live += int64(len(v))
	}
	for _, k := range c.Delete {
		s.outdate(k)
		delete(s.Keys, k)
	}
	s.Revision = c.Revision
}

// outdate keeps a key's value as one of before.
func (s *ringState) outdate(key string) {
	n := int64(len(s.Keys[key].Value))
	s.Live, s.Old = s.Live-n, s.Old+n
}

func (s *ringState) clone() ringState {
	c := *s
	c.Members, c.Keys, c.Alarms = maps.Clone(s.Members), maps.Clone(s.Keys), slices.Clone(s.Alarms)
	return c
}

// index is how much the ring has agreed on.
func (s *ringState) index() int64 { return s.Revision + s.Conf }

// behind tells whether a copy of the ring lacks something another one has.
func (s *ringState) behind(other *ringState) bool {
	return s.Conf < other.Conf || s.Revision < other.Revision
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
	live     map[memberID]*member
	leader   memberID           // 0: none. Only the members on its side know it
	match    map[memberID]int64 // the index of those who ended, or were cut off, while this leader led
	interval time.Duration      // see Options.HealthInterval
	slow     int64              // see Options.Slow
	quota    int64              // see Options.Quota
	watch    func(voters, running int)
}

// A member is an etcd that runs.
type member struct {
	name string // of the ring: main or events
	ring *ring
	data *memberData
	disk *dataDisk
	side string // of its ring: it reaches those on the same, see World.Partition

	since time.Time // it runs, on this side

	applied, committed int64 // as etcd's server counts them, see maxGap
	ready              bool  // it has published itself since it runs
	incoming           int64 // bytes of the ring's data that are still to come

	stalled bool // it takes no proposals, see Guest.StallEtcd
}

var (
	// etcd's own words, which its clients see.
	errNoQuorum   = errors.New("etcdserver: request timed out")
	errLearner    = errors.New("etcdserver: rpc not supported for learner")
	errNotRunning = errors.New("etcd does not run")
	errRemoved    = errors.New("the member has been permanently removed from the cluster")
	errUnequal    = errors.New("error validating peerURLs: member count is unequal")
	errUnmatched  = errors.New("error validating peerURLs: PeerURLs: no match found for existing member")
	errDamaged    = errors.New("failed to read WAL, cannot be repaired: walpb: crc mismatch")
	errNoPeer     = errors.New("cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs")
)

// on are the members that run on a side.
func (r *ring) on(side string) map[memberID]*member {
	list := map[memberID]*member{}
	for id, m := range r.live {
		if m.side == side {
			list[id] = m
		}
	}
	return list
}

// newest is the copy of the ring that is furthest on a side. With quorum it has
// all the ring agreed on, since each change is on more than half of the voters.
func (r *ring) newest(side string) *ringState {
	var s *ringState
	for _, m := range r.on(side) {
		if s == nil || s.behind(&m.data.State) {
			s = &m.data.State
		}
	}
	return s
}

// leads is the leader as a side knows it, 0 when it is not there.
func (r *ring) leads(side string) memberID {
	if l := r.live[r.leader]; l == nil || l.side != side {
		return 0
	}
	return r.leader
}

// reaches tells whether a member runs and answers this one.
func (m *member) reaches(id memberID) bool {
	other := m.ring.live[id]
	return other != nil && other.side == m.side
}

// settle elects a leader after a member came, went or was cut off. Of several
// sides one at most can: two majorities of a ring have a member in common, and
// so have those before and after a change of its members, which is one at a time.
func (r *ring) settle() error {
	sides := map[string]bool{}
	for _, m := range r.live {
		sides[m.side] = true
	}
	voters, most := 0, 0 // of the side that comes nearest to it
	for _, side := range slices.Sorted(maps.Keys(sides)) {
		s, on := r.newest(side), r.on(side)
		all, running := s.voters(on)
		if running > all/2 {
			r.watch(all, running)
			return r.lead(s, on)
		}
		if running >= most {
			voters, most = all, running
		}
	}
	if len(sides) > 0 {
		r.watch(voters, most)
	}
	r.elect(0)
	return nil
}

// lead settles the side with quorum, whose newest copy is s. Those who are behind
// get what they missed, and those who are no members any more end.
func (r *ring) lead(s *ringState, on map[memberID]*member) error {
	if lead, ok := s.Members[r.leader]; !ok || lead.Learner || on[r.leader] == nil {
		for _, id := range slices.Sorted(maps.Keys(s.Members)) {
			if !s.Members[id].Learner && on[id] != nil && on[id].incoming == 0 {
				r.elect(id)
				break
			}
		}
	}
	for id, m := range on {
		if m.data.State.behind(s) {
			if err := m.catchUp(s); err != nil {
				return err
			}
		}
		if _, in := s.Members[id]; !in {
			delete(r.live, id)
		}
	}
	return r.publish(r.live[r.leader].side)
}

// elect makes a member the leader. A new one does not know how far those have
// come who do not run, and begins with an entry of its own.
func (r *ring) elect(id memberID) {
	if r.leader == id {
		return
	}
	r.leader, r.match = id, map[memberID]int64{}
	if lead := r.live[id]; lead != nil {
		for _, m := range r.on(lead.side) {
			if m.incoming == 0 && !m.data.State.behind(&lead.data.State) {
				m.has(m.data.State.index())
			}
		}
	}
}

// serve is the member's copy of the ring, for what needs no quorum. A learner
// answers next to nothing.
func (m *member) serve() (*ringState, error) {
	switch own, in := m.data.State.Members[m.data.ID]; {
	case m.ring.live[m.data.ID] != m:
		return nil, errNotRunning
	case m.mute():
		return nil, errMute
	case in && own.Learner:
		return nil, errLearner
	}
	return &m.data.State, nil
}

// read returns what the ring agreed on, if it can still agree.
func (m *member) read() (*ringState, error) {
	s, err := m.serve()
	if err == nil && m.ring.leads(m.side) == 0 {
		return nil, errNoQuorum
	}
	return s, err
}

// write has the ring agree on a change and returns its revision.
func (m *member) write(put map[string]json.RawMessage, remove ...string) (int64, error) {
	s, err := m.read()
	if err == nil {
		err = m.takes(put)
	}
	if err != nil {
		return 0, err
	}
	c := change{Ring: m.name, Revision: s.Revision + 1, Put: put, Delete: remove, By: m.disk.content.writesBy()}
	var failed error
	for id, other := range m.ring.on(m.side) {
		if other.incoming > 0 {
			continue
		}
		other.has(s.Conf + c.Revision)
		if err := other.disk.write(c); err != nil {
			// An etcd that cannot write its log ends; the others go on.
			delete(m.ring.live, id)
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		if err := m.ring.settle(); err != nil || m.ring.leads(m.side) == 0 {
			return 0, errors.Join(failed, err)
		}
	}
	return c.Revision, m.ring.publish(m.side)
}
