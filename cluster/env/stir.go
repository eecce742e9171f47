package env

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/replicate"
)

// WhileStirred does something that waits for a master's startup-script, which waits
// itself for the master's etcds, and has the others give their rings entries meanwhile.
func (r *Env) WhileStirred(ctx context.Context, others []inventory.Object, f func(context.Context) error) error {
	others = r.AsSeen(others)
	inner, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var why error
	wg.Go(func() {
		for pause := bootPatience; len(others) > 0; pause = StirEvery {
			select {
			case <-inner.Done():
				return
			case <-time.After(pause):
			}
			var errs []error
			for _, ring := range rings.Names {
				errs = append(errs, r.Stir(inner, ring, others))
			}
			if inner.Err() == nil {
				why = errors.Join(errs...)
			}
		}
	})
	err := f(ctx)
	stop()
	wg.Wait()
	if err != nil && why != nil {
		err = fmt.Errorf("%w\nand its rings could not be written to meanwhile: %w", err, why)
	}
	return err
}

// Stir has a ring agree on one more entry, through whichever of the masters can. A
// member that was sent the ring's data as a whole, at an entry after the 5,000th,
// makes no proposal of its own before it has seen an entry of its ring, and it opens
// its client port with a proposal: in a ring where nobody writes it never would
// (etcd 3.6.8: maxGapBetweenApplyAndCommitIndex in v3_server.go, publishV3 in
// server.go). The entry is a question about alarms, which leaves nothing behind.
func (r *Env) Stir(ctx context.Context, ring string, through []inventory.Object) error {
	ctx, cancel := r.Within(ctx, ScriptLimit)
	defer cancel()
	s := r.Survey(ctx, through)
	var errs []error
	for _, o := range through {
		x := s.Answers[o.Name][ring]
		if !x.Healthy {
			continue
		}
		if err := r.Gate.Ask(ctx); err != nil {
			return plan.Permanent(err)
		}
		host, err := r.Host(ctx, o)
		if err == nil {
			err = replicate.Agree(ctx, r.Deps.SSH, host, ring, x.ID)
		}
		if err == nil {
			return nil
		}
		errs = append(errs, err) // it may be one that waits itself
	}
	if len(errs) == 0 {
		errs = append(errs, fmt.Errorf("ring %s has nobody who could write to it: %w", ring, s.Why()))
	}
	return errors.Join(errs...)
}

// bootPatience is how long a machine's startup-script may wait for its etcds before
// their rings are stirred: those that have the entries they need take less.
const bootPatience = 10 * time.Second

// StirEvery is between two entries that a ring is given for one that waits for it.
const StirEvery = 3 * time.Second

// ScriptLimit is how long one script may take that changes a ring or starts a
// member of it. etcd gives up a change after some seconds.
const ScriptLimit = 30 * time.Second
