package plan

import "context"

// A Gate is asked before each change of a run: an error of it is the step's, and
// nothing is changed. Waits pass without; one that changes something on its way asks
// by itself. Nil lets all pass.
type Gate func(context.Context) error

// Ask is the gate's answer.
func (g Gate) Ask(ctx context.Context) error {
	if g == nil {
		return nil
	}
	return g(ctx)
}
