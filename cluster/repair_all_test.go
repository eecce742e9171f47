package cluster

import (
	"context"
	"testing"
)

// TestRepairAll deletes the machines of all masters. The disks are all it takes to
// have them back, and status names the one command that looks after all of them:
// none comes back by itself while its ring has no quorum.
func TestRepairAll(t *testing.T) {
	c := newSick(t, 2)
	c.deleteMachine(0)
	c.deleteMachine(1)
	s, err := c.o.Status(context.Background())
	c.must(err)
	for _, x := range s.Unfinished {
		if x.Command != "hakube repair" || x.Or != "hakube down" {
			t.Errorf("status names %q, or %q: %s", x.Command, x.Or, x.Step)
		}
	}
	c.must(c.follow(c.o, "hakube repair"))
	if s, err = c.o.Status(context.Background()); err != nil || len(s.Unfinished) > 0 || len(s.Masters) != 2 {
		t.Errorf("after repair: %v, unfinished %+v, masters %+v", err, s.Unfinished, s.Masters)
	}
}
