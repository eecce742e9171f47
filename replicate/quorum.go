package replicate

import (
	"fmt"
	"slices"
	"strings"

	"hakube/scripts/cure"
)

// A Voter is a voting member of a ring.
type Voter struct {
	Name, Zone string // of its machine
	Alive      bool   // it takes part
}

// A Quorum is a ring's arithmetic.
type Quorum struct {
	Voters int
	Alive  int
	Need   int // more than half of the voters: without as many alive nothing is agreed on
}

// QuorumOf counts.
func QuorumOf(voters []Voter) Quorum {
	q := Quorum{Voters: len(voters), Need: len(voters)/2 + 1}
	for _, v := range voters {
		if v.Alive {
			q.Alive++
		}
	}
	return q
}

// Holds tells whether the ring can agree on anything.
func (q Quorum) Holds() bool { return q.Alive >= q.Need }

// Survives is how many of those alive may still fail.
func (q Quorum) Survives() int { return max(0, q.Alive-q.Need) }

// Zones are the zones with voters, by whether quorum outlives the loss of each.
// Both are sorted. A ring that has lost quorum survives nothing.
func Zones(voters []Voter) (survivable, fatal []string) {
	for _, v := range voters {
		if slices.Contains(survivable, v.Zone) || slices.Contains(fatal, v.Zone) {
			continue
		}
		rest := slices.Clone(voters)
		for i := range rest {
			rest[i].Alive = rest[i].Alive && rest[i].Zone != v.Zone
		}
		if QuorumOf(rest).Holds() {
			survivable = append(survivable, v.Zone)
		} else {
			fatal = append(fatal, v.Zone)
		}
	}
	slices.Sort(survivable)
	slices.Sort(fatal)
	return survivable, fatal
}

// MayAdd judges whether a ring can take one more member: each of its voters must
// be alive. It is etcd's own rule, for learners too (etcd 3.6.8, server.go:
// mayAddMember, isConnectedFullySince), and stricter than quorum needs. So a dead
// master is replaced by removing it first. That one voter becomes two, and none of
// them may fail, is no reason against it: there is no other way to three.
func MayAdd(ring string, voters []Voter) error {
	q := QuorumOf(voters)
	if q.Voters > 0 && q.Alive == q.Voters {
		return nil
	}
	return &QuorumError{
		Ring: ring,
		Why:  fmt.Sprintf("etcd ring %s has %d voters and %d of them are alive: it takes no other member before all are", ring, q.Voters, q.Alive),
		Cure: cure.Hints(bringBack(voters), cure.Hint("or remove what will not come back", removals(voters)...)),
	}
}

// MayRemove judges whether a voter may be taken out of a ring: some must be
// left, and of those as many alive as they need for quorum. One that is no voter
// may go always.
func MayRemove(ring string, voters []Voter, name string) error {
	rest := slices.DeleteFunc(slices.Clone(voters), func(v Voter) bool { return v.Name == name })
	now, after := QuorumOf(voters), QuorumOf(rest)
	switch {
	case len(rest) == len(voters):
		return nil
	case len(rest) == 0:
		return &QuorumError{
			Ring: ring, Why: fmt.Sprintf("%s is the last voter of etcd ring %s", name, ring),
			Cure: cure.Hint("remove the whole cluster", cure.Down()),
		}
	case !now.Holds():
		return &QuorumError{
			Ring: ring,
			Why: fmt.Sprintf("etcd ring %s has lost quorum: %d of %d voters are alive, it takes %d to agree on anything, the removal of %s too",
				ring, now.Alive, now.Voters, now.Need, name),
			Cure: cure.Hints(bringBack(voters), cure.Hint("then run it again", cure.Same())),
		}
	case !after.Holds():
		return &QuorumError{
			Ring: ring,
			Why: fmt.Sprintf("without %s etcd ring %s would have %d voters and %d of them alive, and quorum takes %d",
				name, ring, after.Voters, after.Alive, after.Need),
			Cure: cure.Hints(bringBack(rest), cure.Hint("or remove that one instead", removals(rest)...)),
		}
	}
	return nil
}

// bringBack is how the dead come back, if there are any.
func bringBack(voters []Voter) string {
	var dead []string
	for _, v := range deadOf(voters) {
		dead = append(dead, v.Name+" in "+v.Zone)
	}
	if len(dead) == 0 {
		return ""
	}
	return cure.Hint("bring back "+strings.Join(dead, " and "), cure.Repair())
}

// removals take the dead out, one after the other.
func removals(voters []Voter) (list []cure.Command) {
	for _, v := range deadOf(voters) {
		list = append(list, cure.RemoveMaster(v.Zone, v.Name))
	}
	return list
}

func deadOf(voters []Voter) []Voter {
	return slices.DeleteFunc(slices.Clone(voters), func(v Voter) bool { return v.Alive })
}

// A QuorumError is a change to a ring that would stop it, or that it is too far
// gone for.
type QuorumError struct {
	Ring string
	Why  string
	Cure string
}

func (e *QuorumError) Error() string { return e.Why }

// Hint says what would help.
func (e *QuorumError) Hint() string { return e.Cure }

// Finding marks it as a refusal: nothing went wrong in looking.
func (e *QuorumError) Finding() {}
