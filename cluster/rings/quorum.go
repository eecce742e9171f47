package rings

import (
	"cmp"
	"slices"

	"hakube/replicate"
)

// A Member is one etcd member of a ring.
type Member struct {
	Member  string `json:"member"` // the machine it is on
	Zone    string `json:"zone"`
	Voter   bool   `json:"voter"` // not a learner
	Healthy bool   `json:"healthy"`
	Leader  bool   `json:"leader"`
	Behind  *int64 `json:"behind"` // raft entries it has yet to apply that the leader has; nil: not known
	Why     string `json:"why"`
}

// A QuorumStatus is a ring's arithmetic. A member that could not be asked counts as
// dead, unless the ring shows that it lives.
type QuorumStatus struct {
	Voters int `json:"voters"`
	Alive  int `json:"alive"`
	Need   int `json:"need"` // how many must be alive
}

// Survival is what both rings can lose and go on.
type Survival struct {
	Masters int      `json:"masters"` // how many more, whichever they are
	Zones   []string `json:"zones"`   // any one of these with all masters in it
}

// Members are a ring's members, nil when nobody told of it.
func (s *Survey) Members(ring string) []Member {
	x, _, ok := s.Ring(ring)
	if !ok {
		return nil
	}
	running := map[string]bool{}
	for _, m := range s.Masters {
		running[m.Name] = m.Status == "RUNNING"
	}
	lead := s.leaderIndex(ring, x)
	rows := []Member{}
	var unasked []int // voters that may live for all we know
	alive, voters := 0, 0
	for i, m := range x.Members {
		name, zone := MachineOf(m)
		row := Member{Member: name, Zone: zone, Voter: !m.Learner, Leader: m.ID == x.Leader}
		own, heard := s.Answers[name][ring]
		switch {
		case s.Silent[name] != nil:
			row.Why = s.Silent[name].Error()
			if running[name] && row.Voter {
				unasked = append(unasked, i)
			}
		case !heard:
			row.Why = "there is no such machine"
		case own.ID != m.ID:
			row.Why = cmp.Or(own.Error, "its etcd is not this member")
		case m.Learner: // it may not agree on anything; that it has data is its health
			row.Healthy = own.Index > 0
		default:
			row.Healthy = own.Healthy
		}
		if heard && own.ID == m.ID {
			if !row.Healthy {
				row.Why = cmp.Or(own.Error, "not healthy")
			}
			if lead > 0 && own.Index > 0 {
				row.Behind = new(max(0, lead-own.Index))
			}
		}
		if row.Voter {
			voters++
			if row.Healthy {
				alive++
			}
		}
		rows = append(rows, row)
	}
	// The ring just agreed on something, which takes a quorum. If that takes all
	// who could not be asked, they live.
	if need := voters/2 + 1; x.Healthy && alive < need && alive+len(unasked) == need {
		for _, i := range unasked {
			rows[i].Healthy = true
			rows[i].Why = "was not asked, but the ring could not agree without it: " + rows[i].Why
		}
	}
	slices.SortStableFunc(rows, func(a, b Member) int { return s.place(a.Member) - s.place(b.Member) })
	return rows
}

// Behind is by how many entries a machine's member is behind its leader, 0 if that is
// not known.
func (s *Survey) Behind(ring, machine string) int64 {
	for _, row := range s.Members(ring) {
		if row.Member == machine && row.Behind != nil {
			return *row.Behind
		}
	}
	return 0
}

// place is where a master is in the list, so that all tables have one order.
func (s *Survey) place(name string) int {
	i := slices.IndexFunc(s.Masters, func(m Master) bool { return m.Name == name })
	if i < 0 {
		return len(s.Masters)
	}
	return i
}

// leaderIndex is how far the leader is, or failing its word the one of those who
// answered that is farthest.
func (s *Survey) leaderIndex(ring string, x replicate.Ring) (index int64) {
	for _, rings := range s.Answers {
		own, ok := rings[ring]
		if ok && own.ID == x.Leader && own.Index > 0 {
			return own.Index
		}
		if ok {
			index = max(index, own.Index)
		}
	}
	return index
}

// Quorum is a ring's quorum, and whether a member says that there is one;
// ok is false when nobody told of the ring.
func (s *Survey) Quorum(ring string) (q QuorumStatus, healthy, ok bool) {
	x, _, ok := s.Ring(ring)
	if !ok {
		return q, false, false
	}
	sum := replicate.QuorumOf(s.living(ring))
	q = QuorumStatus{sum.Voters, sum.Alive, sum.Need}
	if x.Healthy { // as many live, even when it is not known who
		q.Alive = max(q.Alive, q.Need)
		return q, true, true
	}
	// None of them is healthy then. Those that run are what is left to build on;
	// they do not reach each other, or there are too few.
	for _, m := range x.Members {
		name, _ := MachineOf(m)
		if own := s.Answers[name][ring]; !m.Learner && own.ID == m.ID {
			q.Alive++
		}
	}
	q.Alive = min(q.Alive, q.Need-1)
	return q, false, true
}

// living are a ring's voters, with what the rows conclude of each.
func (s *Survey) living(ring string) (voters []replicate.Voter) {
	for _, row := range s.Members(ring) {
		if row.Voter {
			voters = append(voters, replicate.Voter{Name: row.Member, Zone: row.Zone, Alive: row.Healthy})
		}
	}
	return voters
}

// Survives is what both rings can lose, nil when one is not known.
func (s *Survey) Survives() *Survival {
	least := -1
	var zones, fatal []string
	for _, ring := range Names {
		q, healthy, ok := s.Quorum(ring)
		if !ok {
			return nil
		}
		more := max(0, q.Alive-q.Need)
		if least < 0 || more < least {
			least = more
		}
		voters := s.living(ring)
		can, cannot := replicate.Zones(voters)
		zones, fatal = append(zones, can...), append(fatal, cannot...)
		if !healthy || !replicate.QuorumOf(voters).Holds() { // or not known of whom
			for _, v := range voters {
				fatal = append(fatal, v.Zone)
			}
		}
	}
	slices.Sort(zones)
	zones = slices.DeleteFunc(slices.Compact(zones), func(z string) bool { return slices.Contains(fatal, z) })
	return &Survival{Masters: least, Zones: append([]string{}, zones...)}
}

// Near tells by raft entries whether a learner may be promoted, by etcd's own measure
// (server.go: readyPercentThreshold 0.9). In a ring with a long life the rest is much:
// the vote waits for that.
func Near(own, theirs int64) bool { return own > 0 && own*10 >= theirs*9 }
