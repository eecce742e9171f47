package plan_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/plan"
)

// TestCrashMatrix cuts a run at each of its changes, before and after it took
// hold, and runs it again: the end is that of a run that was never cut.
func TestCrashMatrix(t *testing.T) {
	for _, want := range []bool{true, false} {
		for cut := 1; cut <= 6; cut++ {
			for _, after := range []bool{false, true} {
				verb, when := "up", "before"
				if !want {
					verb = "down"
				}
				if after {
					when = "after"
				}
				t.Run(fmt.Sprintf("%s/cut=%d/%s", verb, cut, when), func(t *testing.T) {
					w := newWorld()
					if !want {
						mustRun(t, house(w, true))
						w.changes = 0
					}
					w.cutAt, w.cutAfter = cut, after
					if err := plan.Run(context.Background(), nil, house(w, want), nil); !errors.Is(err, errCut) {
						t.Fatalf("a cut run ended with %v", err)
					}
					w.cutAt = 0
					mustRun(t, house(w, want))
					expected := []string{"fence", "flag", "ground", "roof", "wall", "well"}
					if !want {
						expected = nil
					}
					if diff := cmp.Diff(expected, w.names()); diff != "" {
						t.Errorf("after the second run (-want +got):\n%s", diff)
					}
					before := w.changes
					mustRun(t, house(w, want))
					if w.changes != before {
						t.Errorf("a third run made %d changes", w.changes-before)
					}
				})
			}
		}
	}
}

func mustRun(t *testing.T, items []plan.Item) []plan.Event {
	t.Helper()
	var events []plan.Event
	if err := plan.Run(context.Background(), nil, items, func(e plan.Event) { events = append(events, e) }); err != nil {
		t.Fatal(err)
	}
	return events
}

// step is a Step of functions, for what a map cannot show.
type step struct {
	name    string
	observe func(context.Context) (plan.State, error)
	change  func(context.Context) error
}

func (s step) String() string { return s.name }
func (s step) Observe(ctx context.Context) (plan.State, error) {
	return s.observe(ctx)
}
func (s step) Do(ctx context.Context) error   { return s.change(ctx) }
func (s step) Undo(ctx context.Context) error { return s.change(ctx) }

type waiter struct{ step }

func (waiter) Waits() {}

var (
	_ plan.Step   = step{}
	_ plan.Waiter = waiter{}
)

