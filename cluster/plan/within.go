package plan

import (
	"context"
	"errors"
	"time"
)

// Within limits ctx to a time from now. Waits and scripts take their limits from
// it, so that [WithAfter] can let them be over sooner.
func Within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	after, ok := ctx.Value(afterKey{}).(func(time.Duration) <-chan time.Time)
	if !ok {
		return context.WithTimeout(ctx, limit)
	}
	inner, cancel := context.WithCancelCause(ctx)
	over := after(limit)
	go func() {
		select {
		case <-over:
			cancel(context.DeadlineExceeded)
		case <-inner.Done():
		}
	}()
	return limited{inner}, func() { cancel(context.Canceled) }
}

// A limited context says of its end what one with a timeout says.
type limited struct{ context.Context }

func (l limited) Err() error {
	err := l.Context.Err()
	if err != nil && errors.Is(context.Cause(l.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

type afterKey struct{}

// WithAfter says what tells that a limit is over, in the place of time.After: with
// one that can be hurried a test need not take the time.
func WithAfter(ctx context.Context, after func(time.Duration) <-chan time.Time) context.Context {
	return context.WithValue(ctx, afterKey{}, after)
}
