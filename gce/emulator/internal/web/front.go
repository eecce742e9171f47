// Package web answers over the network: requests alone and in batches, what is
// let in, and the faults that tests ask for.
package web

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

// A Front answers requests that come over the network.
type Front struct {
	*api.Server
	// BodyLimit is how long a body may be on its way.
	BodyLimit time.Duration
	// Storage answers what is asked of Cloud Storage, whose requests may be as large as
	// objects are.
	Storage Beside
	// Caller is whose token it is, nil of one that is not good.
	Caller func(token string) *api.Caller

	reads, changes atomic.Int64
}

// A Beside is another of Google's services, with limits of its own.
type Beside interface {
	// Serve answers one request; answer writes what is JSON.
	Serve(w http.ResponseWriter, r *http.Request, answer func(status int, body any))
}

// New is a front of s.
func New(s *api.Server, caller func(token string) *api.Caller) *Front {
	return &Front{Server: s, BodyLimit: 30 * time.Second, Caller: caller}
}

// Counts returns how many requests were made so far that only read, and that
// were to change something. Parts of a batch count, the batch does not.
func (s *Front) Counts() (read, change int64) { return s.reads.Load(), s.changes.Load() }

// ServeHTTP serves /compute/v1/… and /compute/beta/…, and batches of both.
func (s *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Guard(w, r) {
		s.Admit(w, r)
	}
}

// Admit serves a request whose door was another one: who called there by a name of
// Google's, over TLS, is no web page's browser.
func (s *Front) Admit(w http.ResponseWriter, r *http.Request) {
	defer s.Rescue(r.Method+" "+r.URL.Path, func(p *problem.Problem) { answer(w, p.Status, p.Body(), true) })
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // of the answer before on this connection
	path := api.OneSlash(r.URL.Path)
	if s.Storage != nil && strings.Contains(path, "storage/v1/") && !strings.HasPrefix(path, "/compute/") {
		s.store(w, r)
		return
	}
	isBatch, most := path == "/batch/compute/v1" || path == "/batch/compute/beta" || path == "/batch", int64(MaxBody)
	if isBatch {
		most = 4 * MaxBody
	}
	if p := s.receive(w, r, most); p != nil {
		answer(w, p.Status, p.Body(), true)
		return
	}
	if isBatch {
		s.batch(w, r)
		return
	}
	s.serve(w, r, path)
}

// serve answers one request, alone or part of a batch. It panics with
// [http.ErrAbortHandler] to cut the connection.
func (s *Front) serve(w http.ResponseWriter, r *http.Request, path string) {
	method, params := s.Route(r.Method, path)
	f, ends := s.befalls(w, r, method == nil || method.Reads())
	if ends {
		return
	}
	status, body := s.Do(r, method, params, f)
	if f.CutAfter {
		panic(http.ErrAbortHandler)
	}
	answer(w, status, body, !strings.EqualFold(r.URL.Query().Get("prettyPrint"), "false"))
}

// store answers a request to Cloud Storage.
func (s *Front) store(w http.ResponseWriter, r *http.Request) {
	f, ends := s.befalls(w, r, r.Method == http.MethodGet || r.Method == http.MethodHead)
	if ends {
		return
	}
	if f.CutAfter {
		s.Storage.Serve(unheard{http.Header{}}, r, func(int, any) {})
		panic(http.ErrAbortHandler)
	}
	s.Storage.Serve(w, r, func(status int, body any) { Answer(w, status, body) })
}

// An unheard answer is one whose connection is cut.
type unheard struct{ header http.Header }

func (u unheard) Header() http.Header         { return u.header }
func (u unheard) Write(b []byte) (int, error) { return len(b), nil }
func (u unheard) WriteHeader(int)             {}

// befalls counts a request and lets the fault come that was asked for; ends tells that
// the request was answered by that.
func (s *Front) befalls(w http.ResponseWriter, r *http.Request, reads bool) (f api.Fault, ends bool) {
	if reads {
		s.reads.Add(1)
	} else {
		s.changes.Add(1)
	}
	if s.Opts.Fault != nil {
		f = s.Opts.Fault(r)
	}
	if f.Delay > 0 {
		select {
		case <-s.Opts.After(f.Delay):
		case <-r.Context().Done():
		}
	}
	if f.CutBefore {
		panic(http.ErrAbortHandler)
	}
	if f.Status != 0 {
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
		}
		p := injected(f)
		answer(w, p.Status, p.Body(), true)
		return f, true
	}
	return f, false
}

func injected(f api.Fault) *problem.Problem {
	reason := f.Reason
	if reason == "" {
		reason = map[int]string{403: "rateLimitExceeded", 404: "notFound", 409: "alreadyExists", 412: "conditionNotMet", 429: "rateLimitExceeded"}[f.Status]
	}
	if reason == "" && f.Status < 500 {
		reason = "badRequest"
	}
	if reason == "" {
		reason = "backendError"
	}
	message := f.Message
	if message == "" {
		message = http.StatusText(f.Status) + " (a fault that was asked for)"
	}
	return problem.New(f.Status, reason, "", message)
}

// Answer writes an answer of no method, anything that JSON has.
func Answer(w http.ResponseWriter, status int, body any) {
	var o doc.Obj
	raw, err := json.Marshal(body)
	if err == nil {
		err = json.Unmarshal(raw, &o)
	}
	if err != nil {
		status, o = http.StatusInternalServerError, problem.Of(err).Body()
	}
	answer(w, status, o, true)
}

// answer writes an answer, with line breaks for who reads it unless pretty is false.
func answer(w http.ResponseWriter, status int, body doc.Obj, pretty bool) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerLimit)) // a part of a batch has none
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private")
	if body == nil {
		w.WriteHeader(status)
		return
	}
	h.Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = write(w, body, pretty) // a client that went away is no concern of ours
}
