package cluster

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
	"hakube/gce"
	"hakube/scripts"
)

// nodes is the wait until each machine of the zone's pool is a Ready Node, by
// name.
func Nodes(r *task) plan.Step { return nodes{r.Env, r.have, r.ownGroups(), r.rejoins} }

type nodes struct {
	env     *env.Env
	have    *inventory.Inventory // when the run began
	groups  []inventory.Object   // of the pool
	rejoins *rejoining
}

func (nodes) String() string { return "nodes are Ready" }
func (nodes) Waits()         {}

// short is how many machines are not there or not Ready.
func (n nodes) short(p pool) int {
	return int(n.env.Want.Settings.NumNodes) - len(p.machines) + len(p.missing())
}

func (n nodes) Observe(ctx context.Context) (plan.State, error) {
	want := int(n.env.Want.Settings.NumNodes)
	if !bool(n.env.Want.Settings.CreateNodes) {
		return plan.Exists("none are wanted")
	}
	p, err := readPool(ctx, n.env, n.groups)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	short := n.short(p)
	switch {
	case len(p.leaving) > 0:
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d machines are being removed", len(p.leaving))}, nil
	case short > int(n.env.Want.Settings.AllowNotReady):
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d of %d Ready", want-short, want)}, nil
	}
	return plan.Exists(fmt.Sprintf("%d of %d Ready", want-short, want))
}

// pace is how often all nodes are listed: less often when there are many.
func (n nodes) pace() time.Duration {
	if n.env.Want.Settings.NumNodes > 100 {
		return 5 * n.env.Poll
	}
	return n.env.Poll
}

// Do waits, and says of those that are missing what they last reported. Nodes
// that may be missing are given some time once enough are there.
func (n nodes) Do(ctx context.Context) error {
	set := n.env.Want.Settings
	guests := map[string]*env.Guest{}
	var enough time.Time // since when as many as must be are Ready
	var no hopeless
	return plan.Until(ctx, plan.Condition{
		For: fmt.Sprintf("%d nodes", set.NumNodes), Every: n.pace(), Limit: set.GroupTimeout.Duration(),
		Check: func(ctx context.Context) (bool, string, error) {
			p, err := readPool(ctx, n.env, n.groups)
			if err != nil {
				return false, "", err
			}
			short := n.short(p)
			if short <= int(set.AllowNotReady) && len(p.leaving) == 0 {
				if enough.IsZero() {
					enough = time.Now()
				}
				if short <= 0 || time.Since(enough) >= set.ReadyGrace.Duration() {
					return true, "", nil
				}
			}
			if err := no.after(hopelessAfter*n.env.Deps.LetGo, short, p.stuck); err != nil {
				return false, "", plan.Permanent(fmt.Errorf("%d of %d Ready, and the group goes on trying: %w", int(set.NumNodes)-short, set.NumNodes, err))
			}
			if err := n.rejoin(ctx, p); err != nil {
				return false, "", err
			}
			why, err := n.why(ctx, p, guests)
			return false, fmt.Sprintf("%d of %d Ready%s", int(set.NumNodes)-short, set.NumNodes, why), err
		},
	})
}

// hopelessAfter is how many times as long as a moment is waited for a group to
// try once more: what its last try said may be mended since.
const hopelessAfter = 5

// hopeless is the judgement that a pool waits for a person: a quota, a policy, a
// zone without stock. Compute Engine goes on trying for ever.
type hopeless struct {
	since time.Time
	short int
}

// after returns what keeps machines from being made if it has done so for limit
// and no further node has become Ready meanwhile.
func (h *hopeless) after(limit time.Duration, short int, stuck []error) error {
	i := slices.IndexFunc(stuck, func(err error) bool { return gce.ClassOf(err) == gce.No })
	switch {
	case i < 0:
		*h = hopeless{}
	case h.since.IsZero() || h.short != short:
		*h = hopeless{time.Now(), short}
	case time.Since(h.since) >= limit:
		return stuck[i]
	}
	return nil
}

// why is what keeps the missing nodes, the first few of them.
func (n nodes) why(ctx context.Context, p pool, guests map[string]*env.Guest) (string, error) {
	if len(p.stuck) > 0 {
		return "; " + p.stuck[0].Error(), nil
	}
	if len(p.leaving) > 0 {
		return "; being removed: " + strings.Join(p.leaving, " "), nil
	}
	var words []string
	missing := p.missing()
	for _, m := range missing[:min(len(missing), whyMany)] {
		name := m.name
		if node := p.node(m); node != nil {
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
			phase = n.rejoins.word(m, unregistered(n.env))
		}
		words = append(words, name+": "+cmp.Or(phase, "boots"))
	}
	if len(missing) > whyMany {
		words = append(words, fmt.Sprintf("and %d more", len(missing)-whyMany))
	}
	if len(words) == 0 {
		return "", nil
	}
	return "; " + strings.Join(words, ", "), nil
}

func (nodes) Undo(context.Context) error { return nil } // never unwanted
