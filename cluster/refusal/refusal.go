// Package refusal is hakube's own no: what was found is not what may be acted on,
// or is in the way of what is to be made. It asks nobody.
package refusal

import (
	"errors"
	"fmt"
	"strings"
)

// Refused is hakube's own no: what it found is not what it may act on.
type Refused struct {
	Why  string
	Cure string
}

func (r *Refused) Error() string { return r.Why }

// Hint says what would help.
func (r *Refused) Hint() string { return r.Cure }

// Finding marks it for package plan: nothing went wrong in looking.
func (r *Refused) Finding() {}

// Blockers is everything in the way of what is to be made, found before the first
// change: settings the cloud says no to, names that are taken, quotas that do
// not suffice, permissions that are withheld.
type Blockers []*Refused

func (b Blockers) Error() string {
	var whys []string
	for _, r := range b {
		whys = append(whys, r.Why)
	}
	if len(b) == 1 {
		return whys[0]
	}
	return fmt.Sprintf("%d things are in the way:\n%s", len(b), strings.Join(whys, "\n"))
}

// Hint is for what has no cure of its own; that nothing was changed the run
// itself knows ([Unchanged]).
func (b Blockers) Hint() string { return "put that right and run it again" }

// Unwrap gives each with its own cure.
func (b Blockers) Unwrap() []error {
	errs := make([]error, len(b))
	for i, r := range b {
		errs[i] = r
	}
	return errs
}

// OrNil is the error, nil if nothing is in the way.
func (b Blockers) OrNil() error {
	if len(b) == 0 {
		return nil
	}
	return b
}

// Besides adds what the settings have in the way to another refusal.
func (b Blockers) Besides(err error) error {
	if len(b) == 0 {
		return err
	}
	return errors.Join(err, b)
}

// Because is a finding without a cure beyond itself.
func Because(format string, a ...any) *Refused { return &Refused{Why: fmt.Sprintf(format, a...)} }
