package cluster

import (
	"hakube/cluster/env"
	"hakube/cluster/live"
	"hakube/cluster/task"
)

// A run is one walk over the items, and what it ended with.
type run struct {
	*task.Task
	outcome
}

// An outcome is what a run tells of itself when it is through.
type outcome struct {
	smaller  *Smaller       // the pool, when it is made so
	evidence *live.Evidence // that the cluster works
	dark     *Outage        // of the API, when it was probed
	outages  []Outage       // by step
}

func newRun(e *env.Env, about task.Aim) *run { return &run{Task: task.New(e, about)} }
