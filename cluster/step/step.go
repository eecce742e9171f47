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
type Resource[T object] struct {
	name string           // "firewall kubernetes-master-https"
	of   inventory.Object // its kind, name and place
	get  func(context.Context) (T, error)
	// mine tells by the description whether we may act on the object.
	mine func(description string) bool
	// Check looks closer at one that is there; nil means that is enough.
	Check func(T) (plan.State, error)
	// insert makes the object and returns when the operation is done. made is what was
	// sent, which is what there is then; nil where it has to be looked at.
	insert func(context.Context) (made T, err error)
	mend   func(context.Context) error // brings one that is Partial there; nil: insert does
	poll   time.Duration               // between two looks at one that an earlier run has asked for
	clock  plan.Clock                  // of that wait
	remove func(context.Context) error
	before *observed[T] // what was seen before the first change; nil: this one is always looked at
}

// object is one of Compute Engine's messages.
type object interface {
	comparable
	GetDescription() string
}

func (r Resource[T]) String() string           { return r.name }
func (r Resource[T]) Object() inventory.Object { return r.of }

// Observe looks at the object. Where it is to be made and was looked at before the
// first change, that look counts, once: the lease was given to this run only because
// nobody had it since.
func (r Resource[T]) Observe(ctx context.Context) (plan.State, error) {
	x, err, was := r.before.take()
	if !was {
		x, err = r.get(ctx)
	}
	now, err := r.judge(x, err)
	r.before.saw(now.Is)
	return now, err
}

// Foresee looks beforehand, and keeps what it saw for the look that comes before the
// change. Of an object that is known to be absent nobody is asked.
func (r Resource[T]) Foresee(ctx context.Context, absent bool) (plan.State, error) {
	x, err, was := r.before.take()
	switch {
	case was:
	case absent:
		err = absence{}
	default:
		x, err = r.get(ctx)
	}
	if err == nil || gce.IsNotFound(err) || absent {
		r.before.keep(x, err)
	}
	return r.judge(x, err)
}

// judge is what an object that was read, or could not be, means.
func (r Resource[T]) judge(x T, err error) (plan.State, error) {
	if gce.IsNotFound(err) || err == error(absence{}) {
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

// Change makes the object, or takes it away. An operation that is done without an
// error is Compute Engine's own word that it holds: nobody looks again.
func (r Resource[T]) Change(ctx context.Context, want bool) (plan.State, error) {
	if !want {
		if err := r.remove(ctx); err != nil {
			return plan.State{}, err
		}
		return plan.State{Is: plan.Absent}, nil
	}
	if r.mend != nil && r.before.last() == plan.Partial {
		return plan.State{}, r.mend(ctx)
	}
	made, err := r.insert(ctx)
	var none T
	switch {
	case gce.ClassOf(err) == gce.Already:
		return plan.State{}, r.awaited(ctx, err)
	case err != nil || made == none:
		return plan.State{}, err
	}
	return r.judge(made, nil)
}

// Do makes the object.
func (r Resource[T]) Do(ctx context.Context) error {
	_, err := r.Change(ctx, true)
	return err
}

// Undo takes it away.
func (r Resource[T]) Undo(ctx context.Context) error {
	_, err := r.Change(ctx, false)
	return err
}

// awaited waits for an object that was there already when it was to be made: it was
// asked for by an earlier run that was cut, and Compute Engine still makes it.
func (r Resource[T]) awaited(ctx context.Context, err error) error {
	waited := r.clock.Until(ctx, plan.Condition{
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

func (r Resource[T]) About() plan.Thing { return task.Thing(r.of) }

// told is what a change left whose operation was done without an error.
func told(is plan.Presence, err error) (plan.State, error) {
	if err != nil {
		return plan.State{}, err
	}
	return plan.State{Is: is}, nil
}
