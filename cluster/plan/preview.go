package plan

import (
	"context"
	"fmt"
)

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
			t := r.track(it)
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
