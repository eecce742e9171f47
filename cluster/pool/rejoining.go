package pool

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

// A Rejoining is what a run knows of machines that are to be Nodes and are none.
type Rejoining struct {
	Since map[Machine]time.Time // that this is so
	Said  map[Machine]string    // what was done about it, once in a run
}

// Due tells whether a machine has been no Node for so long, and nothing was done yet.
func (j *Rejoining) Due(m Machine, after time.Duration) bool {
	if j.Since == nil {
		j.Since, j.Said = map[Machine]time.Time{}, map[Machine]string{}
	}
	if j.Since[m].IsZero() {
		j.Since[m] = time.Now()
	}
	return j.Said[m] == "" && time.Since(j.Since[m]) >= after
}

// Word is what to tell of a machine that is through with its script and is no Node.
func (j *Rejoining) Word(m Machine, after time.Duration) string {
	return cmp.Or(j.Said[m], fmt.Sprintf("runs and is no Node: if it is none for %v, its kubelet is started again", after))
}

// Through tells whether a machine has finished booting. One that has not is asked
// again after a while.
func (j *Rejoining) Through(ctx context.Context, e *env.Env, m Machine) (bool, error) {
	phase, err := e.Phase(ctx, inventory.Object{Name: m.Name, Zone: m.Zone})
	if err != nil && !gce.IsNotFound(err) {
		return false, err
	}
	if phase != scripts.PhaseRunning {
		j.Since[m] = time.Now()
		return false, nil
	}
	return true, nil
}

// UnregisteredFor is how long a machine that is through may take to be a Node. A
// kubelet that can be one tries every few seconds.
func UnregisteredFor(r *env.Env) time.Duration { return r.Deps.LetGo / 2 }
