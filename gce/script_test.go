package gce

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// script is a server that answers the n-th request with its n-th step, and a
// client of it with a clock that takes no time.
type script struct {
	*Client
	url   string
	waits []Wait

	mu     sync.Mutex
	steps  []http.HandlerFunc
	seen   []string // "POST /compute/v1/…"
	ids    []string // requestId of each request
	now    time.Time
	pauses []time.Duration
}

func play(t *testing.T, steps ...http.HandlerFunc) *script {
	t.Helper()
	s := &script{steps: steps, now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	c, err := New(t.Context(), Options{
		Project: "p", Region: "r1", Endpoint: server.URL + "/", // the slash is a trap of the REST clients
		Waiting: func(w Wait) { s.waits = append(s.waits, w) },
		Clock:   Clock{Now: s.time, Sleep: s.sleep},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.jitter = func() float64 { return 1 }
	t.Cleanup(c.Close)
	s.Client = c
	return s
}

func (s *script) time() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *script) sleep(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
	s.pauses = append(s.pauses, d)
	return ctx.Err()
}

// ServeHTTP plays the next step; the last one is repeated.
func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	step := s.steps[min(len(s.seen), len(s.steps)-1)]
	s.seen = append(s.seen, r.Method+" "+r.URL.Path)
	s.ids = append(s.ids, r.URL.Query().Get("requestId"))
	s.mu.Unlock()
	step(w, r)
}

func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func ok(body string) http.HandlerFunc { return answer(200, body) }

// refusal is an answer in Google's form.
func refusal(code int, reason, message string, header ...string) http.HandlerFunc {
	return answer(code, fmt.Sprintf(
		`{"error":{"code":%d,"message":%q,"errors":[{"message":%q,"domain":"global","reason":%q}]}}`,
		code, message, message, reason), header...)
}

func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

const (
	done    = `{"kind":"compute#operation","name":"op1","status":"DONE"}`
	running = `{"kind":"compute#operation","name":"op1","status":"RUNNING","progress":40}`
)
