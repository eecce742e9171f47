package drill

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// TestRegisterModel: the judge finds what it is there to find.
func TestRegisterModel(t *testing.T) {
	type step struct {
		client, call, end int // end 0: never
		op
		out *outcome
	}
	w := func(client, call, end, from int, out *outcome) step {
		return step{client, call, end, op{true, from, from + 1}, out}
	}
	read := func(client, call, end, value int) step {
		return step{client, call, end, op{}, &outcome{value: value}}
	}
	ok := &outcome{}
	dark := func(n int) (list []step) { // no answer for a while
		for i := range n {
			list = append(list, w(0, 1+2*i, 0, 0, nil))
		}
		return list
	}
	for _, c := range []struct {
		name  string
		want  porcupine.CheckResult
		steps []step
	}{
		{"in order", porcupine.Ok, []step{w(0, 1, 2, 0, ok), read(1, 3, 4, 1), w(0, 5, 6, 1, ok), read(1, 7, 8, 2)}},
		{"a read during a write", porcupine.Ok, []step{w(0, 1, 4, 0, ok), read(1, 2, 3, 0)}},
		{"lost: acknowledged, then gone", porcupine.Illegal, []step{w(0, 1, 2, 0, ok), read(0, 3, 4, 0)}},
		{"stale: another one has read more", porcupine.Illegal, []step{w(0, 1, 9, 0, ok), read(1, 2, 3, 1), read(2, 4, 5, 0)}},
		{"unknown, and it took hold late", porcupine.Ok, []step{w(2, 1, 0, 0, nil), read(0, 3, 4, 0), read(0, 5, 6, 1)}},
		{"unknown, and it never did", porcupine.Ok, []step{w(2, 1, 0, 0, nil), read(0, 3, 4, 0), w(0, 5, 6, 0, ok), read(0, 7, 8, 1)}},
		{"unknown, and it came twice", porcupine.Illegal, []step{w(2, 1, 0, 0, nil), read(0, 3, 4, 1), read(0, 5, 6, 2)}},
		{"refused, and yet there", porcupine.Illegal, []step{w(0, 1, 2, 0, &outcome{refused: true}), read(0, 3, 4, 1)}},
		{"many unknown, one by one, and one took hold", porcupine.Ok, append(dark(60), read(1, 200, 201, 1), w(0, 202, 203, 1, ok), read(1, 204, 205, 2))},
		{"many unknown, and lost after", porcupine.Illegal, append(dark(60), read(1, 200, 201, 1), w(0, 202, 203, 1, ok), read(1, 204, 205, 1))},
	} {
		r := &Register{}
		for _, s := range c.steps {
			end := time.Time{}.Add(time.Duration(s.end))
			if s.end == 0 {
				end = time.Time{}
			}
			r.note(s.client, s.op, s.out, time.Time{}.Add(time.Duration(s.call)), end)
		}
		if got := porcupine.CheckOperationsTimeout(registerModel, withoutTwins(r.history), 10*time.Second); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestReadPatiently: while nobody listens at the address who asks once is refused, and is told so,
// and who asks again has an answer of whoever listens next.
func TestReadPatiently(t *testing.T) {
	api := counterAPI()
	s := httptest.NewServer(api)
	at := s.Listener.Addr().String()
	r, err := BeginRegister(t.Context(), &rest.Config{Host: "http://" + at, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}, "register")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.End)
	r.ReadPatiently(time.Minute)
	until := func(what string, ok func() bool) {
		t.Helper()
		for begin := time.Now(); !ok(); time.Sleep(RegisterEvery) {
			if time.Since(begin) > time.Minute {
				t.Fatalf("%s: it does not come to that: %v", what, r.Lines())
			}
		}
	}
	answered := func() bool { n, _, _ := r.Patient(); return n > 1 }
	until("answers", answered)
	begin := time.Now()
	s.Close()
	again := func() int { r.mu.Lock(); defer r.mu.Unlock(); return r.patient.again }
	until("refusals, of a patient read too", func() bool { failed, _ := r.Failed(begin); return failed > 2 && again() > 0 })
	listener, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	s = &httptest.Server{Listener: listener, Config: &http.Server{Handler: api}} //nolint:gosec // it lives for this test
	s.Start()
	t.Cleanup(s.Close)
	n, _, _ := r.Patient()
	until("an answer", func() bool { now, _, _ := r.Patient(); return now > n })
	r.End()
	if _, failed, longest := r.Patient(); failed > 0 || longest < RegisterEvery {
		t.Errorf("%d patient reads failed, the longest took %s: %v", failed, longest, r.Lines())
	}
	if lines := r.Failures(begin); len(lines) == 0 || !strings.Contains(strings.Join(lines, "\n"), "refused: nobody listens") {
		t.Errorf("why requests failed: %v", lines)
	}
	if verdict, _ := r.Linear(); verdict != porcupine.Ok {
		t.Errorf("the history is no register's: %v", r.Lines())
	}
}

// counterAPI has one ConfigMap, which is changed by who has read it last.
func counterAPI() http.Handler {
	var mu sync.Mutex
	var have corev1.ConfigMap
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var said corev1.ConfigMap
		switch r.Method {
		case http.MethodDelete:
			have = corev1.ConfigMap{}
		case http.MethodPost, http.MethodPut:
			if err := json.NewDecoder(r.Body).Decode(&said); err != nil || said.ResourceVersion != have.ResourceVersion {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusConflict)
				_ = json.NewEncoder(w).Encode(apierrors.NewConflict(schema.GroupResource{Resource: "configmaps"}, said.Name, errors.New("it is another one")).Status())
				return
			}
			have = said
			have.ResourceVersion = "v" + have.Data["n"]
		}
		w.Header().Set("Content-Type", "application/json")
		have.Kind, have.APIVersion = "ConfigMap", "v1"
		_ = json.NewEncoder(w).Encode(&have)
	})
}

