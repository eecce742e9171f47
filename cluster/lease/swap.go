package lease

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/gce"
)

// compareAndSwap takes the lease or renews it; with force also from somebody who has it.
func (l *Lease) compareAndSwap(ctx context.Context, force bool) error {
	l.swapping.Lock()
	defer l.swapping.Unlock()
	l.mu.Lock()
	at, ours, lost, beaten := l.at, !l.asked.IsZero(), l.lost, l.beaten
	over, due := l.expired(RecordOf(at.GetLabels())), l.due
	l.due = false
	l.mu.Unlock()
	switch {
	case at == nil || lost != nil: // meanwhile
		return lost
	case beaten != nil && !force: // another step has just found it out: no need to ask again
		return beaten
	case ours && elapsed(l.asked) < l.length/4 && !due: // another step has just renewed it
		return nil
	case !over && !force:
		return &HeldError{RecordOf(at.GetLabels())}
	}
	asked := time.Now()
	a, err := l.write(ctx, at, l.renewed(asked))
	if gce.Stale(err) && ours && RecordOf(a.GetLabels()).run == l.me.run { // somebody changed another label
		a, err = l.write(ctx, a, l.renewed(asked))
	}
	return l.concluded(a, err, ours, asked)
}

// concluded concludes from a swap and what was read after it.
func (l *Lease) concluded(a *computepb.Address, err error, ours bool, asked time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := RecordOf(a.GetLabels())
	switch {
	case gce.IsNotFound(err): // removed, by this run or by hand
		l.at, l.asked = nil, time.Time{}
		return nil
	case a == nil:
		return fmt.Errorf("taking the lease of the cluster: %w", err)
	case x == l.renewed(asked):
		l.at, l.asked = a, asked
		l.keepRenewing()
		return nil
	case ours && x.run != l.me.run:
		l.lost = &LostError{x}
		return l.lost
	case !ours && gce.Stale(err): // somebody came first, and may be through already
		l.beaten = &HeldError{x}
		return l.beaten
	}
	return fmt.Errorf("taking the lease of the cluster: %w", err)
}

// renewed is the record of this run with a new end.
func (l *Lease) renewed(from time.Time) Record {
	x := l.me
	x.until = strconv.FormatInt(from.Add(l.length).UnixMilli(), 10)
	return x
}

// write swaps the labels of the address as it was read, and reads it again: an
// answer can be lost after the change took hold. a is nil when it could not be read.
func (l *Lease) write(ctx context.Context, at *computepb.Address, x Record) (a *computepb.Address, err error) {
	labels := l.noted(x.On(at.GetLabels()))
	err = l.in.SetLabels(ctx, l.name, at.GetLabelFingerprint(), labels)
	if gce.IsNotFound(err) {
		return nil, err
	}
	if err == nil && x.until == free { // nothing is done with it any more
		return &computepb.Address{Name: at.Name, Labels: labels}, nil
	}
	a, readErr := l.in.Get(ctx, l.name)
	if readErr != nil {
		return nil, readErr
	}
	return a, err
}

// keepRenewing renews the lease until it is given back. The lock is held.
func (l *Lease) keepRenewing() {
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
				_ = l.compareAndSwap(ctx, false) // the next change asks again, and tells
			}
		}
	}()
}

// Release ends the lease, for whoever waits. Its error is not the run's: all
// others wait until it is over by itself.
func (l *Lease) Release(ctx context.Context) error {
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
	x.until = free
	a, err := l.write(ctx, l.at, x)
	if gce.Stale(err) && RecordOf(a.GetLabels()).run == l.me.run { // somebody changed another label
		a, err = l.write(ctx, a, x)
	}
	l.at, l.asked = a, time.Time{}
	if err != nil && !gce.IsNotFound(err) && RecordOf(a.GetLabels()).run == l.me.run && RecordOf(a.GetLabels()).Taken() {
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
