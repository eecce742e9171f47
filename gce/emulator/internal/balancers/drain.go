package balancers

import (
	"time"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/store"
)

// A machine that was taken out of a group gets no new connections, but those
// it has go on for the backend service's draining time. So long it must own
// the address: its guest would drop the packets otherwise. A note beside the
// group says until when.

// drains reports that an instance leaves a group, for as long as the longest
// draining time of a service that a forwarding rule sends to.
func drains(s *api.Server, t *store.Tx, group, instance doc.Ref) {
	var longest time.Duration
	for _, b := range BalancersOf(t, group.Project()) {
		for _, g := range b.Backends {
			if doc.RefIn(b.Project, "zones/"+g.Zone, "instanceGroups", g.Group) == group && b.Drain > longest {
				longest = b.Drain
			}
		}
	}
	if longest == 0 || !balanced(t.Get(instance)).IsValid() {
		return
	}
	until := s.Opts.Now().Add(longest)
	t.Put(members.DrainRef(group, instance), doc.Obj{"until": until.Format(time.RFC3339Nano)})
	t.Then(func() { drainUntil(s, members.DrainRef(group, instance), until) })
}

// drainUntil takes the note away in time, if it is still that one.
func drainUntil(s *api.Server, note doc.Ref, until time.Time) {
	s.Spawn(func() {
		select {
		case <-s.Opts.After(until.Sub(s.Opts.Now())):
		case <-s.Context.Done():
			return
		}
		err := s.Store.Update(func(t *store.Tx) error {
			if o := t.Get(note); doc.Str(o, "until") == until.Format(time.RFC3339Nano) {
				t.Delete(note)
			}
			return nil
		})
		if err != nil {
			s.Opts.Log.Error("ending the draining of connections", "note", string(note), "error", err)
		}
		s.Net.Request()
	})
}

// DrainOn takes up what a process before this one left.
func DrainOn(s *api.Server) {
	s.Store.View(func(t *store.Tx) {
		for r, o := range t.Stored(members.Draining) {
			until, _ := time.Parse(time.RFC3339Nano, doc.Str(o, "until"))
			drainUntil(s, r, until)
		}
	})
}
