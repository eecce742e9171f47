package plan

import "context"

type gateKey struct{}

// WithGate lets gate be asked before each change of a run: an error of it is
// the step's, and nothing is changed. Waits pass without; one that changes
// something on its way asks [Gate].
func WithGate(ctx context.Context, gate func(context.Context) error) context.Context {
	return context.WithValue(ctx, gateKey{}, gate)
}

// Gate asks the gate of the run, if there is one.
func Gate(ctx context.Context) error {
	if gate, ok := ctx.Value(gateKey{}).(func(context.Context) error); ok {
		return gate(ctx)
	}
	return nil
}
