package gce

import (
	"context"
	"fmt"
	"time"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
)

// limits is how long an operation may take, by what it works on: several times
// the slowest published ones (instance delete 99 s, network 53 s; deleting a
// group deletes its machines).
var limits = map[string]time.Duration{
	"instance": 10 * time.Minute,
	"disk":     10 * time.Minute, // from a large image
	group:      20 * time.Minute,
}

const otherLimit = 5 * time.Minute

// tick is how often Waiting is told while the server is asked to wait.
const tick = 2 * time.Second

// await returns when op is done on the server: nil when it succeeded, an Error
// when it failed or took longer than its limit. An operation that failed is not
// tried again here: what it left behind has to be looked at first.
//
// It asks the server to wait (operations.wait), which answers within two
// minutes, and "best effort", so perhaps at once; then it asks again. apiv1's
// Operation.Wait polls with ever longer pauses instead and returns 13 to 20 s
// after the end on average.
func (c *Client) await(ctx context.Context, w call, op *computepb.Operation) error {
	limit := limits[w.noun]
	if limit == 0 {
		limit = otherLimit
	}
	begin := c.clock.Now()
	for pause := firstPause; op.GetStatus() != computepb.Operation_DONE; {
		asked := c.clock.Now()
		progress := Wait{
			Context: ctx, Verb: w.verb, Object: w.object(),
			Elapsed: asked.Sub(begin), Limit: limit, Progress: int(op.GetProgress()),
		}
		if progress.Elapsed > limit {
			e := c.failed(w, nil)
			e.Class, e.Reason, e.Operation = Later, reasonLimit, op.GetName()
			e.Message = fmt.Sprintf("operation %s is not done after %s, but still %s",
				op.GetName(), limit, op.GetStatus())
			return e
		}
		next, err := c.waitOnServer(ctx, w, op, progress)
		if err != nil {
			e := c.failed(w, err)
			e.Operation = op.GetName()
			return e
		}
		op = next
		// A server that answers at once must not be asked in a busy loop.
		if rest := pause - c.clock.Now().Sub(asked); rest > 0 && op.GetStatus() != computepb.Operation_DONE {
			if err := c.clock.Sleep(ctx, rest); err != nil {
				e := c.failed(w, err)
				e.Operation = op.GetName()
				return e
			}
			pause = min(2*pause, 4*time.Second)
		}
	}
	e := decodeOperation(op)
	if e == nil {
		return nil
	}
	e.Verb, e.Object, e.project = w.verb, w.object(), c.options.Project
	return e.judge(w.name)
}

// waitOnServer makes one operations.wait call in the collection the operation
// belongs to.
func (c *Client) waitOnServer(ctx context.Context, w call, op *computepb.Operation, progress Wait) (*computepb.Operation, error) {
	switch {
	case op.GetZone() != "":
		return waitIn(ctx, c, &c.zoneOperations, w, progress, func(ctx context.Context, rest *compute.ZoneOperationsClient) (*computepb.Operation, error) {
			return rest.Wait(ctx, &computepb.WaitZoneOperationRequest{
				Project: c.Project(), Zone: Base(op.GetZone()), Operation: op.GetName()}, once)
		})
	case op.GetRegion() != "":
		return waitIn(ctx, c, &c.regionOperations, w, progress, func(ctx context.Context, rest *compute.RegionOperationsClient) (*computepb.Operation, error) {
			return rest.Wait(ctx, &computepb.WaitRegionOperationRequest{
				Project: c.Project(), Region: Base(op.GetRegion()), Operation: op.GetName()}, once)
		})
	}
	return waitIn(ctx, c, &c.globalOperations, w, progress, func(ctx context.Context, rest *compute.GlobalOperationsClient) (*computepb.Operation, error) {
		return rest.Wait(ctx, &computepb.WaitGlobalOperationRequest{
			Project: c.Project(), Operation: op.GetName()}, once)
	})
}

func waitIn[C any](ctx context.Context, c *Client, api *lazy[C], w call, progress Wait, do func(context.Context, C) (*computepb.Operation, error)) (*computepb.Operation, error) {
	var out *computepb.Operation
	rest, err := api.get(c)
	if err != nil {
		return nil, c.failed(w, err)
	}
	err = c.try(ctx, w, waiting, func(ctx context.Context) (err error) {
		c.telling(progress, func() { out, err = do(ctx, rest) })
		return err
	})
	return out, err
}

// telling runs do and tells progress, in this goroutine, until it returns.
func (c *Client) telling(progress Wait, do func()) {
	c.tell(progress)
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	begin := time.Now() // not c.clock: this paces a display, nothing depends on it
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for before := progress.Elapsed; ; {
		select {
		case <-done:
			return
		case <-ticks.C:
			progress.Elapsed = before + time.Since(begin)
			c.tell(progress)
		}
	}
}
