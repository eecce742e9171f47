package plan_test

import (
	"context"
	"errors"
	"testing"

	"hakube/cluster/plan"
)

// A teller is a step that says itself what its changes left.
type teller struct {
	says  plan.State
	err   error
	is    plan.Presence
	looks int
}

func (*teller) String() string { return "teller" }
func (s *teller) Observe(context.Context) (plan.State, error) {
	s.looks++
	return plan.State{Is: s.is}, nil
}
func (s *teller) Do(ctx context.Context) error   { _, err := s.Change(ctx, true); return err }
func (s *teller) Undo(ctx context.Context) error { _, err := s.Change(ctx, false); return err }
func (s *teller) Change(context.Context, bool) (plan.State, error) {
	return s.says, s.err
}

// TestTelling: who is sure of what a change left is believed; who is not, or failed, or
// says that it is not as it was to be, is looked at.
func TestTelling(t *testing.T) {
	failed := errors.New("failed")
	for _, x := range []struct {
		name  string
		step  teller
		want  bool
		looks int
		bad   bool
	}{
		{"sure", teller{says: plan.State{Is: plan.Present}, is: plan.Absent}, true, 1, false},
		{"sure that it is gone", teller{says: plan.State{Is: plan.Absent}, is: plan.Present}, false, 1, false},
		{"not sure, and it did not take hold", teller{is: plan.Absent}, true, 5, true},
		{"half", teller{says: plan.State{Is: plan.Partial}, is: plan.Absent}, true, 5, true},
		{"failed", teller{says: plan.State{Is: plan.Present}, err: failed, is: plan.Absent}, true, 2, true},
	} {
		err := plan.Run(t.Context(), nil, []plan.Item{{Step: &x.step, Want: x.want}}, nil)
		if (err != nil) != x.bad || x.step.looks != x.looks {
			t.Errorf("%s: %v after %d looks", x.name, err, x.step.looks)
		}
	}
}
