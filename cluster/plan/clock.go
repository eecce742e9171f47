package plan

import (
	"context"
	"errors"
	"time"
)

// A Clock tells when a time is over, as time.After does; nil is that one. All limits of
// waits, of scripts and of questions are taken from the clock of the run they belong to,
// so that a test that gives the run another one need not take their time.
type Clock func(time.Duration) <-chan time.Time

// Within limits ctx to a time from now. What ends it says what a context with a
// timeout says.
func (clock Clock) Within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if clock == nil {
		return context.WithTimeout(ctx, limit)
	}
	inner, cancel := context.WithCancelCause(ctx)
	over := clock(limit)
	go func() {
		select {
		case <-over:
			cancel(context.DeadlineExceeded)
		case <-inner.Done():
		}
	}()
	return limited{inner}, func() { cancel(context.Canceled) }
}

// Over returns what tells whether a time from now is over. It is when ctx ends, too.
func (clock Clock) Over(ctx context.Context, d time.Duration) func() bool {
	ctx, cancel := clock.Within(ctx, d)
	context.AfterFunc(ctx, cancel)
	return func() bool { return ctx.Err() != nil }
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
