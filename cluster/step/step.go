// Package step has the facts about Compute Engine's objects, a file a noun: each is
// looked at, made and taken away here, and nowhere else.
package step

import (
	"context"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
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

func (r Resource[T]) Do(ctx context.Context) error   { return r.insert(ctx) }
func (r Resource[T]) Undo(ctx context.Context) error { return r.remove(ctx) }

func (r Resource[T]) About() plan.Thing { return task.Thing(r.of) }
