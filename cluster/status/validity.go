package status

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/rings"
	"hakube/cluster/task"
)

// A Validity is whether a cluster is as it should be, and what it looked like.
type Validity struct {
	Valid    bool      `json:"valid"`
	Problems []Problem `json:"problems"`
	Status   *Status   `json:"status"`
}

// A Problem is one reason why a cluster is not valid.
type Problem struct {
	Why     string `json:"why"`
	Command string `json:"command"` // what ends it, where hakube knows
}

// Invalid is a cluster that is not valid, as an error.
type Invalid []Problem

func (e Invalid) Error() string {
	var lines []string
	for _, p := range e {
		lines = append(lines, p.Why)
	}
	return strings.Join(lines, "\n")
}

// Validate looks and judges: the API at its address, as kubectl finds it with
// this operator's kubeconfig, and each master's own, the masters and all pools by their
// Nodes, both rings member by member, the address and the balancer, CoreDNS, and that
// nothing is unfinished. What could not be asked is not valid. It changes nothing; an
// error is one of look.
func Validate(ctx context.Context, r *task.Task) (*Validity, error) {
	s, err := Read(ctx, r)
	if err != nil {
		return nil, err
	}
	if s.unreachable == "" {
		s.kubectl = r.AsKubectl(ctx)
	}
	askPods(ctx, r.Env, s)
	problems := s.problems(int(r.Want.Settings.AllowNotReady))
	return &Validity{Valid: len(problems) == 0, Problems: problems, Status: s.Conclude()}, nil
}

// problems are all reasons why it is not valid. Nodes that are not Ready are
// none up to as many as are allowed.
func (s *Snapshot) problems(allowed int) []Problem {
	list := []Problem{}
	say := func(format string, a ...any) { list = append(list, Problem{Why: fmt.Sprintf(format, a...)}) }
	if s.unreachable != "" {
		say("API at %s: %s", cmp.Or(s.Held.IP, "no address"), s.unreachable)
	}
	if s.kubectl != "" {
		list = append(list, Problem{Why: s.kubectl, Command: s.create()})
	}
	for _, m := range s.Masters {
		if x := s.master(m); x.State != StateReady {
			say("master %s in %s is %s: %s", x.Name, x.Zone, x.State, x.Why)
		}
	}
	for _, name := range rings.Names {
		for _, p := range s.Rings.Problems(name) {
			say("%s", p)
		}
		for _, x := range s.Rings.Members(name) {
			switch {
			case !x.Voter:
				say("etcd %s: %s is a learner", name, x.Member)
			case x.Behind != nil && *x.Behind > env.MaxBehind:
				say("etcd %s: %s is %d entries behind its leader", name, x.Member, *x.Behind)
			}
		}
	}
	for _, line := range s.Rings.Ended(time.Now()) {
		say("%s", line)
	}
	if len(s.Masters) > 1 && s.Held.Machine != "" {
		say("the address %s is on %s: of %d masters only that one is reached", s.Held.IP, s.Held.Machine, len(s.Masters))
	}
	for _, b := range s.backends {
		if s.Held.Rule != "" && !b.Healthy {
			say("the balancer finds %s in %s not healthy", b.Name, b.Zone)
		}
	}
	for _, k := range s.kept {
		list = append(list, k.problem())
	}
	if s.coreDNS != "" {
		say("CoreDNS: %s", s.coreDNS)
	}
	for _, a := range s.addons {
		if !a.Healthy {
			list = append(list, Problem{Why: "addon " + a.Name + ": " + a.Why, Command: s.create()})
		}
	}
	short := 0
	for _, id := range s.have.Pools() {
		if s.listed && s.nodes.read {
			p := s.in(id)
			short += max(0, s.size(id)-len(p.Machines)) + len(p.Missing())
		}
	}
	for _, u := range s.unfinished() {
		if !u.waits || short > allowed {
			list = append(list, Problem{Why: "unfinished: " + u.Step, Command: u.Command})
		}
	}
	if why, command := s.saved.problem(); why != "" {
		list = append(list, Problem{why, command})
	}
	for _, why := range s.unreadable {
		say("%s", why)
	}
	return list
}
