package etcdtest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
)

// How etcd 3.6.8 keeps a ring from outgrowing its members' databases, and what it does
// when it has (server/etcdserver: apply/quota.go, apply/apply.go, v3rpc/quota.go).

// An alarm is on all members, until it is disarmed, also when who raised it is gone.
type alarm struct {
	ID   memberID `json:"id"` // 0: none is named
	Kind string   `json:"kind"`
}

// Kinds of alarms.
const (
	alarmSpace   = "NOSPACE"
	alarmCorrupt = "CORRUPT"
)

const defaultQuota = 4 << 30 // as the startup-script sets it

var (
	errNoSpace   = errors.New("etcdserver: mvcc: database space exceeded")
	errCorrupt   = errors.New("etcdserver: corrupt cluster")
	errCompacted = errors.New("etcdserver: mvcc: required revision has been compacted")
)

func (s *ringState) has(kind string) bool {
	return slices.ContainsFunc(s.Alarms, func(a alarm) bool { return a.Kind == kind })
}

func (s *ringState) alarms() []statusAlarm {
	list := []statusAlarm{}
	for _, a := range s.Alarms {
		id := ""
		if a.ID != 0 {
			id = a.ID.String()
		}
		list = append(list, statusAlarm{id, a.Kind})
	}
	return list
}

// inUse is what a database has of the ring.
func (s *ringState) inUse() int64 { return s.Bytes + s.Live + s.Old }

// size is how large the member's database is.
func (d *memberData) size() int64 { return max(d.File, d.State.inUse()) }

// proposes is why no proposal comes through this member.
func (m *member) proposes() error {
	switch lead := m.ring.live[m.ring.leads(m.side)]; {
	case lead == nil || lead.stalled || m.stalled:
		return errNoQuorum
	case m.refuses():
		return errTooMany
	}
	return nil
}

// takes is why a write is not taken; one that only deletes is taken in a ring that is
// full. The member that is asked looks at its own database first, and raises the alarm.
func (m *member) takes(put map[string]json.RawMessage) error {
	cost := int64(0)
	for k, v := range put {
		cost += int64(len(k) + len(v))
	}
	if err := m.proposes(); err != nil {
		return err
	}
	if len(put) > 0 && m.data.size()+cost >= m.ring.quota {
		if err := m.raise(alarm{m.data.ID, alarmSpace}); err != nil {
			return err
		}
		return errNoSpace
	}
	switch s := &m.data.State; {
	case s.has(alarmCorrupt):
		return errCorrupt
	case s.has(alarmSpace) && len(put) > 0:
		return errNoSpace
	}
	return nil
}

// probe is the write of scripts/etcd-status.sh in which no key changes: what is said
// against it, "" if nothing.
func (m *member) probe() string {
	err := m.takes(map[string]json.RawMessage{"hakube-takes-writes": json.RawMessage("0")})
	if err == nil {
		err = m.ring.configure(func(*ringState) {})
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (m *member) raise(a alarm) error {
	if slices.Contains(m.data.State.Alarms, a) {
		return nil
	}
	return m.ring.configure(func(s *ringState) { s.Alarms = append(s.Alarms, a) })
}

// compact forgets what was before the newest revision. The room stays in the files.
func (m *member) compact() error {
	s, err := m.read()
	if err == nil {
		err = m.proposes()
	}
	switch {
	case err != nil:
		return err
	case s.has(alarmCorrupt):
		return errCorrupt
	case s.Old == 0 && s.Compacted == s.Revision:
		return errCompacted
	}
	for _, other := range m.ring.on(m.side) {
		other.data.File = other.data.size()
	}
	return m.ring.configure(func(s *ringState) { s.Old, s.Compacted = 0, s.Revision })
}

// defragment gives back what is free in the member's file.
func (m *member) defragment() error {
	if _, err := m.serve(); err != nil {
		return err
	}
	m.data.File = 0
	return m.disk.save()
}

func (m *member) disarm() error {
	if err := m.proposes(); err != nil {
		return err
	}
	return m.ring.configure(func(s *ringState) { s.Alarms = nil })
}

// etcdSpace is scripts/etcd-space.sh.
func etcdSpace(_ context.Context, c Call) int {
	if len(c.Args) != 2 {
		return c.fail("usage: compact|defragment|disarm|restart RING")
	}
	w := c.Guest.w
	w.mu.Lock()
	defer w.mu.Unlock()
	verb, name := c.Args[0], c.Args[1]
	if peerPorts[name] == 0 {
		return c.fail("there is no ring %s", name)
	}
	k := c.Guest.control
	if k == nil || k.disk.content.PKI == nil {
		return c.fail("this machine has no etcd certificates")
	}
	do := map[string]func(*member) error{"compact": (*member).compact, "defragment": (*member).defragment, "disarm": (*member).disarm, "restart": w.restartMember}[verb]
	if do == nil {
		return c.fail("there is no action %s", verb)
	}
	err := errNotRunning
	if m := k.members[name]; m != nil && m.ring.live[m.data.ID] == m {
		err = do(m)
	}
	text := ""
	if err != nil && !errors.Is(err, errCompacted) {
		text = err.Error()
	}
	c.Guest.fellSilent()
	w.happened()
	return c.answer(map[string]string{"error": text})
}

// restartMember is systemctl restart. The lock is held.
func (w *World) restartMember(m *member) error {
	w.stopMember(m)
	for g := range w.guests {
		if g.control != nil && g.control.members[m.name] == m {
			w.restart(g.control)
		}
	}
	return nil
}
