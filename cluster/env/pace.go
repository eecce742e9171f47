package env

import (
	"context"
	"time"

	"hakube/cluster/plan"
)

// Until waits for c, by the run's clock.
func (r *Env) Until(ctx context.Context, c plan.Condition) error { return r.Deps.Clock.Until(ctx, c) }

// Within limits ctx to a time from now, by the run's clock.
func (r *Env) Within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return r.Deps.Clock.Within(ctx, limit)
}

// After returns what tells whether a time from now is over, by the run's clock.
func (r *Env) After(ctx context.Context, d time.Duration) func() bool {
	return r.Deps.Clock.Over(ctx, d)
}

// A Pace is how often Compute Engine is asked on the way of a wait that looks at
// something else each time: less and less often, since its answers count against the
// project's quota and are there to say why, not when. The zero value is due at once.
type Pace struct {
	next  time.Time
	pause time.Duration
}

// slowest is the longest pause, in looks of the wait.
const slowest = 8

// PaceAfter is the slowest pace, due for the first time after so many looks.
func PaceAfter(looks int, every time.Duration) Pace {
	return Pace{next: time.Now().Add(time.Duration(looks) * every), pause: slowest * every}
}

// Due tells whether it is time to ask, for a wait that looks every so often.
func (p *Pace) Due(every time.Duration) bool {
	now := time.Now()
	if now.Before(p.next) {
		return false
	}
	p.pause = min(max(2*p.pause, every), slowest*every)
	p.next = now.Add(p.pause)
	return true
}
