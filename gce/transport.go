package gce

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	// callctx is how the REST clients take a header for one call.
	"github.com/googleapis/gax-go/v2/callctx"
)

// trips carries the REST clients' requests. It names us to the server, refuses
// pages made for people, and cancels lists.
//
// apiv1 (seen in v1.74.1) builds the request of every List and of
// ListManagedInstances without the caller's context, so that neither ^C nor a
// limit ends it. The context is therefore left here under a number, and the
// number travels to RoundTrip in a header, which goes no further.
//
// As the body of instanceGroups.listInstances it sends the whole request
// message, path parameters and all, instead of the part that is the body.
type trips struct {
	base      http.RoundTripper
	userAgent string
	last      atomic.Uint64
	contexts  sync.Map // number as string → context.Context
	date      atomic.Pointer[dated]
}

// dated is what time an answer was given, and between which two of ours.
type dated struct{ begin, end, date time.Time }

// ticket is the header's key.
const ticket = "x-hakube-call"

func newTrips(base http.RoundTripper, userAgent string) *trips {
	if base == nil {
		base = http.DefaultTransport
	}
	return &trips{base: base, userAgent: userAgent}
}

// client returns the HTTP client over t. A redirect is not followed: the
// answer itself is shown, since whoever sent it is not Compute Engine.
func (t *trips) client() *http.Client {
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// enter returns a context whose lists end when ctx does. leave must be called
// when the call is over.
func (t *trips) enter(ctx context.Context) (_ context.Context, leave func()) {
	n := strconv.FormatUint(t.last.Add(1), 10)
	t.contexts.Store(n, ctx)
	return callctx.SetHeaders(ctx, ticket, n), func() { t.contexts.Delete(n) }
}

func (t *trips) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	// apiv1 sets its headers in lower case, where Header.Get does not look.
	if n := map[string][]string(req.Header)[ticket]; len(n) > 0 {
		if v, ok := t.contexts.Load(n[0]); ok {
			ctx = v.(context.Context)
		}
	}
	req = req.Clone(ctx) // a RoundTripper may not change its request
	delete(req.Header, ticket)
	req.Header.Set("User-Agent", t.userAgent)
	if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/listInstances") {
		const all = "{}" // machines of any state
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(all)), int64(len(all))
		req.GetBody = nil
	}
	begin := time.Now()
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil && resp.Header.Get("Age") == "" { // not out of a cache
		t.date.Store(&dated{begin, time.Now(), date})
	}
	// A page with status 200 would be reported as a syntax error of protobuf.
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode < 300 && kind == "text/html" {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		_ = resp.Body.Close() // a page was read instead
		return nil, &Error{
			Code: resp.StatusCode, Reason: reasonNotGoogle,
			Message: req.URL.Host + " answered with a web page" + title(string(body)),
		}
	}
	return resp, nil
}

// CloseIdleConnections makes the method of http.Client work.
func (t *trips) CloseIdleConnections() {
	if b, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		b.CloseIdleConnections()
	}
}

// Time is what time it was at Compute Engine when it last answered, to the second
// below, and between which two times of this machine's; all zero if it never did.
func (c *Client) Time() (begin, end, date time.Time) {
	if d := c.trips.date.Load(); d != nil {
		return d.begin, d.end, d.date
	}
	return begin, end, date
}
