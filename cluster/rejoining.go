package cluster

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/gce"
	"hakube/scripts"
)

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

// through tells whether a machine has finished booting. One that has not is asked
// again after a while.
func (j *rejoining) through(ctx context.Context, e *env.Env, m member) (bool, error) {
	phase, err := e.Phase(ctx, inventory.Object{Name: m.name, Zone: m.zone})
	if err != nil && !gce.IsNotFound(err) {
		return false, err
	}
	if phase != scripts.PhaseRunning {
		j.since[m] = time.Now()
		return false, nil
	}
	return true, nil
}

// unregistered is how long a machine that is through may take to be a Node. A
// kubelet that can be one tries every few seconds.
func unregistered(r *env.Env) time.Duration { return r.Deps.LetGo / 2 }
