package live

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"hakube/gce/emulator/recorded"
)

// An Upstream is where calls go on to.
type Upstream struct {
	Name    string // for the file: "compute.googleapis.com"
	Compute string // the API's URL without a path
	Manager string // that of Cloud Resource Manager
	// Transport authenticates.
	Transport http.RoundTripper
}

// user is whom the proxy lets in; the word beside it is of each run.
const user = "live"

// maxBody is more than any request or answer of Compute Engine has.
const maxBody = 32 << 20

// A proxy passes calls on and keeps them, in memory: requests have machines' metadata in
// them. It is on loopback, where every user of this host is, and the account behind it may
// do much, so who calls needs a word that only this process and its children know.
type proxy struct {
	up     Upstream
	word   string
	server *http.Server
	url    string // with the word

	mu   sync.Mutex
	kept []recorded.Exchange
}

// listen starts one.
func listen(ctx context.Context, up Upstream) (*proxy, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for hakube: %w", err)
	}
	p := &proxy{up: up, word: rand.Text()}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	p.url = (&url.URL{Scheme: "http", Host: l.Addr().String(), User: url.UserPassword(user, p.word)}).String()
	go func() { _ = p.server.Serve(l) }() // until close
	return p, nil
}

func (p *proxy) close() { _ = p.server.Close() } // nobody calls any more

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, word, _ := r.BasicAuth()
	if name != user || subtle.ConstantTimeCompare([]byte(word), []byte(p.word)) != 1 {
		http.Error(w, "this is a run of make live, and you are not of it", http.StatusUnauthorized)
		return
	}
	base := p.up.Compute
	if !strings.HasPrefix(r.URL.Path, "/compute/") {
		base = p.up.Manager
	}
	asked, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "reading the request: "+err.Error(), http.StatusBadRequest)
		return
	}
	status, head, answered, err := p.pass(r, base, asked)
	if err != nil {
		// As if nobody had answered: hakube tries again as it would without a proxy.
		panic(http.ErrAbortHandler)
	}
	p.keep(r, asked, status, answered)
	for _, k := range []string{"Content-Type", "Retry-After"} {
		if v := head.Get(k); v != "" {
			w.Header().Set(k, v)
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(answered) // who asked may be gone
}

// pass makes the request upstream.
func (p *proxy) pass(r *http.Request, base string, asked []byte) (status int, head http.Header, answered []byte, err error) {
	to, err := http.NewRequestWithContext(r.Context(), r.Method, base+r.URL.RequestURI(), bytes.NewReader(asked))
	if err != nil {
		return 0, nil, nil, err
	}
	for _, k := range []string{"Content-Type", "User-Agent", "X-Goog-Api-Client", "X-Goog-Request-Params"} {
		if v := r.Header.Get(k); v != "" {
			to.Header.Set(k, v)
		}
	}
	resp, err := p.up.Transport.RoundTrip(to)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	answered, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return resp.StatusCode, resp.Header, answered, err
}

// keep takes note of a call of Compute Engine.
func (p *proxy) keep(r *http.Request, asked []byte, status int, answered []byte) {
	if !strings.HasPrefix(r.URL.Path, "/compute/") {
		return
	}
	x := recorded.Exchange{Path: "live", Verb: r.Method, URL: "https://compute.googleapis.com" + r.URL.RequestURI(), Body: "", Status: status}
	var body map[string]any
	if json.Unmarshal(asked, &body) == nil && body != nil {
		x.Body = body
	}
	_ = json.Unmarshal(answered, &x.Answer) // no answer of a page, or none at all
	p.mu.Lock()
	defer p.mu.Unlock()
	x.N = len(p.kept)
	p.kept = append(p.kept, x)
}

// passed is what has passed so far.
func (p *proxy) passed() []recorded.Exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]recorded.Exchange(nil), p.kept...)
}
