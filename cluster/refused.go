package cluster

import (
	"errors"

	"hakube/scripts/cure"
)

// sick is an error about a cluster that was made and fails in something.
type sick struct{ error }

func (e *sick) Unwrap() error { return e.error }

// Hint is that of the error itself, if it knows better.
func (e *sick) Hint() string {
	var h interface{ Hint() string }
	if errors.As(e.error, &h) {
		return h.Hint()
	}
	return cure.Hints(cure.Hint("see what fails and which command ends it", cure.Status()), cure.Hint("bring back masters that were made and fail", cure.Repair()))
}