// TestUnread: a span without answers ends with the next one, and two are two.
func TestUnread(t *testing.T) {
	at := func(ms int) time.Time { return time.Time{}.Add(time.Duration(ms) * time.Millisecond) }
	good := func(call, end int) attempt { return attempt{call: at(call), end: at(end), ok: true} }
	bad := func(call, end int) attempt { return attempt{call: at(call), end: at(end)} }
	for _, c := range []struct {
		name  string
		want  int // ms
		asked []attempt
	}{
		{"all answered", 0, []attempt{good(0, 10), good(100, 110)}},
		{"one failed", 1010, []attempt{good(0, 10), bad(100, 1100), good(1100, 1110)}},
		{"two spans, the longer counts", 300, []attempt{bad(0, 50), good(50, 100), bad(200, 400), good(410, 500)}},
		{"the last one failed", 400, []attempt{good(0, 10), bad(100, 500)}},
		{"to the end", 900, []attempt{good(0, 10), bad(100, 500), bad(500, 1000)}},
	} {
		if got := unread(c.asked); got != time.Duration(c.want)*time.Millisecond {
			t.Errorf("%s: %s, want %d ms", c.name, got, c.want)
		}
	}
}

// TestAnswered: a request that failed is the balancer's fault if a master that does not fail was well
// meanwhile, and not if that took as long.
func TestAnswered(t *testing.T) {
	at := func(ms int) time.Time { return time.Time{}.Add(time.Hour + time.Duration(ms)*time.Millisecond) }
	w := &watch{asked: []attempt{{call: at(100), end: at(150)}, {call: at(700), end: at(760)}, {call: at(5000), end: at(7500)}}}
	for _, c := range []struct {
		name      string
		call, end int
		want      bool
	}{
		{"refused at once beside an answer", 300, 310, true},
		{"refused at once, long after one", 3000, 3010, false},
		{"no answer in two seconds, others had some", 0, 2000, true},
		{"no answer in two seconds, others waited as well", 4900, 6900, false},
		{"no answer in two seconds, others were not asked", 8000, 10000, false},
	} {
		if got := w.answered(attempt{call: at(c.call), end: at(c.end)}); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}
