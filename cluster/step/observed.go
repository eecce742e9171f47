package step

import (
	"sync"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/task"
)

// A observed is what a look before the first change saw of an object that is to be made.
type observed[T any] struct {
	mu    sync.Mutex
	x     T
	err   error         // that there is none
	fresh bool          // it was not used yet
	is    plan.Presence // by the last look
}

// saw takes note of how the last look was judged.
func (s *observed[T]) saw(is plan.Presence) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.is = is
}

// last is how the last look was judged.
func (s *observed[T]) last() plan.Presence {
	if s == nil {
		return plan.Unknown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is
}

// keep takes note of a look.
func (s *observed[T]) keep(x T, err error) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.x, s.err, s.fresh = x, err, true
}

// take gives the look out, once.
func (s *observed[T]) take() (x T, err error, was bool) {
	if s == nil {
		return x, nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	was, s.fresh = s.fresh, false
	return s.x, s.err, was
}

// An absence is that lists of all there is do not have the object.
type absence struct{}

func (absence) Error() string { return "there is none" }

// known is what the look around at the beginning read of an object by its name, where it
// is to be there. What goes, and what is repaired, is looked at before each change.
func known[T any](r *task.Task, o inventory.Object) *observed[T] {
	s := &observed[T]{}
	if r.Mode.Removes || r.Mode.Repairs {
		return s
	}
	if x, was := r.Seen.JustRead(o); was {
		s.keep(x.(T), nil)
	}
	return s
}
