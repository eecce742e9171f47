package plan

import (
	"context"
	"fmt"
)

// Later is a step whose list comes after others: what it would ask is not there to be
// asked yet, and it does not hold before. It is for previews only.
func Later(s Step) Step {
	if _, waits := s.(Waiter); waits {
		return laterWait{later{s}}
	}
	return later{s}
}

type later struct{ Step }

func (later) Observe(context.Context) (State, error) {
	return State{Is: Absent, Why: "comes after what is before it"}, nil
}

func (l later) About() (t Thing) {
	if a, ok := l.Step.(interface{ About() Thing }); ok {
		t = a.About()
	}
	return t
}

type laterWait struct{ later }

func (laterWait) Waits() {}

// LaterGone is Later of a step that is to be undone: what it is about may not be there yet.
func LaterGone(s Step) Step {
	if _, waits := s.(Waiter); waits {
		return goneWait{gone{later{s}}}
	}
	return gone{later{s}}
}

type gone struct{ later }

func (gone) Observe(context.Context) (State, error) {
	return State{Is: Present, Why: "goes after what is before it"}, nil
}

type goneWait struct{ gone }

func (goneWait) Waits() {}

// PreviewStages is Preview of several lists, each after the one before, numbered as one.
func PreviewStages(ctx context.Context, stages [][]Item, report func(Event)) (changes int, err error) {
	total, before := 0, 0
	for _, items := range stages {
		total += len(items)
	}
	for _, items := range stages {
		n, err := Preview(ctx, items, func(e Event) {
			if e.N, e.Of = e.N+before, total; report != nil {
				report(e)
			}
		})
		changes, before = changes+n, before+len(items)
		if err != nil {
			return changes, err
		}
	}
	return changes, nil
}

// Preview is the walk of Run without acting: it looks at every item in the
// order Run would come to it, reports what Run would do with it as things are
// now, and returns how many items it would change.
func Preview(ctx context.Context, items []Item, report func(Event)) (changes int, err error) {
	batches, total := order(items)
	r := newReporter(total, report)
	for _, b := range batches {
		for _, it := range b {
			if err := ctx.Err(); err != nil {
				return changes, fmt.Errorf("stopped before %s: %w", it, context.Cause(ctx))
			}
			t := r.trackOf(it)
			t.tell(Looking, "")
			s, err := it.Observe(t.context(ctx))
			if err != nil {
				return changes, &StepError{Step: it.String(), Err: unread(err)}
			}
			switch {
			case it.settled(s):
				t.tell(Kept, s.Why)
			case it.Want:
				changes++
				if _, ok := it.Step.(Waiter); ok {
					t.tell(WouldWait, s.Why)
				} else {
					t.tell(WouldMake, s.Why)
				}
			default:
				changes++
				t.tell(WouldRemove, s.Why)
			}
		}
	}
	return changes, nil
}
