package api

import (
	"context"
	"net/http"
	"slices"
)

// A Caller is a service account that makes requests with a token of a machine. The
// operator, who has the embedded GCE itself, is none and may do everything.
type Caller struct {
	Email  string
	Scopes []string // of the token
}

type callerKey struct{}

// As is the request as c makes it.
func (c *Caller) As(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
}

// CallerOf is who makes a request, nil the operator.
func CallerOf(r *http.Request) *Caller {
	c, _ := r.Context().Value(callerKey{}).(*Caller)
	return c
}

// May tells whether the token was given for one of some scopes.
func (c *Caller) May(scopes ...string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(c.Scopes, s) })
}
