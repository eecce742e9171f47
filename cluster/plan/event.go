package plan

import (
	"context"
	"sync"
	"time"
)

// Kind is what happened to a step.
type Kind string

const (
	Looking  Kind = "looking"
	Making   Kind = "making"
	Removing Kind = "removing"
	Waiting  Kind = "waiting" // Why says what for
	Kept     Kind = "kept"    // it held already
	Made     Kind = "made"
	Removed  Kind = "removed"
	Failed   Kind = "failed"
	// The kinds of a preview.
	WouldMake   Kind = "would make"
	WouldRemove Kind = "would remove"
	WouldWait   Kind = "would wait"
)

// Final tells whether the step is over with this event.
func (k Kind) Final() bool {
	switch k {
	case Looking, Making, Removing, Waiting:
		return false
	}
	return true
}

// An Event is one piece of progress.
type Event struct {
	N       int           // the step's number, from 1
	Of      int           // how many there are
	Step    string        // its name
	Kind    Kind          //
	Waits   bool          // the step waits for others, and ends where the run is ended
	Why     string        // what was seen, what is waited for
	Elapsed time.Duration // since the step began
	About   Thing         // the object it is about, if it is one
}

// A Thing is the object that a step is about. Steps that know theirs have a
// method About; what is empty does not apply.
type Thing struct{ Kind, Name, Zone, Region string }

// reporter passes events on, one at a time.
type reporter struct {
	of     int
	mu     sync.Mutex
	report func(Event)
}

func newReporter(of int, report func(Event)) *reporter {
	if report == nil {
		report = func(Event) {}
	}
	return &reporter{of: of, report: report}
}

// track tells of one step.
type track struct {
	*reporter
	it    numbered
	begin time.Time
}

func (r *reporter) trackOf(it numbered) *track {
	return &track{reporter: r, it: it, begin: time.Now()}
}

func (t *track) tell(kind Kind, why string) {
	var about Thing
	if a, ok := t.it.Step.(interface{ About() Thing }); ok {
		about = a.About()
	}
	_, waits := t.it.Step.(Waiter)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report(Event{
		N: t.it.n, Of: t.of, Step: t.it.String(), Kind: kind, Waits: waits, Why: why,
		Elapsed: time.Since(t.begin), About: about,
	})
}

type trackKey struct{}

func (t *track) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, trackKey{}, t)
}

// Note tells, from within a step, what it waits for and why. Outside of a run
// it does nothing.
func Note(ctx context.Context, why string) {
	if t, ok := ctx.Value(trackKey{}).(*track); ok {
		t.tell(Waiting, why)
	}
}
