package plan_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"hakube/cluster/plan"
)

// TestRunBeside: lists run at the same time and are numbered as one. A step of one may be
// what a step of another needs, since neither waits for the other's list to end.
func TestRunBeside(t *testing.T) {
	first, second := make(chan struct{}), make(chan struct{})
	meets := func(name string, own, other chan struct{}) plan.Item {
		return plan.Item{Want: true, Step: onceMade(name, func(ctx context.Context) error {
			close(own)
			select {
			case <-other:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})}
	}
	var numbers []int
	err := plan.RunBeside(t.Context(), nil, [][]plan.Item{
		{meets("a", first, second), {Want: true, Step: onceMade("b", func(context.Context) error { return nil })}},
		{meets("c", second, first)},
	}, func(e plan.Event) {
		if e.Kind.Final() {
			numbers = append(numbers, e.N)
		}
		if e.Of != 3 {
			t.Errorf("%s is one of %d", e.Step, e.Of)
		}
	})
	slices.Sort(numbers)
	if err != nil || !slices.Equal(numbers, []int{1, 2, 3}) {
		t.Errorf("%v, numbers %v", err, numbers)
	}
}

// TestRunBesideFails: where a step fails the lists beside it begin no further step, and the
// error is that step's alone. One that is optional ends nothing.
func TestRunBesideFails(t *testing.T) {
	why, failed, went := errors.New("no"), make(chan struct{}), false
	fails := onceMade("fails", func(context.Context) error { return why })
	late := onceMade("late", func(context.Context) error { went = true; return nil })
	waits := waiter{onceMade("waits", func(ctx context.Context) error { close(failed); <-ctx.Done(); return ctx.Err() })}
	err := plan.RunBeside(t.Context(), nil, [][]plan.Item{
		{{Want: true, Step: onceMade("first", func(context.Context) error { <-failed; return nil })}, {Want: true, Step: fails}},
		{{Want: true, Step: waits}, {Want: true, Step: late}},
	}, nil)
	if !errors.Is(err, why) || went {
		t.Errorf("%v, and a step of the other list went on: %t", err, went)
	}
	told := plan.Kind("")
	err = plan.RunBeside(t.Context(), nil, [][]plan.Item{{{Want: true, Step: optional{fails}}, {Want: true, Step: late}}}, func(e plan.Event) {
		if e.Step == "fails" {
			told = e.Kind
		}
	})
	if err != nil || !went || told != plan.Failed {
		t.Errorf("optional: %v, the next step went on: %t, and it was told as %s", err, went, told)
	}
}

// onceMade is a step that holds once it was made.
func onceMade(name string, make func(context.Context) error) step {
	done := false
	return step{
		name: name,
		observe: func(context.Context) (plan.State, error) {
			if done {
				return plan.Exists("")
			}
			return plan.State{Is: plan.Absent}, nil
		},
		change: func(ctx context.Context) error {
			err := make(ctx)
			done = err == nil
			return err
		},
	}
}

type optional struct{ step }

func (optional) Optional() {}
