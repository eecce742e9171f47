package cluster

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/gce"
	"hakube/replicate"
	"hakube/scripts"
)

// A kubelet makes its Node when it starts, and not again: one that somebody deleted
// stays away for ever (kubernetes#71398), however long it is waited for. So a machine
// that runs, is through with its startup-script and has been no Node for a while has
// its kubelet started once more. A node is reset, which keeps its name and its disks;
// there is no other way in. A master is not: its kubelet is restarted over ssh, and
// nothing else on it ends.

// A rejoining is what a run knows of machines that are to be Nodes and are none.
type rejoining struct {
	since map[member]time.Time // that this is so
	said  map[member]string    // what was done about it, once in a run
}

// due tells whether a machine has been no Node for so long, and nothing was done yet.
func (j *rejoining) due(m member, after time.Duration) bool {
	if j.since == nil {
		j.since, j.said = map[member]time.Time{}, map[member]string{}
	}
	if j.since[m].IsZero() {
		j.since[m] = time.Now()
	}
	return j.said[m] == "" && time.Since(j.since[m]) >= after
}

// word is what to tell of a machine that is through with its script and is no Node.
func (j *rejoining) word(m member, after time.Duration) string {
	return cmp.Or(j.said[m], fmt.Sprintf("runs and is no Node: if it is none for %v, its kubelet is started again", after))
}

// unregistered is how long a machine that is through may take to be a Node. A
// kubelet that can be one tries every few seconds.
func (r *env) unregistered() time.Duration { return r.deps.LetGo / 2 }

// through tells whether a machine has finished booting. One that has not is asked
// again after a while.
func (r *run) through(ctx context.Context, m member) (bool, error) {
	phase, err := (prepared{r, inventory.Object{Name: m.name, Zone: m.zone}}).phase(ctx)
	if err != nil && !gce.IsNotFound(err) {
		return false, err
	}
	if phase != scripts.PhaseRunning {
		r.rejoins.since[m] = time.Now()
		return false, nil
	}
	return true, nil
}

// rejoinAtOnce is how many machines are looked at, and reset, at a time.
const rejoinAtOnce = 20

// rejoin resets the machines of the pool that should be Nodes by now. One that was not
// there when the run began boots for the first time, and is left alone.
func (n nodes) rejoin(ctx context.Context, p pool) error {
	none := map[member]bool{}
	due := []member{}
	for _, m := range p.missing() {
		if p.node(m) == nil && n.have.Has(inventory.Object{Kind: inventory.Instance, Name: m.name, Zone: m.zone}) {
			none[m] = true
			if n.rejoins.due(m, n.unregistered()) {
				due = append(due, m)
			}
		}
	}
	for m := range n.rejoins.since { // those that are Nodes now begin anew
		if !none[m] {
			delete(n.rejoins.since, m)
		}
	}
	for _, m := range due[:min(len(due), rejoinAtOnce)] {
		through, err := n.through(ctx, m)
		if err == nil && through {
			err = n.resetNode(ctx, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n nodes) resetNode(ctx context.Context, m member) error {
	instances := n.GCE.Instances(m.zone)
	i, err := instances.Get(ctx, m.name)
	if err != nil {
		return err
	}
	if i.GetStatus() != "RUNNING" {
		n.rejoins.since[m] = time.Now() // its group is at it, or a person
		return nil
	}
	if err := plan.Gate(ctx); err != nil {
		return err
	}
	n.rejoins.said[m] = "was reset, since it ran and was no Node: a kubelet makes its Node only when it starts"
	plan.Note(ctx, m.name+" "+n.rejoins.said[m])
	return instances.Reset(ctx, m.name)
}

// registerLimit is for scripts/register-node.sh.
const registerLimit = 3 * time.Minute

// register restarts the kubelet of a master that should be a Node by now. It returns
// what there is to tell of it.
func (r *run) register(ctx context.Context, of inventory.Object) (word string, err error) {
	m := member{name: of.Name, zone: of.Zone}
	if !r.rejoins.due(m, r.unregistered()) {
		return r.rejoins.word(m, r.unregistered()), nil
	}
	if through, err := r.through(ctx, m); err != nil || !through {
		return "is no Node yet, and boots", err
	}
	if err := plan.Gate(ctx); err != nil {
		return "", err
	}
	word = "had its kubelet restarted, since it ran and was no Node: a kubelet makes its Node only when it starts"
	plan.Note(ctx, of.Name+" "+word)
	err = r.overSSH(ctx, of, registerLimit, func(ctx context.Context, h replicate.Host) error {
		return replicate.RegisterNode(ctx, r.deps.SSH, h)
	})
	if err != nil {
		word += ", in vain: " + err.Error()
	}
	r.rejoins.said[m] = word
	return word, err
}
