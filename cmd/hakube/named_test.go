package main

import (
	"slices"

	"hakube/scripts/cure"
)

// isNamed tells whether a line that was shown is the command that is meant: the
// same words, and at least its variables.
func isNamed(line, command string) bool {
	x, err := cure.Parse(line)
	if err != nil {
		return false
	}
	want, err := cure.Parse(command)
	if err != nil {
		return false
	}
	for _, v := range want.Vars() {
		if got, set := x.Var(v.Name); !set || got != v.Value {
			return false
		}
	}
	return slices.Equal(x.Args()[1:], want.Args()[1:])
}
