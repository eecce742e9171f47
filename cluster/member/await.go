package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/replicate"
)

// StallLimit is how long a member that is waited for may come no nearer. How long
// it takes in all depends on what its ring has: up to 4 GiB, over a slow network to
// a slow disk.
const (
	StallLimit = time.Minute
	syncLimit  = time.Hour
)

// await waits for a member of a ring to start, to follow or to find the others, as
// long as it comes nearer. look returns what its machine said of it as well. While
// it waits, the ring is given something to agree on: see stir.
func (m RingMember) await(ctx context.Context, what string, still time.Duration, look func(context.Context) (plan.State, replicate.Ring, error)) error {
	var far rings.Course
	moved, due := false, func() bool { return true }
	return m.env.Until(ctx, plan.Condition{
		For: what, Every: m.env.Poll, Limit: syncLimit, Stall: still, Moved: func() bool { return moved },
		Check: func(ctx context.Context) (bool, string, error) {
			st, own, err := look(ctx)
			moved = far.Moved(own)
			if err == nil && st.Is == plan.Present || ctx.Err() != nil || plan.Ends(err) {
				return err == nil && st.Is == plan.Present, st.Why, err
			}
			if err == nil {
				err = errors.New(st.Why)
				if own.ID == "" && far.Bytes > 0 {
					err = fmt.Errorf("%s; it has %d MiB on its disk so far", st.Why, far.Bytes>>20)
				}
			}
			if due() {
				if why := m.env.Stir(ctx, m.ring, m.others()); why != nil {
					err = fmt.Errorf("%w; %w", err, why)
				}
				due = m.env.After(ctx, env.StirEvery)
			}
			return false, "", err
		},
	})
}
