package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts"
)

// NodesReady is the wait until each machine of the zone's pool is a Ready Node, by
// name.
func NodesReady(r *task.Task) plan.Step { return Nodes{r.Env, r.Have, r.OwnGroups(), r.Rejoins} }

// Nodes is that wait.
type Nodes struct {
	env     *env.Env
	have    *inventory.Inventory // when the run began
	groups  []inventory.Object   // of the pool
	rejoins *pool.Rejoining
}

func (Nodes) String() string { return "nodes are Ready" }
func (Nodes) Waits()         {}

// short is how many machines are not there or not Ready.
func (n Nodes) short(p pool.Pool) int {
	return n.wanted(p) - len(p.Machines) + len(p.Missing())
}

// wanted is how many machines there are to be: of a pool that the cluster autoscaler sizes
// those there are, if they are as many as its least.
func (n Nodes) wanted(p pool.Pool) int {
	if s := n.env.Want.Settings; bool(s.Autoscaler) {
		return max(len(p.Machines), int(s.ScalesToLeast))
	}
	return int(n.env.Want.Settings.NumNodes)
}

func (n Nodes) Observe(ctx context.Context) (plan.State, error) {
	if !bool(n.env.Want.Settings.CreateNodes) {
		return plan.Exists("none are wanted")
	}
	p, err := pool.Recent(ctx, n.env, n.groups) // where that is not enough, Do reads them
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	short, want := n.short(p), n.wanted(p)
	switch {
	case len(p.Leaving) > 0:
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d machines are being removed", len(p.Leaving))}, nil
	case short > int(n.env.Want.Settings.AllowNotReady):
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d of %d Ready", want-short, want)}, nil
	}
	return plan.Exists(fmt.Sprintf("%d of %d Ready", want-short, want))
}

// pace is how often all nodes are listed: less often when there are many.
func (n Nodes) pace() time.Duration {
	if n.env.Want.Settings.NumNodes > 100 {
		return 5 * n.env.Poll
	}
	return n.env.Poll
}

// Do waits, and says of those that are missing what they last reported. Nodes
// that may be missing are given some time once enough are there.
func (n Nodes) Do(ctx context.Context) error {
	set := n.env.Want.Settings
	guests := guestsOf{}
	var enough time.Time // since when as many as must be are Ready
	var no exhausted
	var pace env.Pace
	return n.env.Until(ctx, plan.Condition{
		For: fmt.Sprintf("%d nodes", set.NumNodes), Every: n.pace(), Limit: set.GroupTimeout.Duration(),
		Check: func(ctx context.Context) (bool, string, error) {
			read := pool.Recent
			if pace.Due(n.env.Poll) {
				read = pool.Read
			}
			p, err := read(ctx, n.env, n.groups)
			if err != nil {
				return false, "", err
			}
			short := n.short(p)
			if short <= int(set.AllowNotReady) && len(p.Leaving) == 0 {
				if enough.IsZero() {
					enough = time.Now()
				}
				if short <= 0 || time.Since(enough) >= set.ReadyGrace.Duration() {
					return true, "", nil
				}
			}
			if err := no.after(exhaustedAfter*n.env.Deps.LetGo, short, p.Stuck); err != nil {
				return false, "", plan.Permanent(fmt.Errorf("%d of %d Ready, and the group goes on trying: %w", n.wanted(p)-short, n.wanted(p), err))
			}
			if err := n.Rejoin(ctx, p); err != nil {
				return false, "", err
			}
			why, err := n.why(ctx, p, guests)
			return false, fmt.Sprintf("%d of %d Ready%s", n.wanted(p)-short, n.wanted(p), why), err
		},
	})
}

// exhaustedAfter is how many times as long as a moment is waited for a group to
// try once more: what its last try said may be mended since.
const exhaustedAfter = 5

// exhausted is the judgement that a pool waits for a person: a quota, a policy, a
// zone without stock. Compute Engine goes on trying for ever.
type exhausted struct {
	since time.Time
	short int
}

// after returns what keeps machines from being made if it has done so for limit
// and no further node has become Ready meanwhile.
func (h *exhausted) after(limit time.Duration, short int, stuck []error) error {
	i := slices.IndexFunc(stuck, func(err error) bool { return gce.ClassOf(err) == gce.No })
	switch {
	case i < 0:
		*h = exhausted{}
	case h.since.IsZero() || h.short != short:
		*h = exhausted{time.Now(), short}
	case time.Since(h.since) >= limit:
		return stuck[i]
	}
	return nil
}

// guestsOf are machines that were asked what they do, by name.
type guestsOf map[string]*env.Guest

// why is what keeps the missing nodes, the first few of them.
func (n Nodes) why(ctx context.Context, p pool.Pool, guests guestsOf) (string, error) {
	if len(p.Stuck) > 0 {
		return "; " + p.Stuck[0].Error(), nil
	}
	if len(p.Leaving) > 0 {
		return "; being removed: " + strings.Join(p.Leaving, " "), nil
	}
	var words []string
	missing := p.Missing()
	for _, m := range missing[:min(len(missing), pool.WhyMany)] {
		name := m.Name
		if node := p.Node(m); node != nil {
			words = append(words, name+": "+kube.NotReady(node))
			continue
		}
		g := guests[name]
		if g == nil {
			g = new(env.GuestOf(n.env, n.have, inventory.Object{Name: name, Zone: n.env.Want.Zone}))
			guests[name] = g
		}
		phase, err := g.Phase(ctx)
		switch {
		case gce.IsNotFound(err):
			phase = "is being made"
		case err != nil:
			return "", err
		case phase == scripts.PhaseRunning:
			phase = n.rejoins.Word(m, pool.UnregisteredFor(n.env))
		}
		words = append(words, name+": "+cmp.Or(phase, "boots"))
	}
	if len(missing) > pool.WhyMany {
		words = append(words, fmt.Sprintf("and %d more", len(missing)-pool.WhyMany))
	}
	if len(words) == 0 {
		return "", nil
	}
	return "; " + strings.Join(words, ", "), nil
}

func (Nodes) Undo(context.Context) error { return nil } // never unwanted
