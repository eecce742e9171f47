package gce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// The policy for trying again; there is no other. Google's client retries some
// reads on 503 without end and no change at all, and nothing on 403
// rateLimitExceeded, which is how Compute Engine says "too fast". What is said
// in an operation is not tried again at all: what it left has to be looked at.
const (
	// RunBudget is how long all calls of a run together are tried again
	// ([Run]): five limits per minute used up one after the other.
	RunBudget = 10 * time.Minute
	// busyBudget is how long a call is tried again while Google says it is
	// busy. Rate limits are refilled at the next full minute.
	busyBudget = 2 * time.Minute
	// cutBudget is how long a call is tried again while there is no answer at all. What
	// lasts longer is the user's network or a server that does not run: that has to be said.
	cutBudget = 20 * time.Second

	firstPause = 250 * time.Millisecond
	lastPause  = 20 * time.Second // pauses double up to here
)

// again is what the policy makes of an error.
type again int

const (
	againNever again = iota
	againBusy        // any call: it was turned away, or a front end gave up on it
	againRead        // 500: reads only, a change may be half done
	againCut         // no answer: refused, reset, cut, timed out
)

// A kind of call has a limit per try and may or may not be tried after a 500.
type kind struct {
	limit time.Duration // for one try
	pure  bool          // changes nothing
	now   bool          // that something is not ready is an answer
}

var (
	reading  = kind{limit: time.Minute, pure: true}
	glancing = kind{limit: time.Minute, pure: true, now: true}
	listing  = kind{limit: 3 * time.Minute, pure: true} // all pages
	waiting  = kind{limit: 150 * time.Second, pure: true}
	changing = kind{limit: time.Minute}
)

// budget returns how long calls of this kind are tried again after e.
func (k kind) budget(e *Error) time.Duration {
	switch {
	case k.now && e.is("resourceNotReady"):
		return 0
	case e.again == againBusy, e.again == againRead && k.pure:
		return busyBudget
	case e.again == againCut:
		return cutBudget
	}
	return 0
}

// try runs do until it succeeds, its error is final, or the budget for that
// error is used up. The error is an *Error.
func (c *Client) try(ctx context.Context, w call, k kind, do func(context.Context) error) error {
	if w.name == "" && w.verb != "listing" {
		return c.failed(w, errors.New("no name is given"))
	}
	var begin time.Time // of trouble: a slow first try must not use up the budget
	for n := 1; ; n++ {
		one, cancel := context.WithTimeout(ctx, k.limit)
		err := do(one)
		cancel()
		if err == nil {
			return nil
		}
		e := c.failed(w, err)
		if ctx.Err() != nil { // whatever err says, this is why
			e.Class, e.Err, e.Message = No, ctx.Err(), ""
			return e
		}
		if n == 1 {
			begin = c.clock.Now()
		}
		budget, spent := k.budget(e), c.clock.Now().Sub(begin)
		pause := c.pause(n, e)
		exhausted := ""
		if budget > 0 {
			exhausted = c.exhausted(pause)
		}
		if budget == 0 || spent+pause > budget || exhausted != "" {
			switch {
			case n > 1:
				e.Message = fmt.Sprintf("%s (tried %d times in %s%s)", message(e), n, spent.Round(time.Second), exhausted)
			case exhausted != "":
				e.Message = fmt.Sprintf("%s (tried once%s)", message(e), exhausted)
			}
			return e
		}
		c.tell(Wait{Context: ctx, Verb: w.verb, Object: w.object(), Elapsed: spent, Limit: budget, Err: e})
		if err := c.pauseFor(ctx, pause); err != nil {
			e.Class, e.Err, e.Message = No, err, ""
			return e
		}
	}
}

// pause is how long to wait after try n: exponential with full jitter, so that
// many clients turned away together do not come back together, and never less
// than the server asked for.
func (c *Client) pause(n int, e *Error) time.Duration {
	most := min(lastPause, firstPause<<min(n-1, 16))
	p := time.Duration(c.jitter() * float64(most))
	return max(p, retryAfter(e.after, c.clock.Now()))
}

// retryAfter reads the header's two forms: seconds and a date.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// isCut recognises a connection that ended before the answer did.
func isCut(err error) bool {
	var n net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, syscall.EPIPE) || errors.As(err, &n)
}

// A Clock is where waits come from, so that tests do not take the time.
type Clock struct {
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error // returns early with ctx's error
}

func (k Clock) orReal() Clock {
	if k.Now == nil {
		k.Now = time.Now
	}
	if k.Sleep == nil {
		k.Sleep = sleep
	}
	return k
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func realJitter() float64 { return rand.Float64() }

func (c *Client) tell(w Wait) {
	if c.options.Waiting != nil {
		c.options.Waiting(w)
	}
}
