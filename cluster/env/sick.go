package env

import (
	"errors"

	"hakube/scripts/cure"
)

// Sick is an error about a cluster that was made and fails in something. Cure is what ends
// that, "" if who says so does not know.
type Sick struct {
	Err  error
	Cure string
}

func (e *Sick) Error() string { return e.Err.Error() }
func (e *Sick) Unwrap() error { return e.Err }

// Hint is that of the error itself, if it knows better.
func (e *Sick) Hint() string {
	if e.Cure != "" {
		return e.Cure
	}
	var h interface{ Hint() string }
	if errors.As(e.Err, &h) {
		return h.Hint()
	}
	return cure.Hints(cure.Hint("see what fails and which command ends it", cure.Status()), cure.Hint("bring back masters that were made and fail", cure.Repair()))
}
