package rings

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"hakube/replicate"
	"hakube/scripts/cure"
)

// Health is that a ring takes writes: one with an alarm answers questions, and so does
// the API server on it, while nothing in the cluster changes any more.

// A Refusal is why a ring takes no writes, by the master that is to be looked after: the
// one whose alarm it is. If that is gone, or etcd names none, it is the ring's leader.
type Refusal struct {
	Ring, Machine string
	Why           string
}

// Refusals are those of a ring, by the order of the masters.
func (s *Survey) Refusals(ring string) (list []Refusal) {
	x := s.withAlarms(ring)
	leader := ""
	for _, m := range x.Members {
		if m.ID == x.Leader {
			leader, _ = MachineOf(m)
		}
	}
	for _, a := range x.Alarms {
		at := leader
		for _, m := range x.Members {
			if m.ID == a.Member {
				at, _ = MachineOf(m)
			}
		}
		list = append(list, Refusal{ring, at, s.alarmText(ring, x, a)})
	}
	if len(list) > 0 {
		slices.SortStableFunc(list, func(a, b Refusal) int { return s.place(a.Machine) - s.place(b.Machine) })
		return list
	}
	for _, m := range s.Masters {
		if own := s.Answers[m.Name][ring]; own.Writes != "" {
			list = append(list, Refusal{ring, m.Name, "it answers questions and takes no writes: " + own.Writes})
		}
	}
	return list
}

// RefusedBy is why a ring takes no writes, if it is this master that is to be looked
// after for that, "" if not.
func (s *Survey) RefusedBy(machine string) string {
	for _, ring := range Names {
		for _, x := range s.Refusals(ring) {
			if x.Machine == machine {
				return "etcd " + ring + ": " + x.Why
			}
		}
	}
	return ""
}

// Differs tells of a master whose data of a ring etcd has found to be others than
// those of the rest. Until it is out of that ring nothing can be written to it.
func (s *Survey) Differs(machine string) bool {
	for _, ring := range Names {
		x := s.withAlarms(ring)
		for _, m := range x.Members {
			if name, _ := MachineOf(m); name == machine && x.Corrupt(m.ID) && len(x.Members) > 1 {
				return true
			}
		}
	}
	return false
}

// Alarmed tells that a ring has an alarm.
func (s *Survey) Alarmed() bool {
	return slices.ContainsFunc(Names, func(ring string) bool { return len(s.withAlarms(ring).Alarms) > 0 })
}

// withAlarms is a ring with the alarms that any of its members knows of: without quorum
// each remembers its own.
func (s *Survey) withAlarms(ring string) replicate.Ring {
	x, via, _ := s.Ring(ring)
	for _, m := range s.Masters {
		if m.Name == via.Name || x.Healthy {
			continue
		}
		for _, a := range s.Answers[m.Name][ring].Alarms {
			if !slices.Contains(x.Alarms, a) {
				x.Alarms = append(slices.Clone(x.Alarms), a)
			}
		}
	}
	return x
}

// alarmText says an alarm, with how full the member's database is that raised it.
func (s *Survey) alarmText(ring string, x replicate.Ring, a replicate.Alarm) string {
	text := fmt.Sprintf("it takes no writes: alarm %s of %s", a.Kind, x.NameOf(a.Member))
	for _, answers := range s.Answers {
		if own := answers[ring]; own.ID == a.Member && own.ID != "" && a.Kind == replicate.AlarmSpace {
			return text + ", " + SpaceText(own)
		}
	}
	return text
}

// SpaceText is how full a member's database is: "its database has 4096 MiB, 3900 of them
// in use, and may have 4096".
func SpaceText(x replicate.Ring) string {
	text := fmt.Sprintf("its database has %d MiB, %d of them in use", mib(x.Size), mib(x.InUse))
	if x.Quota > 0 {
		text += fmt.Sprintf(", and may have %d", mib(x.Quota))
	}
	return text
}

