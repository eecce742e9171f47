package rings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"hakube/cluster/plan"
	"hakube/replicate"
)

// Names are the rings in the order in which they are changed.
var Names = []string{replicate.RingMain, replicate.RingEvents}

// A Master is one that is asked.
type Master struct {
	Name, Zone string
	Status     string // its machine's: RUNNING, TERMINATED …
}

// A HostOf tells how ssh reaches a master.
type HostOf = func(context.Context, Master) (replicate.Host, error)

// A Survey is what the masters say of both rings at one moment. Clients' ports
// are open on loopback only, so each is asked on its machine.
type Survey struct {
	Masters []Master
	Answers map[string]map[string]replicate.Ring // by machine: what its own members say, by ring
	Silent  map[string]error                     // by machine: why it was not heard
	Disks   map[string]replicate.Disk            // by machine: its data disk, of those that were heard
	Clocks  map[string]replicate.Clock           // by machine, of those that were heard
	// Certificates are those of masters that were asked for all, by machine.
	Certificates map[string][]replicate.Certificate
	Rotated      map[string]string               // by machine: which rotation of them it did last
	Encryption   map[string]replicate.Encryption // by machine: what it encrypts Secrets with, of those that were heard
	TokenKeys    map[string]replicate.TokenKey   // by machine: what it signs tokens with, of those that were heard
	Authorities  map[string]replicate.Authority  // by machine: which certificate authority it has, of those that were heard
	// EtcdAuthorities is that of both rings, by machine.
	EtcdAuthorities map[string]replicate.Authority
	Cloud           replicate.Clock // Compute Engine's own, if it is known
}

// AskLimit is how long one master may take to answer; an etcd without quorum
// takes up to ten seconds to say so.
const AskLimit = 20 * time.Second

// A Question is what a master is asked: [replicate.Look], or less.
type Question = func(context.Context, *replicate.Runner, replicate.Host) (replicate.Master, error)

// Ask asks all masters at once, each for at most AskLimit of the clock.
func Ask(ctx context.Context, clock plan.Clock, ssh *replicate.Runner, masters []Master, hostOf HostOf, ask Question) *Survey {
	s := &Survey{
		Masters: masters, Answers: map[string]map[string]replicate.Ring{}, Silent: map[string]error{},
		Disks: map[string]replicate.Disk{}, Clocks: map[string]replicate.Clock{}, Certificates: map[string][]replicate.Certificate{}, Rotated: map[string]string{},
		Encryption: map[string]replicate.Encryption{}, TokenKeys: map[string]replicate.TokenKey{}, Authorities: map[string]replicate.Authority{}, EtcdAuthorities: map[string]replicate.Authority{},
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, m := range masters {
		if m.Status != "RUNNING" {
			s.Silent[m.Name] = fmt.Errorf("the machine is %s", cmp.Or(m.Status, "not there"))
			continue
		}
		wg.Go(func() {
			x, err := On(ctx, clock, ssh, m, hostOf, ask)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				s.Silent[m.Name] = err
				return
			}
			s.Answers[m.Name], s.Disks[m.Name], s.Clocks[m.Name], s.Certificates[m.Name], s.Rotated[m.Name], s.Encryption[m.Name], s.TokenKeys[m.Name], s.Authorities[m.Name], s.EtcdAuthorities[m.Name] = x.Rings, x.Disk, x.Clock, x.Certificates, x.Rotated, x.Encryption, x.TokenKey, x.Authority, x.EtcdAuthority
		})
	}
	wg.Wait()
	return s
}

// On asks one master, for at most AskLimit of the clock.
func On(ctx context.Context, clock plan.Clock, ssh *replicate.Runner, m Master, hostOf HostOf, ask Question) (replicate.Master, error) {
	ctx, cancel := clock.Within(ctx, AskLimit)
	defer cancel()
	host, err := hostOf(ctx, m)
	if err != nil {
		return replicate.Master{}, err
	}
	return ask(ctx, ssh, host)
}

// Ring is a ring as a member sees it that has quorum, or failing that as whoever
// answers remembers it. via is that master.
func (s *Survey) Ring(name string) (ring replicate.Ring, via Master, ok bool) {
	for _, m := range s.Masters {
		x, heard := s.Answers[m.Name][name]
		switch {
		case heard && x.Healthy:
			return x, m, true
		case heard && len(x.Members) > len(ring.Members):
			ring, via, ok = x, m, true
		}
	}
	return ring, via, ok
}

// Healthy is a master, other than those named, whose members of both rings have
// quorum: the one to change memberships through.
func (s *Survey) Healthy(except ...string) (Master, bool) {
	for _, m := range s.Masters {
		if slices.Contains(except, m.Name) {
			continue
		}
		good := len(s.Answers[m.Name]) > 0
		for _, x := range s.Answers[m.Name] {
			good = good && x.Healthy
		}
		if good {
			return m, true
		}
	}
	return Master{}, false
}

