package main

import (
	"context"
	"errors"

	"hakube/cluster"
)

// Exit codes, also in each command's help.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2 // bad settings or usage; nothing was contacted
	exitAnswer      = 3 // plan --exit-code found changes; local status found nothing that runs
	exitInterrupted = 130
)

const exitHelp = `Exit codes: 0 done, 1 could not, 2 bad settings or usage (nothing was contacted),
3 "plan --exit-code" found changes or "local status" nothing that runs, 130 interrupted and safe to run again.`

var (
	errInterrupted = errors.New("interrupted")
	errChanges     = errors.New("there are changes to make")
	errNotRunning  = errors.New("the embedded GCE is not running")
)

// usageError is about how hakube was called.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// exitCode is the one place where an error becomes a number.
func exitCode(err error) int {
	var problems cluster.Problems
	var usage usageError
	var setting interface{ Setting() string } // the variable to change
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errChanges), errors.Is(err, errNotRunning):
		return exitAnswer
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &problems), errors.As(err, &usage), errors.As(err, &setting):
		return exitUsage
	}
	return exitFailed
}

// hinted is an error with its cure.
type hinted struct {
	error
	hint string
}

func withHint(err error, hint string) error { return hinted{err, hint} }

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }
