package live

import (
	"context"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/replicate"
)

// A kubelet makes its Node when it starts, and not again: one that somebody deleted
// stays away for ever (kubernetes#71398), however long it is waited for. So a machine
// that runs, is through with its startup-script and has been no Node for a while has
// its kubelet started once more. A node is reset, which keeps its name and its disks;
// there is no other way in. A master is not: its kubelet is restarted over ssh, and
// nothing else on it ends.

// rejoinAtOnce is how many machines are looked at, and reset, at a time.
const rejoinAtOnce = 20

// Rejoin resets the machines of the pool that should be Nodes by now. One that was not
// there when the run began boots for the first time, and is left alone.
func (n Nodes) Rejoin(ctx context.Context, p pool.Pool) error {
	none := map[pool.Machine]bool{}
	due := []pool.Machine{}
	for _, m := range p.Missing() {
		if p.Node(m) == nil && n.have.Has(inventory.Object{Kind: inventory.Instance, Name: m.Name, Zone: m.Zone}) {
			none[m] = true
			if n.rejoins.Due(m, pool.UnregisteredFor(n.env)) {
				due = append(due, m)
			}
		}
	}
	for m := range n.rejoins.Since { // those that are Nodes now begin anew
		if !none[m] {
			delete(n.rejoins.Since, m)
		}
	}
	for _, m := range due[:min(len(due), rejoinAtOnce)] {
		through, err := n.rejoins.Through(ctx, n.env, m)
		if err == nil && through {
			err = n.resetNode(ctx, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n Nodes) resetNode(ctx context.Context, m pool.Machine) error {
	instances := n.env.GCE.Instances(m.Zone)
	i, err := instances.Get(ctx, m.Name)
	if err != nil {
		return err
	}
	if i.GetStatus() != "RUNNING" {
		n.rejoins.Since[m] = time.Now() // its group is at it, or a person
		return nil
	}
	if err := n.env.Gate.Ask(ctx); err != nil {
		return err
	}
	n.rejoins.Said[m] = "was reset, since it ran and was no Node: a kubelet makes its Node only when it starts"
	plan.Note(ctx, m.Name+" "+n.rejoins.Said[m])
	return instances.Reset(ctx, m.Name)
}

// registerLimit is for scripts/register-node.sh.
const registerLimit = 3 * time.Minute

// register restarts the kubelet of a master that should be a Node by now. It returns
// what there is to tell of it.
func register(ctx context.Context, r *env.Env, of inventory.Object, j *pool.Rejoining) (word string, err error) {
	m := pool.Machine{Name: of.Name, Zone: of.Zone}
	if !j.Due(m, pool.UnregisteredFor(r)) {
		return j.Word(m, pool.UnregisteredFor(r)), nil
	}
	if through, err := j.Through(ctx, r, m); err != nil || !through {
		return "is no Node yet, and boots", err
	}
	if err := r.Gate.Ask(ctx); err != nil {
		return "", err
	}
	word = "had its kubelet restarted, since it ran and was no Node: a kubelet makes its Node only when it starts"
	plan.Note(ctx, of.Name+" "+word)
	err = r.OverSSH(ctx, of, registerLimit, func(ctx context.Context, h replicate.Host) error {
		return replicate.RegisterNode(ctx, r.Deps.SSH, h)
	})
	if err != nil {
		word += ", in vain: " + err.Error()
	}
	j.Said[m] = word
	return word, err
}
