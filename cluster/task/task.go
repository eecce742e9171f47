// Package task is what steps are made from: what there was when a command began, what
// the command is about, and what the settings came to beside that. Whoever makes a step
// takes out of a task what the step may touch.
package task

import (
	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/pool"
	"hakube/cluster/sweep"
	"hakube/replicate"
)

// A Task is what steps are made from: what they work with, what was there when the run
// began, and what it is about.
type Task struct {
	*env.Env
	Have *inventory.Inventory
	Mode Aim
	// Replica is the master that is added or removed, in the modes for one.
	Replica inventory.Object
	Source  *computepb.Instance // the master it is made like
	// Failing are the masters that are repaired, and what was found out of them.
	Failing  []inventory.Object
	Verdicts *Verdicts
	GivenUp  []inventory.Object // masters that are not to come back
	// Snapshot is what the data disk of the one that is repaired is made of; nil is an empty one.
	Snapshot *computepb.Snapshot
	// Balanced tells whether the API's address is to be on the balancer.
	Balanced bool
	Rejoins  *pool.Rejoining

	// What the cluster leaves behind that hakube did not make, and whether it is
	// removed with it; kept is what of our own then stays, and so the mark.
	Orphans, Perhaps []*sweep.Judged
	Sweeping         bool
	Kept             []inventory.Object
}

// New is one that has found nothing yet.
func New(e *env.Env, about Aim) *Task {
	return &Task{Env: e, Mode: about, Verdicts: &Verdicts{by: map[string]replicate.Revived{}}, Rejoins: &pool.Rejoining{}}
}

// Guest is a machine by what was there of it when the run began.
func (r *Task) Guest(o inventory.Object) env.Guest { return env.GuestOf(r.Env, r.Have, o) }

// found is what goes of a kind, where that is what was found: of all there is, or of the
// zone's pool.
func (r *Task) found(k inventory.Kind) []inventory.Object {
	if r.Mode.Whole {
		return r.Have.Of(k)
	}
	return r.Have.Pool(r.Want.Names, r.Want.Pool()).Of(k)
}

// Or is what was found of a kind when that is to go, and otherwise the one
// object the settings want.
func (r *Task) Or(k inventory.Kind, want inventory.Object) []inventory.Object {
	if r.Mode.TakesFound() {
		return r.found(k)
	}
	return []inventory.Object{want}
}

// Parts is what was found of a kind when the cluster goes, otherwise the one
// object there is to be or not to be.
func (r *Task) Parts(k inventory.Kind, want inventory.Object) []inventory.Object {
	if r.Mode.TakesFound() {
		return r.Have.Of(k)
	}
	return []inventory.Object{want}
}

// Keeps tells whether an object of ours stays.
func (r *Task) Keeps(k inventory.Kind, name string) bool {
	for _, o := range r.Kept {
		if o.Kind == k && o.Name == name {
			return true
		}
	}
	return false
}
