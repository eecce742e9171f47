// Package step has the facts about Compute Engine's objects, a file a noun: each is
// looked at, made and taken away here, and nowhere else.
package step

import (
	"context"
	"errors"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/gce"
)

// A Resource is the step "this object of the cloud is there", of which the
// files for the nouns fill in the verbs. It looks by exact name; only a 404 on
// the object itself is Absent.
type Resource[T interface{ GetDescription() string }] struct {
	name string           // "firewall kubernetes-master-https"
	of   inventory.Object // its kind, name and place
	get  func(context.Context) (T, error)
	// mine tells by the description whether we may act on the object.
	mine func(description string) bool
	// Check looks closer at one that is there; nil means that is enough.
	Check  func(T) (plan.State, error)
	insert func(context.Context) error
	poll   time.Duration // between two looks at one that an earlier run has asked for
	remove func(context.Context) error
}

func (r Resource[T]) String() string           { return r.name }
func (r Resource[T]) Object() inventory.Object { return r.of }

func (r Resource[T]) Observe(ctx context.Context) (plan.State, error) {
	x, err := r.get(ctx)
	if gce.IsNotFound(err) {
		return plan.State{Is: plan.Absent}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	if !r.mine(x.GetDescription()) {
		return plan.State{}, inventory.Foreign(r.name, r.of, x.GetDescription())
	}
	if r.Check == nil {
		return plan.State{Is: plan.Present}, nil
	}
	return r.Check(x)
}

// Do makes the object. One that is there already by then was asked for by an earlier
// run that was cut, and Compute Engine still makes it: that is waited for.
func (r Resource[T]) Do(ctx context.Context) error {
	err := r.insert(ctx)
	if gce.ClassOf(err) != gce.Already {
		return err
	}
	waited := plan.Until(ctx, plan.Condition{
		For: r.name + ", which is being made", Every: r.poll, Limit: makingLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			now, err := r.Observe(ctx)
			if no := (*refusal.Refused)(nil); errors.As(err, &no) { // it is somebody else's, or not as it is wanted
				err = plan.Permanent(err)
			}
			return now.Is == plan.Present, now.Why, err
		},
	})
	if waited != nil {
		return errors.Join(err, waited)
	}
	return nil
}

// makingLimit is how long Compute Engine may take to make one object: machines and
// forwarding rules take the longest.
const makingLimit = 3 * time.Minute

func (r Resource[T]) Undo(ctx context.Context) error { return r.remove(ctx) }

func (r Resource[T]) About() plan.Thing { return task.Thing(r.of) }
