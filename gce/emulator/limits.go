package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// What one request may be. The largest honest body is an instance with
// 512 KiB of metadata; the largest honest path has a filter of some names.
const (
	maxBody = 8 << 20
	maxURI  = 64 << 10
)

// bodyLimit is how long a body may be on its way, and answerLimit how long an
// answer, from its first byte. Waiting for an operation is neither.
var (
	bodyLimit   = 30 * time.Second
	answerLimit = 2 * time.Minute
)

// Guard reports whether a request is let in, and answers it if not. It keeps
// web pages out: they can make a browser on this machine send requests here,
// under a name of theirs (DNS rebinding), or as one site to another.
func (s *Server) Guard(w http.ResponseWriter, r *http.Request) bool {
	p := s.stranger(r)
	if p != nil {
		answer(w, p.Status, p.body())
	}
	return p == nil
}

func (s *Server) stranger(r *http.Request) *problem {
	// The host of a CONNECT is where to connect to, and no page can send one.
	if r.Method != http.MethodConnect && !s.known(r.Host) {
		return &problem{403, "forbidden", "", fmt.Sprintf("Host %q is not a name of the embedded GCE", r.Host)}
	}
	// There are no pages here, so a page that asks is another's: also one of
	// another port of this machine.
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return &problem{403, "forbidden", "", fmt.Sprintf("requests from pages of %q are refused", origin)}
		}
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "none", "same-origin": // no browser; typed by a person
	default:
		return &problem{403, "forbidden", "", fmt.Sprintf("requests from pages are refused (Sec-Fetch-Site: %s)", site)}
	}
	return nil
}

func (s *Server) known(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
		return true
	}
	return host == "localhost" || slices.Contains(s.opts.Hosts, host) || slices.Contains(s.opts.Hosts, hostport)
}

// receive reads the body, so that one that comes in drops, or never, keeps
// nobody; nothing after it reads from the connection.
func receive(w http.ResponseWriter, r *http.Request, most int64) *problem {
	if len(r.RequestURI) > maxURI {
		return &problem{414, "uriTooLong", "", fmt.Sprintf("Request URI size exceeds the limit: %d bytes.", maxURI)}
	}
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(bodyLimit)) // a recorder in tests has none
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &problem{413, "uploadTooLarge", "", fmt.Sprintf("Request payload size exceeds the limit: %d bytes.", most)}
	case isTimeout(err):
		w.Header().Set("Connection", "close")
		return &problem{408, "timeout", "", fmt.Sprintf("The request did not arrive within %s.", bodyLimit)}
	case err != nil:
		return refuse("Reading request: %v", err)
	}
	_ = c.SetReadDeadline(time.Time{}) // the request may wait for long now
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return nil
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// rescue makes a panic an answer and a line in the log. One that is meant to
// cut the connection goes on.
func (s *Server) rescue(what string, answered func(p *problem)) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	s.opts.Log.Error("panic in the embedded GCE", "request", what, "panic", v, "stack", string(debug.Stack()))
	answered(asProblem(fmt.Errorf("%v", v)))
}