// TestLookActLook: what the second look sees decides, not the answer of the call.
func TestLookActLook(t *testing.T) {
	lost := errors.New("the answer was lost")
	tests := []struct {
		name   string
		looks  []plan.State
		second error // of the second look
		stays  bool  // that, whenever it is looked again
		change error
		want   string // of the error; "" for none
	}{
		{"kept", []plan.State{{Is: plan.Present}}, nil, false, nil, ""},
		{"made", []plan.State{{Is: plan.Absent}, {Is: plan.Present}}, nil, false, nil, ""},
		{"finished from partial", []plan.State{{Is: plan.Partial}, {Is: plan.Present}}, nil, false, nil, ""},
		{"lost answer, but it took hold", []plan.State{{Is: plan.Absent}, {Is: plan.Present}}, nil, false, lost, ""},
		{"lost answer, nothing happened", []plan.State{{Is: plan.Absent}, {Is: plan.Absent}, {Is: plan.Present}}, nil, false, lost, "x: the answer was lost"},
		{"done before it took hold", []plan.State{{Is: plan.Absent}, {Is: plan.Partial, Why: "half"}}, nil, false, nil,
			"x: it was done, but reads back as partial: half"},
		{"silent for a moment", []plan.State{{Is: plan.Absent}, {Is: plan.Absent, Why: "no answer within 5s"}, {Is: plan.Present}}, nil, false, nil, ""},
		{"unreadable for a moment", []plan.State{{Is: plan.Absent}, {}, {Is: plan.Present}}, errors.New("no route"), false, nil, ""},
		{"unreadable afterwards", []plan.State{{Is: plan.Absent}, {}}, errors.New("no route"), true, nil, "x: no route"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			look := 0
			changes := 0
			err := plan.Run(context.Background(), nil, []plan.Item{{Want: true, Step: step{
				name: "x",
				observe: func(context.Context) (plan.State, error) {
					look++
					var err error
					if look == 2 || tt.stays && look > 2 {
						err = tt.second
					}
					return tt.looks[min(look, len(tt.looks))-1], err
				},
				change: func(context.Context) error { changes++; return tt.change },
			}}}, nil)
			if got := text(err); got != tt.want {
				t.Errorf("error %q, want %q", got, tt.want)
			}
			if wantChanges := min(len(tt.looks)-1, 1); changes != wantChanges {
				t.Errorf("%d changes, want %d", changes, wantChanges)
			}
			var at *plan.StepError
			if tt.want != "" && (!errors.As(err, &at) || at.Step != "x") {
				t.Errorf("the error does not name its step: %#v", err)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestUnreadableIsNotAbsent: a first look that fails changes nothing.
func TestUnreadableIsNotAbsent(t *testing.T) {
	for _, want := range []bool{true, false} {
		err := plan.Run(context.Background(), nil, []plan.Item{{Want: want, Step: step{
			name:    "x",
			observe: func(context.Context) (plan.State, error) { return plan.State{Is: plan.Absent}, errors.New("forbidden") },
			change:  func(context.Context) error { t.Error("it acted on what it could not read"); return nil },
		}}}, nil)
		if got := text(err); got != "x: reading its state: forbidden" {
			t.Errorf("error %q", got)
		}
	}
}

type finding string

func (f finding) Error() string { return string(f) }
func (finding) Finding()        {}

// TestFinding: what was seen forbids to go on; the words around it do not say
// that it could not be seen, nor the step's name twice.
func TestFinding(t *testing.T) {
	items := func(f finding) []plan.Item {
		return []plan.Item{{Want: true, Step: step{
			name:    "firewall x",
			observe: func(context.Context) (plan.State, error) { return plan.State{}, fmt.Errorf("%w", f) },
		}}}
	}
	for f, want := range map[finding]string{
		"firewall x is somebody else's": "firewall x is somebody else's",
		"network y is a legacy one":     "firewall x: network y is a legacy one",
	} {
		if got := text(plan.Run(context.Background(), nil, items(f), nil)); got != want {
			t.Errorf("run: %q, want %q", got, want)
		}
		if _, err := plan.Preview(context.Background(), items(f), nil); text(err) != want {
			t.Errorf("preview: %q, want %q", text(err), want)
		}
	}
}

func TestOrderAndEvents(t *testing.T) {
	w := newWorld()
	events := mustRun(t, house(w, true))
	if got := strings.Join(w.log, " "); !strings.HasPrefix(got, "+ground ") || !strings.HasSuffix(got, " +roof +flag") {
		t.Errorf("order of making: %s", got)
	}
	seen := map[int]string{}
	for _, e := range events {
		if e.Of != 6 || e.N < 1 || e.N > 6 {
			t.Errorf("event out of range: %+v", e)
		}
		if old, ok := seen[e.N]; ok && old != e.Step {
			t.Errorf("number %d is %s and %s", e.N, old, e.Step)
		}
		seen[e.N] = e.Step
	}
	last := events[len(events)-1]
	if last.Step != "flag" || last.Kind != plan.Made || last.N != 6 || last.Why != "seen" {
		t.Errorf("last event %+v", last)
	}
	w.log = nil
	mustRun(t, house(w, false))
	if got := strings.Join(w.log, " "); !strings.HasPrefix(got, "-flag -roof ") || !strings.HasSuffix(got, " -ground") {
		t.Errorf("order of removing: %s", got)
	}
}

// TestRemovalsFirst: what is unwanted goes before anything is made, and leaves
// the batches of the others whole.
func TestRemovalsFirst(t *testing.T) {
	w := newWorld()
	mustRun(t, house(w, true))
	w.log = nil
	delete(w.there, "fence")
	items := house(w, true)
	items[4].Want, items[5].Want = false, false // no roof, no flag
	mustRun(t, items)
	if got := strings.Join(w.log, " "); got != "-flag -roof +fence" {
		t.Errorf("changes: %s", got)
	}
}

// TestBeside: the steps of a batch run at the same time, and each is heard
// when several fail.
func TestBeside(t *testing.T) {
	meet := make(chan struct{})
	part := func(name string) plan.Item {
		looked := false
		return plan.Item{Want: true, Beside: true, Step: step{
			name: name,
			observe: func(context.Context) (plan.State, error) {
				if !looked {
					looked = true
					return plan.State{Is: plan.Absent}, nil
				}
				return plan.State{Is: plan.Absent, Why: "still"}, nil
			},
			change: func(ctx context.Context) error {
				select { // only two that run at the same time get past
				case meet <- struct{}{}:
				case <-meet:
				case <-time.After(time.Minute):
					return errors.New("nobody came")
				}
				return errors.New("failed in " + name)
			},
		}}
	}
	later := plan.Item{Want: true, Step: step{
		name:    "later",
		observe: func(context.Context) (plan.State, error) { t.Error("went on"); return plan.State{}, nil },
	}}
	err := plan.Run(context.Background(), nil, []plan.Item{part("one"), part("two"), later}, nil)
	if got := text(err); got != "one: failed in one\ntwo: failed in two" {
		t.Errorf("error %q", got)
	}
}

// TestInterrupt: the change in flight is let finish and read back, and no
// other is started.
func TestInterrupt(t *testing.T) {
	w := newWorld()
	ctx, stop := context.WithCancelCause(context.Background())
	why := errors.New("interrupted")
	items := house(w, true)
	ground := items[0].Step.(thing)
	items[0].Step = step{
		name: "ground", observe: ground.Observe,
		change: func(ctx context.Context) error {
			stop(why)
			return ground.Do(ctx) // refuses when its context is over
		},
	}
	var made []string
	err := plan.Run(ctx, nil, items, func(e plan.Event) {
		if e.Kind.Final() {
			made = append(made, fmt.Sprintf("%s %s", e.Step, e.Kind))
		}
	})
	if !errors.Is(err, why) || !strings.HasPrefix(err.Error(), "stopped before wall") {
		t.Errorf("error %v", err)
	}
	if !slices.Equal(made, []string{"ground made"}) {
		t.Errorf("events %v", made)
	}
}

// TestInterruptedWait: a wait is given up at once.
func TestInterruptedWait(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	err := plan.Run(ctx, nil, []plan.Item{{Want: true, Step: waiter{step{
		name:    "answer",
		observe: func(context.Context) (plan.State, error) { return plan.State{Is: plan.Absent}, nil },
		change: func(ctx context.Context) error {
			stop()
			return plan.Clock(nil).Until(ctx, plan.Condition{For: "an answer", Every: time.Hour, Limit: time.Hour,
				Check: func(context.Context) (bool, string, error) { return false, "silence", nil }})
		},
	}}}}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestPreview(t *testing.T) {
	w := newWorld()
	mustRun(t, house(w, true))
	delete(w.there, "flag")
	delete(w.there, "well")
	items := house(w, true)
	items[3].Want = false
	w.changes = 0
	var said []string
	changes, err := plan.Preview(context.Background(), items, func(e plan.Event) {
		if e.Kind.Final() {
			said = append(said, fmt.Sprintf("%d %s %s", e.N, e.Step, e.Kind))
		}
	})
	if err != nil || changes != 3 || w.changes != 0 {
		t.Fatalf("%d changes foreseen, %d made, error %v", changes, w.changes, err)
	}
	want := []string{"1 fence would remove", "2 ground kept", "3 wall kept", "4 well would make", "5 roof kept", "6 flag would make"}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPreviewUnreadable(t *testing.T) {
	_, err := plan.Preview(context.Background(), []plan.Item{{Want: true, Step: step{
		name:    "x",
		observe: func(context.Context) (plan.State, error) { return plan.State{}, errors.New("forbidden") },
	}}}, nil)
	if got := text(err); got != "x: reading its state: forbidden" {
		t.Errorf("error %q", got)
	}
}
