package gce

import (
	"context"
	"time"
)

// A Run is what all calls that are made for one command share: who is asked before a
// change, and how long they may be tried again, all together. Each call has its own,
// smaller budget besides; without the common one a burst of refusals that lets each of
// a hundred calls through just in time would take hours.
type Run struct {
	gate    func(context.Context) error
	retries *retryBudget
}

// NewRun lets gate be asked before each try of each changing call: an error of it is
// returned as it is, and nothing is sent. Nil lets all pass. Budget is measured from
// the clock: moments in which several calls wait count once.
func NewRun(gate func(context.Context) error, budget time.Duration) *Run {
	return &Run{gate, &retryBudget{limit: budget}}
}

// For is a client over the same connection whose calls are the run's.
func (c *Client) For(r *Run) *Client { return &Client{c.connection, r} }

// Ungated is a client whose calls are the run's too, but for what the gate itself has
// to change.
func (c *Client) Ungated() *Client {
	if c.run == nil {
		return c
	}
	return c.For(&Run{retries: c.run.retries})
}

// gate asks the gate of the client's run, if it has one.
func (c *Client) gate(ctx context.Context) error {
	if c.run == nil || c.run.gate == nil {
		return nil
	}
	return c.run.gate(ctx)
}
