package api

import (
	"context"
	"log/slog"
	"slices"
	"sync"
)

// A Syncer makes the network behind the API as the store says, once at a time
// and with the latest state, however many changes ask for it.
type Syncer struct {
	spawn func(func())
	ctx   context.Context
	log   *slog.Logger
	Sync  func(context.Context) error // looks at the state when it is called

	mu      sync.Mutex
	wanted  uint64 // requests so far
	running bool
	waiting []syncWaiter
}

type syncWaiter struct {
	wants uint64
	done  chan error
}

// Request makes sure that a sync begins after now.
func (n *Syncer) Request() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wanted++
	if !n.running {
		n.running = true
		n.spawn(n.loop)
	}
}

// Apply waits for a sync that began after now and returns its error.
func (n *Syncer) Apply(ctx context.Context) error {
	n.mu.Lock()
	w := syncWaiter{n.wanted + 1, make(chan error, 1)}
	n.waiting = append(n.waiting, w)
	n.mu.Unlock()
	n.Request()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *Syncer) loop() {
	for {
		n.mu.Lock()
		round := n.wanted
		n.mu.Unlock()
		err := n.Sync(n.ctx)
		if err != nil && n.ctx.Err() == nil {
			n.log.Error("making the network as it should be", "error", err)
		}
		n.mu.Lock()
		n.waiting = slices.DeleteFunc(n.waiting, func(w syncWaiter) bool {
			if w.wants > round {
				return false
			}
			w.done <- err
			return true
		})
		if n.wanted == round || n.ctx.Err() != nil {
			n.running = false
			n.mu.Unlock()
			return
		}
		n.mu.Unlock()
	}
}
