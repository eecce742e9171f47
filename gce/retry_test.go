package gce

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/uuid"
)

func TestCutChangeIsTriedAgainWithTheSameRequestID(t *testing.T) {
	s := play(t, cut, refusal(503, "backendError", "busy"), ok(done))
	if err := s.Networks().Insert(t.Context(), &computepb.Network{Name: new("n")}); err != nil {
		t.Fatal(err)
	}
	if len(s.ids) != 3 || s.ids[0] != s.ids[1] || s.ids[1] != s.ids[2] {
		t.Errorf("request ids %q, want one three times", s.ids)
	}
	if _, err := uuid.Parse(s.ids[0]); err != nil {
		t.Errorf("request id %q: %v", s.ids[0], err)
	}
	if len(s.waits) != 2 || s.waits[0].Err == nil || s.waits[0].String() == "" {
		t.Errorf("waits told: %v, want one for each try that failed", s.waits)
	}
	first := s.ids[0]
	if err := s.Networks().Insert(t.Context(), &computepb.Network{Name: new("n")}); err != nil {
		t.Fatal(err)
	}
	if s.ids[3] == first {
		t.Error("another change carries the same request id")
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	s := play(t, refusal(503, "backendError", "busy", "Retry-After", "7"), ok(`{"name":"n"}`))
	if _, err := s.Networks().Get(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{7 * time.Second}; !slices.Equal(s.pauses, want) {
		t.Errorf("paused %v, want %v", s.pauses, want)
	}
	date := s.now.Add(9 * time.Second).Format(http.TimeFormat)
	if got := retryAfter(date, s.now); got != 9*time.Second {
		t.Errorf("Retry-After %q is read as %v, want 9s", date, got)
	}
	// Longer than the budget: no use in waiting for it.
	s = play(t, refusal(503, "backendError", "busy", "Retry-After", "600"))
	if _, err := s.Networks().Get(t.Context(), "n"); ClassOf(err) != Later || len(s.seen) != 1 {
		t.Errorf("%v after %d calls, want Later after 1", err, len(s.seen))
	}
}

func TestRateLimitIsTriedUntilTheBudgetIsUsedUp(t *testing.T) {
	s := play(t, refusal(403, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries'."))
	err := s.Firewalls().Delete(t.Context(), "f")
	if ClassOf(err) != Later {
		t.Fatalf("got %v, want Later", err)
	}
	if !strings.Contains(err.Error(), "Queries' (tried ") {
		t.Errorf("%q does not tell the tries", err)
	}
	var total time.Duration
	for i, p := range s.pauses {
		total += p
		if i > 0 && p != min(2*s.pauses[i-1], lastPause) {
			t.Errorf("pauses %v do not double up to %v", s.pauses, lastPause)
			break
		}
	}
	if total < time.Minute || total > busyBudget {
		t.Errorf("tried for %v, want more than the minute after which limits are refilled, at most %v", total, busyBudget)
	}
	if h := hintOf(err); !strings.Contains(h, "calls per minute") {
		t.Errorf("hint %q", h)
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	read := func(s *script) error { _, err := s.Disks("z").Get(t.Context(), "d"); return err }
	change := func(s *script) error { return s.Disks("z").Delete(t.Context(), "d") }
	for _, tt := range []struct {
		name  string
		first http.HandlerFunc
		do    func(*script) error
		again bool
	}{
		{"read 500", refusal(500, "backendError", "x"), read, true},
		{"change 500", refusal(500, "backendError", "x"), change, false},
		{"read 502", answer(502, "<html>", "Content-Type", "text/html"), read, true},
		{"change 502", answer(502, "<html>", "Content-Type", "text/html"), change, true},
		{"change 429", refusal(429, "rateLimitExceeded", "x"), change, true},
		{"change, not ready", refusal(400, "resourceNotReady", "The resource 'x' is not ready"), change, true},
		{"change 403", refusal(403, "forbidden", "x"), change, false},
		{"change, in use", refusal(400, "resourceInUseByAnotherResource", "x"), change, false},
		{"read 404", refusal(404, "notFound", "x"), read, false},
		{"read 400", refusal(400, "invalid", "x"), read, false},
		{"read, cut in the body", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			ok(`{"name"`)(w, r)
		}, read, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := play(t, tt.first, ok(done))
			if err := tt.do(s); tt.again != (err == nil) {
				t.Errorf("%v after %d calls; want tried again: %v", err, len(s.seen), tt.again)
			}
		})
	}
}

func TestRefusedConnectionIsGivenUpSoon(t *testing.T) {
	s := play(t, ok(`{}`))
	gone := httptest.NewServer(nil)
	gone.Close() // its port is free now
	c, err := New(t.Context(), Options{Project: "p", Endpoint: gone.URL, Clock: Clock{Now: s.time, Sleep: s.sleep}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.GetProject(t.Context())
	if ClassOf(err) != Later || !strings.Contains(err.Error(), "connection refused") {
		t.Fatalf("got %v, want Later and connection refused", err)
	}
	var total time.Duration
	for _, p := range s.pauses {
		total += p
	}
	if len(s.pauses) < 3 || total > cutBudget {
		t.Errorf("paused %v, want several, at most %v together", s.pauses, cutBudget)
	}
	if h := hintOf(err); !strings.Contains(h, "hakube local status") {
		t.Errorf("hint %q", h)
	}
}

func TestCancelEndsAPause(t *testing.T) {
	s := play(t, refusal(503, "backendError", "busy"))
	ctx, cancel := context.WithCancel(t.Context())
	s.clock.Sleep = func(ctx context.Context, d time.Duration) error {
		cancel()
		return sleep(ctx, time.Hour)
	}
	err := s.Networks().Delete(ctx, "n")
	if !errors.Is(err, context.Canceled) || ClassOf(err) != No {
		t.Errorf("got %v, want canceled", err)
	}
}

// Lists of apiv1 do not carry their caller's context; see transport.go.
func TestCancelEndsAList(t *testing.T) {
	leave := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	s := play(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get(ticket) != "" {
			t.Error("the ticket reached the server")
		}
		cancel()
		<-leave
	})
	t.Cleanup(func() { close(leave) }) // before the server's Close, which waits for it
	if _, err := s.Instances("z").List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	if _, err := s.InstanceGroupManagers("z").ListManagedInstances(ctx, "g"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	n := 0
	s.trips.contexts.Range(func(any, any) bool { n++; return true })
	if n != 0 {
		t.Errorf("%d contexts are kept", n)
	}
}

func TestListStartsOverWhenAPageFails(t *testing.T) {
	page1 := ok(`{"items":[{"name":"a"},{"name":"b"}],"nextPageToken":"t"}`)
	page2 := ok(`{"items":[{"name":"c"}]}`)
	s := play(t, page1, refusal(503, "backendError", "busy"), page1, page2)
	got, err := s.Networks().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range got {
		names = append(names, n.GetName())
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(names, want) {
		t.Errorf("listed %q, want %q", names, want)
	}
}

func TestUnreachableScopeIsAnError(t *testing.T) {
	for _, body := range []string{
		`{"items":{"zones/z1":{"instances":[{"name":"a"}]},"zones/z2":{"warning":{"code":"UNREACHABLE","message":"zones/z2 does not answer"}}}}`,
		`{"items":{"zones/z1":{"instances":[{"name":"a"}]}},"unreachables":["zones/z2"]}`,
	} {
		s := play(t, ok(body))
		if got, err := s.AggregatedInstances(t.Context()); ClassOf(err) != Later || !strings.Contains(err.Error(), "z2") {
			t.Errorf("got %v and %v, want an error about z2", got, err)
		}
	}
	s := play(t, ok(`{"items":{"zones/z1":{"instances":[{"name":"a"}]},"zones/z2":{"warning":{"code":"NO_RESULTS_ON_PAGE"}}}}`))
	if got, err := s.AggregatedInstances(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("got %v and %v, want one instance", got, err)
	}
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
