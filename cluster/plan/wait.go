package plan

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Permanent marks an error after which waiting on makes no sense.
func Permanent(err error) error { return &permanent{err} }

type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }

// endless tells whether the error itself says that waiting on is no use.
func endless(err error) bool {
	var e interface{ Permanent() bool }
	return errors.As(err, &e) && e.Permanent()
}

// Ends tells whether an error of a check ends the wait.
func Ends(err error) bool {
	var stop *permanent
	return errors.As(err, &stop) || endless(err)
}

// A Condition is something a wait asks again and again.
type Condition struct {
	For   string        // what is waited for, "the API answers at https://198.51.100.2"
	Every time.Duration // pause between two looks
	Limit time.Duration // when to give up, whatever was seen
	// Stall, if not zero, gives up earlier: when Moved, which is asked after each
	// look, was not true for that long. What is slow and comes on is waited for, what
	// is dead is not.
	Stall time.Duration
	Moved func() bool
	// Check returns true when it holds, and otherwise what is missing. An error
	// is what is missing too, unless it is Permanent, or says so itself by a
	// method of that name: then it ends the wait.
	Check func(context.Context) (ok bool, missing string, err error)
}

// Until waits for what is asked, and tells through Note what it still waits for. When the
// limit is over, the error wraps what Check last returned.
func (clock Clock) Until(ctx context.Context, c Condition) error {
	begin := time.Now()
	ctx, cancel := clock.Within(ctx, c.Limit)
	defer cancel()
	last := errors.New("nothing was seen yet")
	still, quiet := c.stall(ctx, clock)
	defer func() { quiet() }()
	for {
		ok, missing, err := c.Check(ctx)
		var stop *permanent
		switch {
		case err == nil && ok:
			return nil
		case errors.As(err, &stop):
			return fmt.Errorf("waiting for %s: %w", c.For, stop.error)
		case endless(err):
			return fmt.Errorf("waiting for %s: %w", c.For, err)
		case ctx.Err() != nil: // what the check said after that is about the clock
		case err != nil:
			last = err
		default:
			last = errors.New(missing)
		}
		Note(ctx, c.For+": "+last.Error())
		if c.Stall > 0 && c.Moved() {
			quiet()
			still, quiet = c.stall(ctx, clock)
		}
		select {
		case <-ctx.Done():
		case <-still.Done():
		case <-time.After(c.Every):
			continue
		}
		took := time.Since(begin).Round(time.Second)
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return fmt.Errorf("waiting for %s: not within %s: %w", c.For, took, last)
		case ctx.Err() != nil:
			return fmt.Errorf("waiting for %s: %w (last: %v)", c.For, ctx.Err(), last)
		}
		return fmt.Errorf("waiting for %s: nothing moved for %s, after %s: %w", c.For, c.Stall, took, last)
	}
}

// stall ends when nothing may be still any longer; without a Stall with ctx.
func (c Condition) stall(ctx context.Context, clock Clock) (context.Context, context.CancelFunc) {
	if c.Stall == 0 {
		return ctx, func() {}
	}
	return clock.Within(ctx, c.Stall)
}
