package plan_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/plan"
)

func TestUntil(t *testing.T) {
	flaky := errors.New("connection refused")
	tests := []struct {
		name   string
		checks []func() (bool, string, error)
		want   string
		took   time.Duration
	}{
		{"at once", []func() (bool, string, error){yes}, "", 0},
		{"after an error", []func() (bool, string, error){fails(flaky), no("booting"), yes}, "", 2 * time.Second},
		{"never", []func() (bool, string, error){no("booting")}, "waiting for it: not within 5s: booting", 5 * time.Second},
		{"errors for ever", []func() (bool, string, error){fails(flaky)}, "waiting for it: not within 5s: connection refused", 5 * time.Second},
		{"permanent", []func() (bool, string, error){no("booting"), fails(plan.Permanent(fmt.Errorf("wrapped: %w", flaky)))},
			"waiting for it: wrapped: connection refused", time.Second},
		{"permanent by itself", []func() (bool, string, error){no("booting"), fails(fmt.Errorf("asking: %w", denied{flaky}))},
			"waiting for it: asking: connection refused", time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, n := time.Now(), 0
				err := plan.Clock(nil).Until(context.Background(), plan.Condition{
					For: "it", Every: time.Second, Limit: 5 * time.Second,
					Check: func(context.Context) (bool, string, error) {
						c := tt.checks[min(n, len(tt.checks)-1)]
						n++
						return c()
					},
				})
				if got := text(err); got != tt.want {
					t.Errorf("error %q, want %q", got, tt.want)
				}
				if strings.Contains(tt.want, flaky.Error()) && !errors.Is(err, flaky) {
					t.Error("what the check returned is not in the chain")
				}
				if took := time.Since(begin); took != tt.took {
					t.Errorf("took %s, want %s", took, tt.took)
				}
			})
		})
	}
}

// TestUntilNothingMoves: what comes on is waited for up to the limit, what stands
// still is not, and an interrupt is still one.
func TestUntilNothingMoves(t *testing.T) {
	for _, tt := range []struct {
		name  string
		moves int // looks after which it has come further
		ends  int // the look at which it holds, or the caller gives up
		want  string
		took  time.Duration
	}{
		{"slow", 100, 30, "", 29 * time.Second},
		{"dead at once", 0, 1000, "waiting for it: nothing moved for 5s, after 5s: look", 5 * time.Second},
		{"dead after a while", 20, 1000, "waiting for it: nothing moved for 5s, after 24s: look", 24 * time.Second},
		{"for ever", 1000, 1000, "waiting for it: not within 1m0s: look", time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, n := time.Now(), 0
				err := plan.Clock(nil).Until(context.Background(), plan.Condition{
					For: "it", Every: time.Second, Limit: time.Minute, Stall: 5 * time.Second,
					Moved: func() bool { return n <= tt.moves },
					Check: func(context.Context) (bool, string, error) { n++; return n == tt.ends, "look", nil },
				})
				if got := text(err); got != tt.want {
					t.Errorf("error %q, want %q", got, tt.want)
				}
				if took := time.Since(begin); took != tt.took {
					t.Errorf("took %s, want %s", took, tt.took)
				}
			})
		})
	}
}

// denied is an error that knows that asking again is no use.
type denied struct{ error }

func (denied) Permanent() bool { return true }
func (d denied) Unwrap() error { return d.error }

func yes() (bool, string, error) { return true, "", nil }

func no(missing string) func() (bool, string, error) {
	return func() (bool, string, error) { return false, missing, nil }
}

func fails(err error) func() (bool, string, error) {
	return func() (bool, string, error) { return false, "", err }
}

// TestUntilKeepsTheLastReason: a check that hangs until the limit says nothing
// but that the time is over; the reason before that is what people need.
func TestUntilKeepsTheLastReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		err := plan.Clock(nil).Until(context.Background(), plan.Condition{
			For: "it", Every: time.Second, Limit: 5 * time.Second,
			Check: func(ctx context.Context) (bool, string, error) {
				if n++; n == 1 {
					return false, "no leader", nil
				}
				<-ctx.Done()
				return false, "", ctx.Err()
			},
		})
		if got := text(err); got != "waiting for it: not within 5s: no leader" {
			t.Errorf("error %q", got)
		}
	})
}

func TestUntilCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		time.AfterFunc(1500*time.Millisecond, stop)
		begin := time.Now()
		err := plan.Clock(nil).Until(ctx, plan.Condition{For: "it", Every: time.Minute, Limit: time.Hour,
			Check: func(context.Context) (bool, string, error) { return false, "silence", nil }})
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "silence") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begin); took != 1500*time.Millisecond {
			t.Errorf("took %s", took)
		}
	})
}

// TestNote: what a wait says reaches the report, under the step's own number.
func TestNote(t *testing.T) {
	plan.Note(context.Background(), "outside of a run nobody hears it")
	done := false
	var said []string
	err := plan.Run(context.Background(), nil, []plan.Item{{Want: true, Step: waiter{step{
		name: "answer",
		observe: func(context.Context) (plan.State, error) {
			if done {
				return plan.State{Is: plan.Present, Why: "here"}, nil
			}
			return plan.State{Is: plan.Absent}, nil
		},
		change: func(ctx context.Context) error {
			n := 0
			return plan.Clock(nil).Until(ctx, plan.Condition{For: "an answer", Every: time.Microsecond, Limit: time.Minute,
				Check: func(context.Context) (bool, string, error) {
					n++
					done = n == 2
					return done, "silence", nil
				}})
		},
	}}}}, func(e plan.Event) {
		said = append(said, fmt.Sprintf("%d/%d %s %s: %s", e.N, e.Of, e.Step, e.Kind, e.Why))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1/1 answer looking: ", "1/1 answer making: ", "1/1 answer waiting: an answer: silence", "1/1 answer made: here"}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
