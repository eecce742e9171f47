package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/scripts/cure"
)

// A lease keeps runs that change one cluster apart. It is a record in the labels
// of the API's reserved address, which every cluster has from its first change
// to its last, and is swapped by the labels' fingerprint: of two who read the
// same labels only one can write.
//
// It is taken before the first change of a run, and only if nobody had it since
// the run looked around, so that what was seen still holds. It is renewed while
// the run goes on. Before each changing call the run makes sure that it still has
// it: one that slept past its end asks first, and changes nothing more when
// somebody else came.
//
// Whether another's lease is over is judged by this machine's clock alone: when
// it has not been renewed for its whole length since it was first seen. A
// process of this host that is dead, and a lease that ended long ago, are not
// waited for.
type lease struct {
	gce    *gce.Client // of the cluster's region, once that is known
	name   string      // of the address
	me     record
	length time.Duration
	breaks bool // whoever has it when it is first looked at loses it

	swapping sync.Mutex // one swap at a time

	mu    sync.Mutex
	at    *computepb.Address   // as it was last seen; nil: there is none
	since map[record]time.Time // when a record of somebody else was first seen
	first *record              // who had it when it was first looked at
	asked time.Time            // when the swap that gave it, or renewed it, was begun; zero: it is not ours
	begun time.Time            // when the address was asked for with the lease on it
	lost  error
	stop  func()            // ends its renewal
	notes map[string]string // labels that change with it (birth.go)
}

// newLease is one that was not taken yet.
func newLease(c *Cluster, mode settings.Mode) *lease {
	return &lease{
		name: settings.NamesOf(&c.settings).Address(), me: recordFor(c.deps.User, c.deps.PID, mode, string(c.settings.Zone)),
		length: c.deps.Lease, breaks: bool(c.settings.BreakLock), since: map[record]time.Time{},
	}
}

// leaseLength is how long a lease holds without a sign of life.
const leaseLength = time.Minute

// clocksApart is how much two machines' clocks may differ.
const clocksApart = 5 * time.Minute

// HeldError says that another run is changing the cluster.
type HeldError struct{ by record }

func (e *HeldError) Error() string { return "another run is changing the cluster: " + e.by.String() }

// LostError says that another run took the lease away from this one.
type LostError struct{ by record }

func (e *LostError) Error() string {
	return "another run has taken over the cluster, and nothing more was changed: " + e.by.String()
}

// Hint says how to go on.
func (e *LostError) Hint() string {
	return cure.Hint("this run slept, or somebody used --break-lock; see what is left to do when the other one is through", cure.Status())
}

// isOusted tells that the cluster is another run's.
func isOusted(err error) bool {
	var held *HeldError
	var lost *LostError
	return errors.As(err, &held) || errors.As(err, &lost)
}

// saw takes note of the address as it was read; nil is that there is none.
func (l *lease) saw(client *gce.Client, a *computepb.Address) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gce = client
	if !l.asked.IsZero() && l.at != nil { // ours: its own reads are newer
		return
	}
	l.at = a
	x := recordOf(a.GetLabels())
	switch {
	case x.run == l.me.run: // reserved by this run with the lease on it
		l.asked = l.begun
		l.renewEver()
		return
	case !x.taken():
	case l.since[x].IsZero():
		l.since[x] = time.Now()
	}
	if l.first == nil {
		l.first = &x
	}
}

// free is an error when somebody else has the lease.
func (l *lease) free() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := recordOf(l.at.GetLabels()); l.asked.IsZero() && !l.over(x) {
		return &HeldError{x}
	}
	return nil
}

// abandoned tells that somebody who is gone never gave it back.
func (l *lease) abandoned() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked.IsZero() && recordOf(l.at.GetLabels()).taken()
}

// over tells whether a record keeps nobody out. The lock is held.
func (l *lease) over(x record) bool {
	return !x.taken() || x.run == l.me.run || x.dead() ||
		!l.since[x].IsZero() && elapsed(l.since[x]) > l.length || time.Since(x.expires()) > clocksApart
}

// breakable tells whether --break-lock is about this one: never about one that
// came later, or two that break would break each other.
func (l *lease) breakable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.breaks && l.first != nil && l.first.run == recordOf(l.at.GetLabels()).run
}

// sure is how long after its last renewal a run changes things without asking.
func (l *lease) sure() time.Duration { return l.length * 4 / 5 }

