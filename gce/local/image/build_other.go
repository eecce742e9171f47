//go:build !linux

package image

import (
	"context"
	"errors"

	"hakube/scripts/cure"
)

func thisHost() host { return host{} }

func assemble(context.Context, string, func(string)) error {
	return &Error{errors.New("building a root file system needs Linux"),
		cure.Hint("use model machines", cure.LocalModel())}
}

// Unpack needs Linux too.
func Unpack(context.Context, string, ...string) error {
	return &Error{errors.New("unpacking Debian packages needs Linux"),
		cure.Hint("use model machines", cure.LocalModel())}
}
