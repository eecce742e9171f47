package env

import (
	"errors"

	"hakube/scripts/cure"
)

// Sick is an error about a cluster that was made and fails in something.
type Sick struct{ Err error }

func (e *Sick) Error() string { return e.Err.Error() }
func (e *Sick) Unwrap() error { return e.Err }

// Hint is that of the error itself, if it knows better.
func (e *Sick) Hint() string {
	var h interface{ Hint() string }
	if errors.As(e.Err, &h) {
		return h.Hint()
	}
	return cure.Hints(cure.Hint("see what fails and which command ends it", cure.Status()), cure.Hint("bring back masters that were made and fail", cure.Repair()))
}
