package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"hakube/gce/emulator/internal/problem"
)

// What one request may be. The largest honest body is an instance with
// 512 KiB of metadata; the largest honest path has a filter of some names.
const (
	MaxBody = 8 << 20
	maxURI  = 64 << 10
)

// answerLimit is how long an answer may be on its way, from its first byte.
// Waiting for an operation is no part of it, nor of the limit of a body.
const answerLimit = 2 * time.Minute

// Guard reports whether a request is let in, and answers it if not. It keeps
// web pages out: they can make a browser on this machine send requests here,
// under a name of theirs (DNS rebinding), or as one site to another.
func (s *Front) Guard(w http.ResponseWriter, r *http.Request) bool {
	p := s.stranger(r)
	if p != nil {
		answer(w, p.Status, p.Body(), true)
	}
	return p == nil
}

func (s *Front) stranger(r *http.Request) *problem.Problem {
	// The host of a CONNECT is where to connect to, and no page can send one.
	if r.Method != http.MethodConnect && !s.known(r.Host) {
		return problem.New(403, "forbidden", "", fmt.Sprintf("Host %q is not a name of the embedded GCE", r.Host))
	}
	// There are no pages here, so a page that asks is another's: also one of
	// another port of this machine.
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return problem.New(403, "forbidden", "", fmt.Sprintf("requests from pages of %q are refused", origin))
		}
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "none", "same-origin": // no browser; typed by a person
	default:
		return problem.New(403, "forbidden", "", fmt.Sprintf("requests from pages are refused (Sec-Fetch-Site: %s)", site))
	}
	return nil
}

func (s *Front) known(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
		return true
	}
	return host == "localhost" || slices.Contains(s.Opts.Hosts, host) || slices.Contains(s.Opts.Hosts, hostport)
}

// receive reads the body, so that one that comes in drops, or never, keeps
// nobody; nothing after it reads from the connection.
func (s *Front) receive(w http.ResponseWriter, r *http.Request, most int64) *problem.Problem {
	if len(r.RequestURI) > maxURI {
		return problem.New(414, "uriTooLong", "", fmt.Sprintf("Request URI size exceeds the limit: %d bytes.", maxURI))
	}
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(s.BodyLimit)) // a recorder in tests has none
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return problem.New(413, "uploadTooLarge", "", fmt.Sprintf("Request payload size exceeds the limit: %d bytes.", most))
	case isTimeout(err):
		w.Header().Set("Connection", "close")
		return problem.New(408, "timeout", "", fmt.Sprintf("The request did not arrive within %s.", s.BodyLimit))
	case err != nil:
		return problem.Refuse("Reading request: %v", err)
	}
	_ = c.SetReadDeadline(time.Time{}) // the request may wait for long now
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return nil
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
