package drill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/status"
	"hakube/cluster/task"
)

// Options say how drills are made.
type Options struct {
	Names  []string
	All    bool     // those that cannot be made are passed over, and told
	On     string   // the machine that is to fail; "": chosen
	Said   []string // how the drill was called, as flags: for the command that helps
	Anyway bool     // also where quorum would be lost, or the cluster is not valid before
	Pace
	// Ask hears what would be done before anything is; an error of it ends the run.
	Ask func([]Plan, []Skip) error
}

// A Pace is how long things may take.
type Pace struct {
	Warm     time.Duration // is measured before the failure
	Hold     time.Duration // the failure stays at least
	Settle   time.Duration // a balancer may take until nobody is sent to what fails
	Stall    time.Duration // no write may be acknowledged, where others go on
	Found    time.Duration // Kubernetes may take until a silent Node is found out
	Whole    time.Duration // the cluster may take until it is valid again
	Deadline time.Duration // after which a machine takes its failure back by itself
}

// UsualPace is for real clusters.
var UsualPace = Pace{
	Warm: 3 * time.Second, Hold: 30 * time.Second, Settle: 15 * time.Second, Stall: 15 * time.Second,
	Found: 2 * time.Minute, Whole: 5 * time.Minute, Deadline: 5 * time.Minute,
}

// A Field is where drills take place.
type Field struct {
	*task.Task
	Options
	// Look validates the cluster anew.
	Look func(context.Context) (*status.Validity, error)
	// Record writes down, with the lease, which drill is not taken back; "" is none.
	Record func(ctx context.Context, drill, on string) error
	Say    func(plan.Event)
	n, of  int
	lent   kube.Entry // by a master, and kept nowhere
}

// A Plan is a drill that may be made.
type Plan struct {
	Scenario
	On       inventory.Object   // what is to fail: a machine, a zone or a namespace
	machines []inventory.Object // that fail with it
	masters  int
	arithmetic
}

// Arithmetic is what it would leave, for people.
func (p Plan) Arithmetic() []string { return p.lines }

// Text is what it would do.
func (p Plan) Text() string {
	return fmt.Sprintf("%s: %s: %s; %s", p.Name, p.Fails, place(p.On.Name, p.On.Zone), p.Undo)
}

// fails tells whether a machine is among those that fail.
func (p Plan) fails(name string) bool { return slices.Contains(p.names(), name) }

func (p Plan) names() (list []string) {
	for _, m := range p.machines {
		list = append(list, m.Name)
	}
	return list
}

// An arithmetic is what a failure would leave, as far as was seen before it.
type arithmetic struct {
	lines  []string
	loses  []string // rings that would have no quorum
	serves int      // API servers that would be left
}

// reckon counts what is left without these masters. It asks nobody.
func reckon(s *status.Status, x Scenario, without []string) (a arithmetic) {
	serving := 0
	for _, m := range s.Masters {
		if m.State == status.StateReady {
			serving++
			if !x.API || !slices.Contains(without, m.Name) {
				a.serves++
			}
		}
	}
	a.lines = append(a.lines, fmt.Sprintf("API servers: %d serve, %d are left", serving, a.serves))
	for _, ring := range rings.Names {
		q, known := s.Quorum[ring]
		left := q.Alive
		for _, m := range s.Rings[ring] {
			if slices.Contains(x.Rings, ring) && slices.Contains(without, m.Member) && m.Voter && m.Healthy {
				left--
			}
		}
		if !known {
			a.lines = append(a.lines, "ring "+ring+": nobody told of it")
			if slices.Contains(x.Rings, ring) {
				a.loses = append(a.loses, ring)
			}
			continue
		}
		a.lines = append(a.lines, fmt.Sprintf("ring %s: %d of %d voters take part, %d are needed, %d are left", ring, q.Alive, q.Voters, q.Need, left))
		if left < q.Need {
			a.loses = append(a.loses, ring)
		}
	}
	return a
}

// refused is why the failure may not be made, "" if it may.
func (a arithmetic) refused() string {
	if len(a.loses) == 0 {
		return ""
	}
	return fmt.Sprintf("quorum would be lost of ring %s: %s", strings.Join(a.loses, " and "), strings.Join(a.lines, "; "))
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
