// Package plan makes facts about a cluster true, or untrue again. It keeps
// nothing on disk: each run asks the cloud what already holds and does the
// rest, so running again is how it resumes.
//
// It knows no cloud and imports the standard library only.
package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Step is one fact. Do and Undo make one changing call each, accept Partial
// as a start, and remember nothing between them. Observe only reads, tells
// "not there" from "not readable" (an error), and no two steps of a list may
// ask about the same thing, or they undo each other.
type Step interface {
	String() string // stable, for people: "firewall kubernetes-master-https"
	Observe(context.Context) (State, error)
	Do(context.Context) error
	Undo(context.Context) error
}

// A Waiter is a step whose Do waits for something to become true, and whose
// calls, if it makes any on the way, can be cut anywhere and leave nothing half
// done. It is interrupted at once when the run is, where a changing call is
// always let finish and read back.
type Waiter interface {
	Step
	Waits()
}

// A Telling step's changes say themselves what they left, where whoever made them is
// sure of it: then nobody looks again. Change is Do, or Undo when the fact is not
// wanted; of a state that is Unknown, and after an error, Observe is asked.
type Telling interface {
	Step
	Change(ctx context.Context, want bool) (State, error)
}

// An Optional step is one that comes again later and counts there: where it fails that is
// told, and ends nothing.
type Optional interface {
	Step
	Optional()
}

// A Local step changes nothing that other runs share, so it needs no gate
// ([Gate]).
type Local interface {
	Step
	Local()
}

// State is what Observe read back, and why it says so.
type State struct {
	Is  Presence
	Why string // "reserved, but nothing uses it"
}

// Exists is the answer of an Observe that says what there is.
func Exists(why string) (State, error) { return State{Is: Present, Why: why}, nil }

// Presence is how much of a fact holds.
type Presence int

const (
	Unknown Presence = iota // the zero value promises nothing
	Absent
	Partial
	Present
)

func (p Presence) String() string {
	return [...]string{"unknown", "absent", "partial", "present"}[p]
}

// An Item is a step and whether it should hold when the run ends.
type Item struct {
	Step
	Want bool
	// Beside lets the step run at the same time as the one before it in the
	// list: neither needs the other.
	Beside bool
}

func (it Item) settled(s State) bool {
	return it.Want && s.Is == Present || !it.Want && s.Is == Absent
}

// change does it, or undoes it, and returns what that says of itself.
func (it Item) change(ctx context.Context) (State, error) {
	if t, ok := it.Step.(Telling); ok {
		return t.Change(ctx, it.Want)
	}
	if it.Want {
		return State{}, it.Do(ctx)
	}
	return State{}, it.Undo(ctx)
}

// A batch is what may run at the same time.
type batch []numbered

type numbered struct {
	Item
	n int
}

// order puts what is unwanted first, last-made first, then the rest as listed,
// and numbers the items in the order they run.
func order(items []Item) (batches []batch, total int) {
	var undo, do []batch
	add := func(to []batch, it Item, beside bool) []batch {
		if beside && len(to) > 0 {
			to[len(to)-1] = append(to[len(to)-1], numbered{Item: it})
			return to
		}
		return append(to, batch{{Item: it}})
	}
	undoOpen, doOpen := false, false // whether the latest batch of that kind may still grow
	for _, it := range items {
		if !it.Beside {
			undoOpen, doOpen = false, false
		}
		if it.Want {
			do, doOpen = add(do, it, doOpen), true
		} else {
			undo, undoOpen = add(undo, it, undoOpen), true
		}
	}
	slices.Reverse(undo)
	batches = append(undo, do...)
	for _, b := range batches {
		for i := range b {
			total++
			b[i].n = total
		}
	}
	return batches, total
}

// Run asks gate before each change, undoes what is unwanted, last-made first, then does the rest as listed.
// Cancelling ctx lets the changes in flight finish and starts no other. The
// error names the step it happened in; every step of a batch is heard.
func Run(ctx context.Context, gate Gate, items []Item, report func(Event)) error {
	return RunStages(ctx, gate, [][]Item{items}, report)
}

// RunStages runs several lists, each after the one before, numbered as one.
func RunStages(ctx context.Context, gate Gate, stages [][]Item, report func(Event)) error {
	var batches []batch
	total := 0
	for _, items := range stages {
		more, n := order(items)
		for _, b := range more {
			for i := range b {
				b[i].n += total
			}
		}
		batches, total = append(batches, more...), total+n
	}
	return newReporter(total, report).run(ctx, gate, batches)
}