// guard returns nil when the run may change something. Without an address there
// is no cluster yet, or no more, and nothing to keep apart.
func (l *lease) guard(ctx context.Context) error {
	l.mu.Lock()
	lost, at, sure := l.lost, l.at, !l.asked.IsZero() && elapsed(l.asked) < l.sure()
	l.mu.Unlock()
	switch {
	case lost != nil:
		return lost
	case at == nil || sure:
		return nil
	}
	return l.swap(ctx, false)
}

// swap takes the lease or renews it; with force also from somebody who has it.
func (l *lease) swap(ctx context.Context, force bool) error {
	l.swapping.Lock()
	defer l.swapping.Unlock()
	l.mu.Lock()
	at, ours, lost := l.at, !l.asked.IsZero(), l.lost
	over := l.over(recordOf(at.GetLabels()))
	l.mu.Unlock()
	switch {
	case at == nil || lost != nil: // meanwhile
		return lost
	case ours && elapsed(l.asked) < l.length/4: // another step has just renewed it
		return nil
	case !over && !force:
		return &HeldError{recordOf(at.GetLabels())}
	}
	asked := time.Now()
	a, err := l.write(ctx, at, l.until(asked))
	if gce.Stale(err) && ours && recordOf(a.GetLabels()).run == l.me.run { // somebody changed another label
		a, err = l.write(ctx, a, l.until(asked))
	}
	return l.wrote(a, err, ours, asked)
}

// wrote concludes from a swap and what was read after it.
func (l *lease) wrote(a *computepb.Address, err error, ours bool, asked time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := recordOf(a.GetLabels())
	switch {
	case gce.IsNotFound(err): // removed, by this run or by hand
		l.at, l.asked = nil, time.Time{}
		return nil
	case a == nil:
		return fmt.Errorf("taking the lease of the cluster: %w", err)
	case x == l.until(asked):
		l.at, l.asked = a, asked
		l.renewEver()
		return nil
	case ours && x.run != l.me.run:
		l.lost = &LostError{x}
		return l.lost
	case !ours && gce.Stale(err): // somebody came first, and may be through already
		return &HeldError{x}
	}
	return fmt.Errorf("taking the lease of the cluster: %w", err)
}

// until is the record of this run with a new end.
func (l *lease) until(from time.Time) record {
	x := l.me
	x.until = strconv.FormatInt(from.Add(l.length).UnixMilli(), 10)
	return x
}

// write swaps the labels of the address as it was read, and reads it again: an
// answer can be lost after the change took hold. a is nil when it could not be read.
func (l *lease) write(ctx context.Context, at *computepb.Address, x record) (a *computepb.Address, err error) {
	ctx = gce.WithGate(ctx, nil) // itself
	labels := l.noted(x.on(at.GetLabels()))
	addresses := l.gce.Addresses()
	err = addresses.SetLabels(ctx, l.name, at.GetLabelFingerprint(), labels)
	if gce.IsNotFound(err) {
		return nil, err
	}
	a, readErr := addresses.Get(ctx, l.name)
	if readErr != nil {
		return nil, readErr
	}
	return a, err
}

// reserving is the record that a run reserves the address with: so the two are
// one change, and of two that create one cluster one comes first.
func (l *lease) reserving(labels map[string]string) map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = time.Now()
	return l.noted(l.until(l.begun).on(labels))
}

// renewEver renews the lease until it is given back. The lock is held.
func (l *lease) renewEver() {
	if l.stop != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	l.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		tick := time.NewTicker(l.length / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = l.swap(ctx, false) // the next change asks again, and tells
			}
		}
	}()
}

// giveBack ends the lease, for whoever waits. Its error is not the run's: all
// others wait until it is over by itself.
func (l *lease) giveBack(ctx context.Context) error {
	l.mu.Lock()
	stop := l.stop
	l.mu.Unlock()
	if stop == nil {
		return nil // it was never taken
	}
	stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackLimit)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = nil
	if l.at == nil || l.asked.IsZero() || l.lost != nil {
		return nil
	}
	x := l.me
	x.until = leaseFree
	a, err := l.write(ctx, l.at, x)
	if gce.Stale(err) && recordOf(a.GetLabels()).run == l.me.run { // somebody changed another label
		a, err = l.write(ctx, a, x)
	}
	l.at, l.asked = a, time.Time{}
	if err != nil && !gce.IsNotFound(err) && recordOf(a.GetLabels()).run == l.me.run && recordOf(a.GetLabels()).taken() {
		return fmt.Errorf("the lease of the cluster could not be given back, others wait for it for up to %s: %w", l.length, err)
	}
	return nil
}

const giveBackLimit = 20 * time.Second

// elapsed is the time since t, by whichever clock says more: the one that Go
// measures with stands still while the machine sleeps, the other one can be set.
func elapsed(t time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}
