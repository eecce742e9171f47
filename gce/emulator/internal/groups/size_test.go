package groups

import (
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestDropped: a group that shrinks drops no machine that runs while it has one that is
// still being made.
func TestDropped(t *testing.T) {
	for _, x := range []struct {
		actions []string
		want    int
	}{
		{[]string{"NONE"}, 0}, {[]string{"NONE", "NONE", "NONE"}, 2},
		{[]string{"CREATING", "NONE", "NONE"}, 0}, {[]string{"NONE", "RECREATING", "NONE"}, 1}, {[]string{"CREATING", "NONE", "CREATING", "NONE"}, 2},
	} {
		var stay []doc.Obj
		for _, a := range x.actions {
			stay = append(stay, doc.Obj{"action": a})
		}
		if got := dropped(stay); got != x.want {
			t.Errorf("of %v goes number %d, want %d", x.actions, got, x.want)
		}
	}
}
