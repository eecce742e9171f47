package emulator

import (
	"net/netip"
	"slices"
	"time"
)

// A machine that was taken out of a group gets no new connections, but those
// it has go on for the backend service's draining time. So long it must own
// the address: its guest would drop the packets otherwise. A note beside the
// group says until when.

const draining = "~draining/"

func drainRef(group, instance ref) ref {
	return ref(draining + string(group) + "/" + instance.name())
}

// drains reports that an instance leaves a group, for as long as the longest
// draining time of a service that a forwarding rule sends to.
func (s *Server) drains(t *tx, group, instance ref) {
	var longest time.Duration
	for _, b := range balancersOf(t, group.project()) {
		for _, g := range b.Backends {
			if in(b.Project, "zones/"+g.Zone, "instanceGroups", g.Group) == group && b.Drain > longest {
				longest = b.Drain
			}
		}
	}
	if longest == 0 || !balanced(t.get(instance)).IsValid() {
		return
	}
	until := s.opts.Now().Add(longest)
	t.put(drainRef(group, instance), obj{"until": until.Format(time.RFC3339Nano)})
	t.then(func() { s.drainUntil(drainRef(group, instance), until) })
}

// drainUntil takes the note away in time, if it is still that one.
func (s *Server) drainUntil(note ref, until time.Time) {
	s.spawn(func() {
		select {
		case <-s.opts.After(until.Sub(s.opts.Now())):
		case <-s.ctx.Done():
			return
		}
		err := s.store.update(func(t *tx) error {
			if o := t.get(note); str(o, "until") == until.Format(time.RFC3339Nano) {
				t.delete(note)
			}
			return nil
		})
		if err != nil {
			s.opts.Log.Error("ending the draining of connections", "note", string(note), "error", err)
		}
		s.network.request()
	})
}

// drainOn takes up what a process before this one left.
func (s *Server) drainOn() {
	s.store.view(func(t *tx) {
		for r, o := range t.stored(draining) {
			until, _ := time.Parse(time.RFC3339Nano, str(o, "until"))
			s.drainUntil(r, until)
		}
	})
}

// reached are the members of a group and those that drain.
func reached(t *tx, group ref) []ref {
	out := groupMembers(t, group)
	for _, r := range t.notes(draining + string(group)) {
		out = append(out, group.within("instances", r.name()))
	}
	return out
}

// forwarded says of each instance of a project that is a backend which
// addresses reach it, in the order of the rules, each once.
func forwarded(t *tx, project string) map[ref][]netip.Addr {
	var out map[ref][]netip.Addr
	for _, rule := range t.all(project, "forwardingRules") {
		a, err := netip.ParseAddr(str(rule, "IPAddress"))
		if err != nil || t.get(toRef(str(rule, "selfLink")).note("arriving")) != nil {
			continue
		}
		for _, x := range objects(t.get(toRef(str(rule, "backendService"))), "backends") {
			for _, i := range reached(t, toRef(str(x, "group"))) {
				if out == nil {
					out = map[ref][]netip.Addr{}
				}
				if !slices.Contains(out[i], a) {
					out[i] = append(out[i], a)
				}
			}
		}
	}
	return out
}