// Why says what was heard of each master, when nobody will do.
func (s *Survey) Why() error {
	var errs []error
	for _, m := range s.Masters {
		if err := s.Silent[m.Name]; err != nil {
			errs = append(errs, fmt.Errorf("%s in %s: %w", m.Name, m.Zone, err))
			continue
		}
		for _, name := range Names {
			if x := s.Answers[m.Name][name]; !x.Healthy {
				errs = append(errs, fmt.Errorf("%s in %s: etcd %s: %s", m.Name, m.Zone, name, cmp.Or(x.Error, "not healthy")))
			}
		}
	}
	return errors.Join(errs...)
}

// Slow tells whether what was heard may be otherwise in a moment: nobody answered, and
// somebody not before the limit; or the only voter of a ring runs and has just agreed on
// nothing. That one has nobody to lose, so its disk was busy, as it is while the images of a
// master are unpacked; an alarm would stay.
func (s *Survey) Slow() bool {
	late := false
	for _, err := range s.Silent {
		late = late || errors.Is(err, context.DeadlineExceeded)
	}
	return late && len(s.Answers) == 0 || slices.ContainsFunc(Names, s.onlyVoterWaits)
}

func (s *Survey) onlyVoterWaits(ring string) bool {
	x, via, heard := s.Ring(ring)
	voters := slices.DeleteFunc(slices.Clone(x.Members), func(m replicate.Member) bool { return m.Learner })
	if !heard || x.Healthy && x.Writes == "" || len(x.Alarms) > 0 || len(voters) != 1 {
		return false
	}
	name, _ := MachineOf(voters[0])
	return name == via.Name && x.ID == voters[0].ID
}

// Voters are the voting members of a ring, by the machines they are on. Alive
// is one whose own machine says that it takes part; in a ring without quorum
// nobody can, and those whose etcd runs count, but never as enough.
func (s *Survey) Voters(ring string) (list []replicate.Voter) {
	x, _, _ := s.Ring(ring)
	for _, m := range x.Members {
		if m.Learner {
			continue
		}
		name, zone := MachineOf(m)
		own := s.Answers[name][ring]
		list = append(list, replicate.Voter{Name: name, Zone: zone, Alive: own.ID == m.ID && (own.Healthy || !x.Healthy)})
	}
	if q := replicate.QuorumOf(list); !x.Healthy && q.Holds() { // they do not reach each other
		for i := range list {
			list[i].Alive = list[i].Alive && i < q.Need-1
		}
	}
	return list
}

// MachineOf tells by its peer URL where a member lives: https://NAME.ZONE.c.…:2380.
// The name it gives itself is empty until it has started.
func MachineOf(m replicate.Member) (name, zone string) {
	if len(m.PeerURLs) == 0 {
		return m.Name, ""
	}
	host := strings.TrimPrefix(m.PeerURLs[0], "https://")
	parts := strings.SplitN(host, ".", 3)
	if len(parts) < 3 {
		return host, ""
	}
	return parts[0], parts[1]
}

// QuorumText is a ring's arithmetic for people: "2 voters, 2 alive, quorum 2: none
// may fail".
func (s *Survey) QuorumText(ring string) string {
	voters := s.Voters(ring)
	q := replicate.QuorumOf(voters)
	text := fmt.Sprintf("%d voters, %d alive, quorum %d: ", q.Voters, q.Alive, q.Need)
	if q.Voters == 1 {
		text = fmt.Sprintf("1 voter, %d alive: ", q.Alive)
	}
	switch {
	case !q.Holds():
		return text + "quorum is lost"
	case q.Survives() == 0:
		return text + "none may fail"
	}
	text += fmt.Sprintf("%d more may fail", q.Survives())
	if zones, _ := replicate.Zones(voters); len(zones) > 0 {
		text += ", or all of zone " + strings.Join(zones, " or ")
	}
	return text
}

// Problems is what is wrong with a ring, nothing if it is whole: every voter
// takes part.
func (s *Survey) Problems(name string) (list []string) {
	ring, _, ok := s.Ring(name)
	switch {
	case !ok:
		if err := s.Why(); err != nil {
			return []string{fmt.Sprintf("etcd %s: no answer: %v", name, err)}
		}
		return []string{"etcd " + name + ": no master runs that could be asked"}
	case !ring.Healthy:
		return []string{"etcd " + name + ": " + cmp.Or(ring.Error, "not healthy")}
	case ring.Leader == "":
		return []string{"etcd " + name + ": no leader"}
	}
	for _, x := range s.Refusals(name) {
		list = append(list, fmt.Sprintf("etcd %s: %s: %s", name, x.Machine, x.Why))
	}
	for _, x := range s.Members(name) {
		if x.Voter && !x.Healthy {
			list = append(list, fmt.Sprintf("etcd %s: %s: %s", name, x.Member, x.Why))
		}
	}
	return list
}
