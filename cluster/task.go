package cluster

import (
	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/pool"
	"hakube/cluster/sweep"
	"hakube/replicate"
)

// A task is what steps are made from: what they work with, what was there when the run
// began, and what it is about.
type task struct {
	*env.Env
	have *inventory.Inventory
	mode aim
	// replica is the master that is added or removed, in the modes for one.
	replica inventory.Object
	source  *computepb.Instance // the master it is made like
	// patients are the masters that are repaired, and what was found out of them.
	patients []inventory.Object
	verdicts *verdicts
	givenUp  []inventory.Object // masters that are not to come back
	// balanced tells whether the API's address is to be on the balancer.
	balanced bool
	rejoins  *pool.Rejoining
	taken    map[string]bool // variables that are not set and were read back from what is there

	// What the cluster leaves behind that hakube did not make, and whether it is
	// removed with it; kept is what of our own then stays, and so the mark.
	strays, perhaps []*sweep.Orphan
	sweeping        bool
	kept            []inventory.Object
}

// newTask is one that has found nothing yet.
func newTask(e *env.Env, about aim) *task {
	return &task{Env: e, mode: about, verdicts: &verdicts{by: map[string]replicate.Revived{}}, rejoins: &pool.Rejoining{}}
}

// shares is for the network and its ssh rule: whoever made them, they are used
// when they are there; but only what is ours is removed.
func (r *task) shares(description string) bool { return !r.mode.removes || r.Owns(description) }

// guest is a machine by what was there of it when the run began.
func (r *task) guest(o inventory.Object) env.Guest { return env.GuestOf(r.Env, r.have, o) }

// found is what goes of a kind, where that is what was found: of all there is, or of the
// zone's pool.
func (r *task) found(k inventory.Kind) []inventory.Object {
	if r.mode.whole {
		return r.have.Of(k)
	}
	return r.have.Pool(r.Want.Names, r.Want.Zone).Of(k)
}

// or is what was found of a kind when that is to go, and otherwise the one
// object the settings want.
func (r *task) or(k inventory.Kind, want inventory.Object) []inventory.Object {
	if r.mode.takesFound() {
		return r.found(k)
	}
	return []inventory.Object{want}
}

// parts is what was found of a kind when the cluster goes, otherwise the one
// object there is to be or not to be.
func (r *task) parts(k inventory.Kind, want inventory.Object) []inventory.Object {
	if r.mode.takesFound() {
		return r.have.Of(k)
	}
	return []inventory.Object{want}
}

// keeps tells whether an object of ours stays.
func (r *task) keeps(k inventory.Kind, name string) bool {
	for _, o := range r.kept {
		if o.Kind == k && o.Name == name {
			return true
		}
	}
	return false
}
