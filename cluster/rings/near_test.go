package rings

import "testing"

// TestNear: a learner is near when it has nine of ten entries, and never with none.
func TestNear(t *testing.T) {
	for _, x := range []struct {
		own, theirs int64
		want        bool
	}{{0, 0, false}, {0, 100, false}, {9, 100, false}, {89, 100, false}, {90, 100, true}, {100, 100, true}, {5, 5, true}, {101, 100, true}} {
		if got := Near(x.own, x.theirs); got != x.want {
			t.Errorf("entry %d of %d: %v", x.own, x.theirs, got)
		}
	}
}