func mib(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// MayChange judges whether who is in the rings may be changed now, see
// [replicate.MayChange], and whether the machines of those who stay bear it.
func (s *Survey) MayChange(leaves ...string) error {
	for _, ring := range Names {
		x := s.withAlarms(ring)
		for _, r := range s.Refusals(ring) {
			x.Writes = cmp.Or(x.Writes, r.Why)
		}
		if err := replicate.MayChange(ring, x); err != nil {
			return err
		}
	}
	for _, m := range s.Masters {
		if why := s.MachineWhy(m.Name); why != "" && !slices.Contains(leaves, m.Name) {
			return &replicate.QuorumError{
				Why:  fmt.Sprintf("%s in %s: %s", m.Name, m.Zone, why),
				Cure: cure.Hint("have it seen to first", cure.Repair(m.Name)),
			}
		}
	}
	return nil
}

// ClockLimit is by how much the clocks of masters may differ. Kubernetes' components
// hold a lead for 15 s and give it up after 10 s, each by its own clock, so 5 s is what
// they can bear; etcd complains from 1 s on.
const ClockLimit = 5 * time.Second

// ClockWhy is how a master's clock is off, "" if it is not or that is not known. No clock
// is taken for right because of whose it is, and the operator's is not asked: the clocks
// of the masters and of Compute Engine vote, and of two halves that are as large the one
// with Compute Engine wins. Between two masters without it neither is known to be right.
func (s *Survey) ClockWhy(name string) string {
	own, known := s.Clocks[name]
	with, best := s.agreeing()
	if !known || !own.Known || slices.Contains(with, name) {
		return ""
	}
	ref := s.Cloud
	if !slices.Contains(with, "") {
		ref = s.Clocks[with[0]]
	}
	text := fmt.Sprintf("its clock is %s %s", own.Apart(ref).Round(time.Second), ahead(own, ref))
	switch {
	case slices.Contains(with, ""):
		return text + " Compute Engine's"
	case !best:
		return text + " that of " + with[0] + ", and which of them is right is not known"
	}
	return text + " those of the other masters"
}

// OperatorWhy is how this machine's own clock is off, by what most of the others agree
// on: certificates and tokens are judged by it.
func (s *Survey) OperatorWhy() string {
	with, _ := s.agreeing()
	if len(with) == 0 {
		return ""
	}
	own, ref, whose := replicate.Clock{Known: true}, s.Cloud, "Compute Engine's"
	if with[0] != "" {
		ref, whose = s.Clocks[with[0]], "those of the masters"
	}
	if own.Apart(ref) <= ClockLimit {
		return ""
	}
	return fmt.Sprintf("the clock of this machine, where hakube runs, is %s %s %s", own.Apart(ref).Round(time.Second), ahead(own, ref), whose)
}

func ahead(a, b replicate.Clock) string {
	if a.Least > b.Least {
		return "ahead of"
	}
	return "behind"
}

// agreeing are the most of the masters and Compute Engine, which is "", whose clocks
// agree with that of one of them; best tells whether no others are as many.
func (s *Survey) agreeing() (most []string, best bool) {
	clocks := maps.Clone(s.Clocks)
	if s.Cloud.Known {
		clocks[""] = s.Cloud
	}
	for _, name := range slices.Sorted(maps.Keys(clocks)) { // Compute Engine first
		var with []string
		for _, other := range slices.Sorted(maps.Keys(clocks)) {
			if clocks[other].Known && clocks[name].Known && clocks[name].Apart(clocks[other]) <= ClockLimit {
				with = append(with, other)
			}
		}
		switch {
		case len(with) > len(most):
			most, best = with, true
		case len(with) == len(most) && !slices.Equal(with, most):
			best = false
		}
	}
	return most, best
}

// MachineWhy is what is wrong with a master's machine that its etcd will suffer from:
// its disk, its clock.
func (s *Survey) MachineWhy(name string) string {
	return cmp.Or(s.Disks[name].Full(), s.ClockWhy(name))
}
