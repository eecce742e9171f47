package gce

import "context"

type gateKey struct{}

// WithGate lets gate be asked before each try of each changing call that is made
// with the context: an error of it is returned as it is, and nothing is sent. Nil
// lets all pass.
func WithGate(ctx context.Context, gate func(context.Context) error) context.Context {
	return context.WithValue(ctx, gateKey{}, gate)
}

// gate is the gate of a context.
func gate(ctx context.Context) error {
	if f, ok := ctx.Value(gateKey{}).(func(context.Context) error); ok && f != nil {
		return f(ctx)
	}
	return nil
}