// RunBeside runs several lists at the same time, numbered as one: no list needs another.
// Where one of them fails the others begin no further step.
func RunBeside(ctx context.Context, gate Gate, lists [][]Item, report func(Event)) error {
	each, total := make([][]batch, len(lists)), 0
	for i, items := range lists {
		batches, n := order(items)
		for _, b := range batches {
			for k := range b {
				b[k].n += total
			}
		}
		each[i], total = batches, total+n
	}
	r := newReporter(total, report)
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	failed := make(chan error, len(lists))
	for _, batches := range each {
		go func() {
			err := r.run(inner, gate, batches)
			if err != nil {
				cancel(errElsewhere)
			}
			failed <- err
		}()
	}
	var errs []error
	for range lists {
		err := <-failed
		if ended := errors.Is(err, errElsewhere) || errors.Is(err, context.Canceled); err != nil && (ctx.Err() != nil || !ended) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// errElsewhere ends lists beside one that failed.
var errElsewhere = errors.New("a step beside it failed")

// run runs batches, one after the other.
func (r *reporter) run(ctx context.Context, gate Gate, batches []batch) error {
	for _, b := range batches {
		if err := ctx.Err(); err != nil {
			return &Stopped{Before: b[0].String(), Done: b[0].n - 1, Of: r.of, Err: context.Cause(ctx)}
		}
		err := b.each(func(it numbered) error {
			err := r.settle(ctx, gate, it)
			if _, optional := it.Step.(Optional); optional {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Stopped is a run that was ended between two steps.
type Stopped struct {
	Before   string // the step that was not begun
	Done, Of int    // how many steps are through, and how many there are
	Err      error  // why it was ended
}

func (e *Stopped) Error() string { return fmt.Sprintf("stopped before %s: %v", e.Before, e.Err) }
func (e *Stopped) Unwrap() error { return e.Err }

// each runs f on every item of the batch at the same time and joins the errors.
func (b batch) each(f func(numbered) error) error {
	errs := make([]error, len(b))
	done := make(chan struct{}, len(b))
	for i := range b {
		go func() {
			defer func() { done <- struct{}{} }()
			if err := f(b[i]); err != nil {
				errs[i] = &StepError{Step: b[i].String(), Err: err}
			}
		}()
	}
	for range b {
		<-done
	}
	return errors.Join(errs...)
}

// settle looks, acts, and looks again.
func (r *reporter) settle(ctx context.Context, gate Gate, it numbered) error {
	change := ctx
	_, waits := it.Step.(Waiter)
	if !waits {
		change = context.WithoutCancel(ctx)
	}
	t := r.trackOf(it)
	change = t.context(change)
	t.tell(Looking, "")
	s, err := it.Observe(change)
	if err != nil {
		t.tell(Failed, err.Error())
		return unread(err)
	}
	if it.settled(s) {
		t.tell(Kept, s.Why)
		return nil
	}
	doing, did := Making, Made
	if !it.Want {
		doing, did = Removing, Removed
	}
	if _, local := it.Step.(Local); !waits && !local {
		if err := gate.Ask(change); err != nil {
			t.tell(Failed, err.Error())
			return err
		}
	}
	t.tell(doing, s.Why)
	said, changeErr := it.change(change)
	if changeErr == nil && it.settled(said) {
		t.tell(did, said.Why)
		return nil
	}
	// An answer can be lost after the change took hold, and "done" can come
	// back before it did. What the cloud says now decides, not the answer.
	s, err = it.readBack(ctx, change, changeErr == nil)
	if err == nil && it.settled(s) {
		t.tell(did, s.Why)
		return nil
	}
	if err == nil && changeErr == nil {
		changeErr = fmt.Errorf("it was done, but reads back as %s: %s", s.Is, s.Why)
	}
	err = errors.Join(changeErr, err)
	t.tell(Failed, err.Error())
	return err
}

// What was done is looked at so often, with pauses, before it is said that it is not there: an
// API server that has just begun, or a master whose disk is busy, does not answer for a moment,
// and who took that for the end left half of what was asked for undone.
const (
	looks     = 4
	lookPause = 500 * time.Millisecond
)

// readBack looks after a change, once if that failed.
func (it numbered) readBack(ctx, change context.Context, done bool) (State, error) {
	for n := 1; ; n++ {
		s, err := it.Observe(change)
		f := Finding(nil)
		if !done || err == nil && it.settled(s) || errors.As(err, &f) || n == looks {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, err
		case <-time.After(lookPause):
		}
	}
}

// A Finding is an error of Observe that is not about looking: what was seen
// forbids to go on.
type Finding interface {
	error
	Finding()
}

// unread says of an error of Observe that it came while looking, unless it is
// a finding.
func unread(err error) error {
	if f := Finding(nil); errors.As(err, &f) {
		return err
	}
	return fmt.Errorf("reading its state: %w", err)
}

// StepError says in which step a run ended.
type StepError struct {
	Step string
	Err  error
}

func (e *StepError) Error() string {
	why := e.Err.Error()
	if strings.HasPrefix(why, e.Step+" ") { // it says so itself
		return why
	}
	return e.Step + ": " + why
}
func (e *StepError) Unwrap() error { return e.Err }
