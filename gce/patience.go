package gce

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Patience returns a context in which all calls together are tried again for at
// most limit, measured from the clock: moments in which several wait count
// once. Each call has its own, smaller budget besides; without this a burst of
// refusals that lets each of a hundred calls through just in time would take
// hours. One context of it is for one run.
func Patience(ctx context.Context, limit time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, &patience{limit: limit})
}

type patienceKey struct{}

// patience is what a run has left for trying again.
type patience struct {
	limit time.Duration

	mu      sync.Mutex
	waiting int       // calls that wait now
	since   time.Time // when the first of them began
	spent   time.Duration
}

func patienceOf(ctx context.Context) *patience {
	p, _ := ctx.Value(patienceKey{}).(*patience)
	return p
}

// left is what of a call's own budget the run can still afford.
func (p *patience) left(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	spent := p.spent
	if p.waiting > 0 {
		spent += now.Sub(p.since)
	}
	return p.limit - spent
}

func (p *patience) begin(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting++; p.waiting == 1 {
		p.since = now
	}
}

func (p *patience) end(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting--; p.waiting == 0 {
		p.spent += now.Sub(p.since)
	}
}

// pauseFor waits before the next try, and books the time to the run.
func (c *Client) pauseFor(ctx context.Context, d time.Duration) error {
	p := patienceOf(ctx)
	if p == nil {
		return c.clock.Sleep(ctx, d)
	}
	p.begin(c.clock.Now())
	defer func() { p.end(c.clock.Now()) }()
	return c.clock.Sleep(ctx, d)
}

// worn says that the run, not the call, has been patient for long enough; ""
// if it has not.
func (c *Client) worn(ctx context.Context, pause time.Duration) string {
	if p := patienceOf(ctx); p != nil && p.left(c.clock.Now()) < pause {
		return fmt.Sprintf("; all calls of this run have waited for %s together, which is the limit", p.limit)
	}
	return ""
}
