package emulator

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"hakube/gce/emulator/internal/discovery"
)

// A call is one request of a known method.
type call struct {
	s      *Server
	r      *http.Request
	method *discovery.Method
	params map[string]string
	query  url.Values
	body   obj
	fault  *OperationFault
	stuck  <-chan struct{} // see Fault
}

func (c *call) project() string { return c.params["project"] }

// scope the method is about.
func (c *call) scope() string {
	switch {
	case c.params["zone"] != "":
		return "zones/" + c.params["zone"]
	case c.params["region"] != "":
		return "regions/" + c.params["region"]
	}
	return "global"
}

// ref of an object of a kind in the scope of the call.
func (c *call) ref(kind, name string) ref { return in(c.project(), c.scope(), kind, name) }

// target is the object the path names.
func (c *call) target(kind string) ref { return c.ref(kind, c.params[c.method.Object()]) }

// ServeHTTP serves /compute/v1/… and /batch/compute/v1.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.rescue(r.Method+" "+r.URL.Path, func(p *problem) { answer(w, p.Status, p.body()) })
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // of the answer before on this connection
	if !s.Guard(w, r) {
		return
	}
	path := slashes.ReplaceAllString(r.URL.Path, "/")
	isBatch, most := path == "/batch/compute/v1" || path == "/batch", int64(maxBody)
	if isBatch {
		most = 4 * maxBody
	}
	if p := receive(w, r, most); p != nil {
		answer(w, p.Status, p.body())
		return
	}
	if isBatch {
		s.batch(w, r)
		return
	}
	s.serve(w, r, path)
}

var slashes = regexp.MustCompile(`//+`)

// serve answers one request, alone or part of a batch. It panics with
// [http.ErrAbortHandler] to cut the connection.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, path string) {
	method, params := s.route(r.Method, path)
	if method != nil && !method.Reads() {
		s.changes.Add(1)
	} else {
		s.reads.Add(1)
	}
	var f Fault
	if s.opts.Fault != nil {
		f = s.opts.Fault(r)
	}
	if f.Delay > 0 {
		select {
		case <-s.opts.After(f.Delay):
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
		answer(w, p.Status, p.body())
		return
	}
	status, body := s.do(r, method, params, f)
	if f.CutAfter {
		panic(http.ErrAbortHandler)
	}
	answer(w, status, body)
}

// route finds the method of a path. Clients that are given an endpoint with
// the path in it may double it.
func (s *Server) route(verb, path string) (*discovery.Method, map[string]string) {
	return route(s.api, verb, path)
}

func route(api *discovery.API, verb, path string) (*discovery.Method, map[string]string) {
	const prefix = "/compute/v1/"
	if !strings.HasPrefix(path, prefix) {
		return nil, nil
	}
	for strings.HasPrefix(path, prefix) {
		path = path[len(prefix)-1:]
	}
	m, params := api.Route(verb, strings.Trim(path, "/"))
	return m, params
}

// ChangeOf is the method that a request is to change something with, such as
// "compute.instances.insert", and "" of one that reads or waits.
func ChangeOf(r *http.Request) string {
	m, _ := route(discovery.Load(), r.Method, slashes.ReplaceAllString(r.URL.Path, "/"))
	if m == nil || m.Reads() {
		return ""
	}
	return m.ID
}

// IsChange reports whether the request is to change something, as opposed to
// reading or waiting.
func IsChange(r *http.Request) bool {
	return ChangeOf(r) != ""
}

func (s *Server) do(r *http.Request, m *discovery.Method, params map[string]string, fault Fault) (status int, body obj) {
	defer s.rescue(r.Method+" "+r.URL.Path, func(p *problem) { status, body = p.Status, p.body() })
	out, err := s.answer(r, m, params, fault)
	if err != nil {
		p := asProblem(err)
		return p.Status, p.body()
	}
	if out == nil {
		return http.StatusNoContent, nil
	}
	return http.StatusOK, out
}

func (s *Server) answer(r *http.Request, m *discovery.Method, params map[string]string, fault Fault) (obj, error) {
	if m == nil && r.Method == http.MethodPost && permissionsPath.MatchString(r.URL.Path) {
		return s.testPermissions(r)
	}
	if m == nil {
		return nil, notWritten(r.Method + " " + r.URL.Path)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse("Malformed query: %v", err)
	}
	if p := s.api.Params(m, params, query); p != nil {
		return nil, asInvalid(p)
	}
	if err := knownPlace(m.ID, params); err != nil {
		return nil, err
	}
	c := &call{s: s, r: r, method: m, params: params, query: query, fault: fault.Operation, stuck: fault.Stuck}
	if err := c.read(); err != nil {
		return nil, err
	}
	h := s.methods[m.ID]
	if h == nil {
		return nil, notWritten(m.ID)
	}
	return h(c)
}

// read decodes and checks the body.
func (c *call) read() error {
	raw, err := io.ReadAll(c.r.Body)
	if err != nil {
		return refuse("Reading request: %v", err)
	}
	if c.method.Request == nil {
		return nil
	}
	if len(strings.TrimSpace(string(raw))) == 0 {
		raw = []byte("{}")
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return &problem{400, "parseError", "", "Parse Error: " + err.Error()}
	}
	body, ok := v.(obj)
	if !ok {
		return &problem{400, "parseError", "", "Parse Error: the body is not an object"}
	}
	if p := c.s.api.Request(c.method, body); p != nil {
		return asInvalid(p)
	}
	c.body = body
	return nil
}

func asInvalid(p *discovery.Problem) *problem {
	reason, code := "invalid", "INVALID_FIELD_VALUE"
	if p.Missing {
		reason, code = "required", "REQUIRED_FIELD_MISSING"
	}
	return &problem{400, reason, code, p.Error()}
}

func injected(f Fault) *problem {
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
	return &problem{f.Status, reason, "", message}
}

func answer(w http.ResponseWriter, status int, body obj) {
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
	o, isObj := v.(obj)
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
