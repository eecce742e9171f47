// Package web answers over the network: requests alone and in batches, what is
// let in, and the faults that tests ask for.
package web

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
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

	reads, changes atomic.Int64
}

// New is a front of s.
func New(s *api.Server) *Front { return &Front{Server: s, BodyLimit: 30 * time.Second} }

// Counts returns how many requests were made so far that only read, and that
// were to change something. Parts of a batch count, the batch does not.
func (s *Front) Counts() (read, change int64) { return s.reads.Load(), s.changes.Load() }

// ServeHTTP serves /compute/v1/… and /batch/compute/v1.
func (s *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.Rescue(r.Method+" "+r.URL.Path, func(p *problem.Problem) { answer(w, p.Status, p.Body()) })
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // of the answer before on this connection
	if !s.Guard(w, r) {
		return
	}
	path := api.OneSlash(r.URL.Path)
	isBatch, most := path == "/batch/compute/v1" || path == "/batch", int64(MaxBody)
	if isBatch {
		most = 4 * MaxBody
	}
	if p := s.receive(w, r, most); p != nil {
		answer(w, p.Status, p.Body())
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
	if method != nil && !method.Reads() {
		s.changes.Add(1)
	} else {
		s.reads.Add(1)
	}
	var f api.Fault
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
		answer(w, p.Status, p.Body())
		return
	}
	status, body := s.Do(r, method, params, f)
	if f.CutAfter {
		panic(http.ErrAbortHandler)
	}
	answer(w, status, body)
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

func answer(w http.ResponseWriter, status int, body doc.Obj) {
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
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = inPieces(w, enc, body, 4) // a client that went away is no concern of ours
}

// inPieces writes v as JSON, its upper levels piece by piece, as deep as the
// objects in an aggregated list are. In one piece it would all be in a buffer
// that encoding/json keeps for what comes next: a page of 500 machines, with
// their startup scripts, is 50 MB.
func inPieces(w io.Writer, enc *json.Encoder, v any, levels int) error {
	list, isList := v.([]any)
	o, isObj := v.(doc.Obj)
	if levels == 0 || len(list) == 0 && len(o) == 0 {
		return enc.Encode(v)
	}
	var err error
	write := func(s string) { _, e := io.WriteString(w, s); err = cmp.Or(err, e) }
	piece := func(v any) { err = cmp.Or(err, inPieces(w, enc, v, levels-1)) }
	separator := ""
	switch {
	case isList:
		write("[")
		for _, v := range list {
			write(separator)
			piece(v)
			separator = ","
		}
		write("]")
	case isObj:
		write("{")
		for _, k := range slices.Sorted(maps.Keys(o)) {
			write(separator)
			piece(k)
			write(":")
			piece(o[k])
			separator = ","
		}
		write("}")
	}
	return err
}
