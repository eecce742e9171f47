//go:build !linux

package image

import (
	"context"
	"errors"
)

func thisHost() host { return host{} }

func assemble(context.Context, string, func(string)) error {
	return &Error{errors.New("building a root file system needs Linux"),
		"use model machines: hakube local start --machines=model"}
}

// Unpack needs Linux too.
func Unpack(context.Context, string, ...string) error {
	return &Error{errors.New("unpacking Debian packages needs Linux"),
		"use model machines: hakube local start --machines=model"}
}
