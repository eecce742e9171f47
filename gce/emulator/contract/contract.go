// Package contract holds what passes between a client and a Compute Engine to
// Google's discovery document, as tests want it: a request that the document
// does not allow, or an answer it does not describe, is told to whoever
// started the server. It looks at the wire and knows nothing of how the
// answers come to be.
package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"hakube/gce/emulator/internal/discovery"
)

// A Contract watches a server.
type Contract struct {
	// Client is what the User-Agent of the client begins with whose requests
	// are held to the document. Other clients may send what they like, and
	// answers to them are looked at all the same.
	Client string
	// Broken is told about each violation, from any goroutine.
	Broken func(error)
	// Seen collects what was looked at; nil does not.
	Seen *Coverage

	fit sync.Map // key: answers that were looked at, and fit
}

// A key stands for an answer to a client: most are those of somebody who asks
// again, and to look at them again would show nothing.
type key struct {
	method *discovery.Method
	ours   bool
	sum    uint64
}

var seed = maphash.MakeSeed()

// Handler is next, watched.
func (c *Contract) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := below(r.URL.Path)
		batch := r.URL.Path == "/batch/compute/v1" || r.URL.Path == "/batch/compute/beta"
		if !ok && !batch {
			next.ServeHTTP(w, r)
			return
		}
		sent := &copied{ReadCloser: r.Body}
		r.Body = sent
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		answered := false
		defer func() { // also when the server cuts the connection by a panic
			x := exchange{verb: r.Method, path: path, query: r.URL.RawQuery, head: r.Header, body: sent.copy.Bytes(), whole: sent.whole}
			if answered && !rec.gone {
				x.answer = &answer{rec.status, rec.Header(), rec.body.Bytes()}
			}
			if batch {
				c.batch(x)
			} else {
				c.check(x)
			}
		}()
		next.ServeHTTP(rec, r)
		answered = true
	})
}

// below is a path below the version that is asked: what beta has here is as in v1.
func below(path string) (string, bool) {
	if rest, ok := strings.CutPrefix(path, "/compute/beta/"); ok {
		return rest, true
	}
	return strings.CutPrefix(path, "/compute/v1/")
}

// copied keeps what a server reads of a request. It reads nothing itself: how
// long to wait for a body and how much to take of it is the server's to say.
type copied struct {
	io.ReadCloser
	copy  bytes.Buffer
	whole bool // it came to its end
}

func (c *copied) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.copy.Write(b[:n])
	c.whole = c.whole || err == io.EOF
	return n, err
}

// recorder keeps a copy of what is answered.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	gone   bool // the client, before it had all
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	n, err := r.ResponseWriter.Write(b)
	r.gone = r.gone || err != nil && !errors.Is(err, http.ErrBodyNotAllowed)
	return n, err
}

// Unwrap makes http.ResponseController work.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// An exchange is a request and its answer.
type exchange struct {
	verb, path, query string // path is what follows /compute/v1/
	head              http.Header
	body              []byte
	whole             bool    // the body is all that was sent
	answer            *answer // nil: none, or the client did not wait for it
}

type answer struct {
	status int
	head   http.Header
	body   []byte
}

var slashes = regexp.MustCompile(`//+`)

func (c *Contract) check(x exchange) {
	line, path := x.verb+" /compute/v1/"+x.path, x.path
	ours := strings.HasPrefix(x.head.Get("User-Agent"), c.Client)
	if !ours { // some double slashes, or the prefix, and are answered
		path = strings.TrimLeft(slashes.ReplaceAllString(path, "/"), "/")
		for strings.HasPrefix(path, "compute/v1/") {
			path = strings.TrimPrefix(path, "compute/v1/")
		}
	}
	m, params := discovery.Load().Route(x.verb, strings.Trim(path, "/"))
	if ours && x.whole {
		if err := c.request(m, params, x.query, x.head, x.body); err != nil {
			c.Broken(fmt.Errorf("%s does not fit Google's description: %w; it sent %s", line, err, excerpt(x.body)))
		}
	}
	if x.answer == nil {
		return
	}
	if err := c.response(m, ours, x.answer); err != nil {
		c.Broken(fmt.Errorf("the answer to %s does not fit Google's description: %w; it is %d %s", line, err, x.answer.status, excerpt(x.answer.body)))
	}
}

func (c *Contract) request(m *discovery.Method, params map[string]string, rawQuery string, head http.Header, body []byte) error {
	if m == nil {
		return fmt.Errorf("there is no such method and path")
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return err
	}
	var sent map[string]any
	if len(body) > 0 {
		if kind := head.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
			return fmt.Errorf("its body is of type %q", kind)
		}
		if err := json.Unmarshal(body, &sent); err != nil {
			return err
		}
	}
	if p := discovery.Load().Sent(m, params, query, sent, c.Seen.sent(m)); p != nil {
		return p
	}
	return nil
}

func (c *Contract) response(m *discovery.Method, ours bool, a *answer) error {
	status, body := a.status, a.body
	if status == http.StatusNoContent {
		if len(body) > 0 || m != nil && m.Response != nil {
			return fmt.Errorf("it is empty")
		}
		return nil
	}
	if kind := a.head.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		return fmt.Errorf("it is of type %q", kind)
	}
	again := key{m, ours, maphash.Bytes(seed, body)}
	if _, ok := c.fit.Load(again); ok && status == http.StatusOK {
		return nil
	}
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		return err
	}
	if status != http.StatusOK {
		return errorShape(status, doc)
	}
	if m == nil {
		return fmt.Errorf("there is no such method")
	}
	var seen func(string)
	if ours {
		seen = c.Seen.answered(m)
	}
	if p := discovery.Load().Answered(m, doc, seen); p != nil {
		return p
	}
	if doc["kind"] == "compute#operation" {
		if err := operationShape(doc); err != nil {
			return err
		}
	}
	c.fit.Store(again, true)
	return nil
}

func excerpt(b []byte) string {
	b = bytes.ReplaceAll(b, []byte("\n"), nil)
	if len(b) > 300 {
		return string(b[:300]) + "…"
	}
	return string(b)
}
