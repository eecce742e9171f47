// Package lease keeps runs that change one cluster apart. It needs the cluster's address and
// nothing else of it, so that its rules are tested on a map.
package lease

import (
	"context"
	"errors"
	"sync"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/scripts/cure"
)

// A Lease keeps runs that change one cluster apart. It is a record in the labels
// of the API's reserved address, which every cluster has from its first change
// to its last, and is swapped by the labels' fingerprint: of two who read the
// same labels only one can write.
//
// It is taken before the first change of a run to what is there (the change that
// reserves the address is before it: an address has no labels before that), and only
// if nobody had it since the run looked around, so that what was seen still holds. It is renewed while
// the run goes on. Before each changing call the run makes sure that it still has
// it: one that slept past its end asks first, and changes nothing more when
// somebody else came.
//
// Whether another's lease is over is judged by this machine's clock alone: when
// it has not been renewed for its whole length since it was first seen. A
// process of this host that is dead, and a lease that ended long ago, are not
// waited for.
type Lease struct {
	in     Addresses // once the cluster's region is known
	name   string    // of the address
	me     Record
	length time.Duration
	breaks bool // whoever has it when it is first looked at loses it

	swapping sync.Mutex // one swap at a time

	mu     sync.Mutex
	at     *computepb.Address   // as it was last seen; nil: there is none
	since  map[Record]time.Time // when a record of somebody else was first seen
	first  *Record              // who had it when it was first looked at
	asked  time.Time            // when the swap that gave it, or renewed it, was begun; zero: it is not ours
	beaten *HeldError           // another run was faster with a swap, until this one looks around again
	lost   error
	stop   func()            // ends its renewal
	notes  map[string]string // labels that change with it
	due    bool              // they are to be written down now
	has    map[string]string // labels that the address is to have besides
}

// Options say whose lease it is, of which cluster and for what.
type Options struct {
	Address       string // the name of the cluster's address
	User          string // the run's, on this host
	PID           int    // its process, by which others of this host tell that it is dead
	Purpose, Zone string // what it does and where, for whoever waits
	Length        time.Duration
	Breaks        bool // whoever has it when it is first looked at loses it
	// Labels that the address has besides. Compute Engine takes none with the insert
	// of an address, so they come with the first swap.
	Labels map[string]string
}

// New is one that was not taken yet.
func New(o Options) *Lease {
	return &Lease{
		name: o.Address, me: recordFor(o.User, o.PID, o.Purpose, o.Zone),
		length: o.Length, breaks: o.Breaks, has: o.Labels, since: map[Record]time.Time{},
	}
}

// Addresses are those of the cluster's region.
type Addresses interface {
	Get(ctx context.Context, name string) (*computepb.Address, error)
	SetLabels(ctx context.Context, name, fingerprint string, labels map[string]string) error
}

// DefaultLength is how long a lease holds without a sign of life.
const DefaultLength = time.Minute

// clocksApart is how much two machines' clocks may differ.
const clocksApart = 5 * time.Minute

// HeldError says that another run is changing the cluster.
type HeldError struct{ by Record }

func (e *HeldError) Error() string { return "another run is changing the cluster: " + e.by.String() }

// LostError says that another run took the lease away from this one.
type LostError struct{ by Record }

func (e *LostError) Error() string {
	return "another run has taken over the cluster, and nothing more was changed: " + e.by.String()
}

// Hint says how to go on.
func (e *LostError) Hint() string {
	return cure.Hint("this run slept, or somebody used --break-lock; see what is left to do when the other one is through", cure.Status())
}

// IsOusted tells that the cluster is another run's.
func IsOusted(err error) bool {
	var held *HeldError
	var lost *LostError
	return errors.As(err, &held) || errors.As(err, &lost)
}

// Observe takes note of the address as it was read; nil is that there is none.
func (l *Lease) Observe(in Addresses, a *computepb.Address) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.in = in
	if !l.asked.IsZero() && l.at != nil { // ours: its own reads are newer
		return
	}
	l.at = a
	x := RecordOf(a.GetLabels())
	switch {
	case !x.Taken():
	case l.since[x].IsZero():
		l.since[x] = time.Now()
	}
	if l.first == nil {
		l.first = &x
	}
}

// CheckFree is an error when somebody else has the lease.
func (l *Lease) CheckFree() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := RecordOf(l.at.GetLabels()); l.asked.IsZero() && !l.expired(x) {
		return &HeldError{x}
	}
	return nil
}

// Abandoned tells that somebody who is gone never gave it back.
func (l *Lease) Abandoned() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked.IsZero() && RecordOf(l.at.GetLabels()).Taken()
}

// expired tells whether a record keeps nobody out. The lock is held.
func (l *Lease) expired(x Record) bool {
	return !x.Taken() || x.run == l.me.run || x.dead() ||
		!l.since[x].IsZero() && elapsed(l.since[x]) > l.length || time.Since(x.expires()) > clocksApart
}

// breakable tells whether --break-lock is about this one: never about one that
// came later, or two that break would break each other.
func (l *Lease) breakable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.breaks && l.first != nil && l.first.run == RecordOf(l.at.GetLabels()).run
}

// graceLeft is how long after its last renewal a run changes things without asking.
func (l *Lease) graceLeft() time.Duration { return l.length * 4 / 5 }

// Guard returns nil when the run may change something. Without an address there
// is no cluster yet, or no more, and nothing to keep apart.
func (l *Lease) Guard(ctx context.Context) error {
	l.mu.Lock()
	lost, beaten, at, sure := l.lost, l.beaten, l.at, !l.asked.IsZero() && elapsed(l.asked) < l.graceLeft()
	l.mu.Unlock()
	switch {
	case lost != nil:
		return lost
	case beaten != nil:
		return beaten
	case at == nil || sure:
		return nil
	}
	return l.compareAndSwap(ctx, false)
}
