package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/replicate"
)

// ringNames are the rings in the order in which they are changed.
var ringNames = []string{replicate.RingMain, replicate.RingEvents}

// A survey is what the masters say of both rings at one moment. Clients' ports
// are open on loopback only, so each is asked on its machine.
type survey struct {
	masters []inventory.Object
	answers map[string]map[string]replicate.Ring // by machine: what its own members say, by ring
	silent  map[string]error                     // by machine: why it was not heard
	project string
}

// surveyLimit is how long one master may take to answer; an etcd without quorum
// takes up to ten seconds to say so.
const surveyLimit = 20 * time.Second

// survey asks all masters at once.
func (r *run) survey(ctx context.Context, masters []inventory.Object) *survey {
	s := &survey{masters: masters, answers: map[string]map[string]replicate.Ring{}, silent: map[string]error{}, project: r.want.Project}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, m := range masters {
		if m.Status != "RUNNING" {
			s.silent[m.Name] = fmt.Errorf("the machine is %s", cmp.Or(m.Status, "not there"))
			continue
		}
		wg.Go(func() {
			rings, err := r.ringsOn(ctx, m)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				s.silent[m.Name] = err
				return
			}
			s.answers[m.Name] = rings
		})
	}
	wg.Wait()
	return s
}

// masters are those there are once the run is through, as far as it is: with
// what its steps have seen of them.
func (r *run) masters() []inventory.Object {
	var list []inventory.Object
	for _, m := range r.have.Masters(r.want.Names) {
		if m.Name != r.replica.Name {
			list = append(list, m)
		}
	}
	switch {
	case r.mode == settings.AddReplica:
		list = append(list, r.replica)
	case r.repairs():
		for _, p := range r.patients {
			if !slices.ContainsFunc(list, func(m inventory.Object) bool { return m.Name == p.Name }) {
				list = append(list, p)
			}
		}
	case len(list) == 0: // this run makes it
		list = append(list, r.master())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range list {
		list[i].Status = cmp.Or(r.states[list[i].Name], list[i].Status)
	}
	return list
}

// sawMaster takes note of a machine's state.
func (r *run) sawMaster(i *computepb.Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states[i.GetName()] = i.GetStatus()
}

// ringsOn asks one master about both rings.
func (r *run) ringsOn(ctx context.Context, m inventory.Object) (map[string]replicate.Ring, error) {
	ctx, cancel := plan.Within(ctx, surveyLimit)
	defer cancel()
	host, err := r.host(ctx, m)
	if err != nil {
		return nil, err
	}
	return replicate.Rings(ctx, r.deps.SSH, host)
}

// ring is a ring as a member sees it that has quorum, or failing that as whoever
// answers remembers it. via is that master.
func (s *survey) ring(name string) (ring replicate.Ring, via inventory.Object, ok bool) {
	for _, m := range s.masters {
		x, heard := s.answers[m.Name][name]
		switch {
		case heard && x.Healthy:
			return x, m, true
		case heard && len(x.Members) > len(ring.Members):
			ring, via, ok = x, m, true
		}
	}
	return ring, via, ok
}

// healthy is a master, other than those named, whose members of both rings have
// quorum: the one to change memberships through.
func (s *survey) healthy(except ...string) (inventory.Object, bool) {
	for _, m := range s.masters {
		if slices.Contains(except, m.Name) {
			continue
		}
		good := len(s.answers[m.Name]) > 0
		for _, x := range s.answers[m.Name] {
			good = good && x.Healthy
		}
		if good {
			return m, true
		}
	}
	return inventory.Object{}, false
}

// why says what was heard of each master, when nobody will do.
func (s *survey) why() error {
	var errs []error
	for _, m := range s.masters {
		if err := s.silent[m.Name]; err != nil {
			errs = append(errs, fmt.Errorf("%s in %s: %w", m.Name, m.Zone, err))
			continue
		}
		for _, name := range ringNames {
			if x := s.answers[m.Name][name]; !x.Healthy {
				errs = append(errs, fmt.Errorf("%s in %s: etcd %s: %s", m.Name, m.Zone, name, cmp.Or(x.Error, "not healthy")))
			}
		}
	}
	return errors.Join(errs...)
}

// voters are the voting members of a ring, by the machines they are on. Alive
// is one whose own machine says that it takes part; in a ring without quorum
// nobody can, and those whose etcd runs count, but never as enough.
func (s *survey) voters(ring string) (list []replicate.Voter) {
	x, _, _ := s.ring(ring)
	for _, m := range x.Members {
		if m.Learner {
			continue
		}
		name, zone := machineOf(m)
		own := s.answers[name][ring]
		list = append(list, replicate.Voter{Name: name, Zone: zone, Alive: own.ID == m.ID && (own.Healthy || !x.Healthy)})
	}
	if q := replicate.QuorumOf(list); !x.Healthy && q.Holds() { // they do not reach each other
		for i := range list {
			list[i].Alive = list[i].Alive && i < q.Need-1
		}
	}
	return list
}

// machineOf tells by its peer URL where a member lives: https://NAME.ZONE.c.…:2380.
// The name it gives itself is empty until it has started.
func machineOf(m replicate.Member) (name, zone string) {
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

// quorum is a ring's arithmetic for people: "2 voters, 2 alive, quorum 2: no
// more may fail".
func (s *survey) quorum(ring string) string { return quorumText(s.voters(ring)) }

func quorumText(voters []replicate.Voter) string {
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

// peer is a master's peer URL in a ring.
func (r *run) peer(ring string, m inventory.Object) string {
	return replicate.PeerURL(ring, m.Name, m.Zone, r.want.Project)
}
