package gce

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A retryBudget is what a run has left for trying again.
type retryBudget struct {
	limit time.Duration

	mu      sync.Mutex
	waiting int       // calls that wait now
	since   time.Time // when the first of them began
	spent   time.Duration
}

// left is what of a call's own budget the run can still afford.
func (p *retryBudget) left(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	spent := p.spent
	if p.waiting > 0 {
		spent += now.Sub(p.since)
	}
	return p.limit - spent
}

func (p *retryBudget) begin(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting++; p.waiting == 1 {
		p.since = now
	}
}

func (p *retryBudget) end(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting--; p.waiting == 0 {
		p.spent += now.Sub(p.since)
	}
}

// pauseFor waits before the next try, and books the time to the run.
func (c *Client) pauseFor(ctx context.Context, d time.Duration) error {
	if c.run == nil {
		return c.clock.Sleep(ctx, d)
	}
	p := c.run.retries
	p.begin(c.clock.Now())
	defer func() { p.end(c.clock.Now()) }()
	return c.clock.Sleep(ctx, d)
}

// exhausted says that the run, not the call, has been patient for long enough; ""
// if it has not.
func (c *Client) exhausted(pause time.Duration) string {
	if c.run != nil && c.run.retries.left(c.clock.Now()) < pause {
		return fmt.Sprintf("; all calls of this run have waited for %s together, which is the limit", c.run.retries.limit)
	}
	return ""
}
