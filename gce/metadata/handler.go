package metadata

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	root  = "/computeMetadata/v1/"
	guest = "instance/guest-attributes"
)

// Handler serves the machine behind s. A long poll ends when the request's
// context does, so a server that wants to stop quickly gives its connections
// a BaseContext it can cancel.
func Handler(s Source) http.Handler {
	return &handler{source: s}
}

type handler struct{ source Source }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// These three are on every reply, refusals included; clients take the
	// first as proof that they run at Google.
	w.Header().Set("Metadata-Flavor", "Google")
	w.Header().Set("Server", "Metadata Server for VM")
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	if r.URL.Path == "/" && isRead(r) {
		// Asked without the header by whoever wants to know where it runs.
		reply(w, r, "application/text", []byte("computeMetadata/\n"))
		return
	}
	// A request that came through a proxy was not made by a program on the
	// machine that knows what it does: the guard against request forgery.
	if r.Header.Get("X-Forwarded-For") != "" {
		refuse(w, r, http.StatusForbidden, "Your client does not have permission to get URL <code>%s</code> from this server. X-Forwarded-For header is not allowed.")
		return
	}
	if r.Header.Get("Metadata-Flavor") != "Google" {
		refuse(w, r, http.StatusForbidden, "Your client does not have permission to get URL <code>%s</code> from this server. Missing Metadata-Flavor:Google header.")
		return
	}
	switch r.URL.Path {
	case "/computeMetadata":
		redirect(w, r)
	case "/computeMetadata/":
		reply(w, r, "application/text", []byte("v1/\n"))
	case strings.TrimSuffix(root, "/"):
		redirect(w, r)
	default:
		path, ok := strings.CutPrefix(r.URL.Path, root)
		if !ok {
			notFound(w, r)
			return
		}
		h.serve(w, r, path)
	}
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, path string) {
	if rest, ok := strings.CutPrefix(path, guest); ok && (rest == "" || rest[0] == '/') {
		h.guestAttributes(w, r, path, strings.TrimPrefix(rest, "/"))
		return
	}
	if !isRead(r) {
		refuse(w, r, http.StatusMethodNotAllowed, "The request method is inappropriate for the URL <code>%s</code>.")
		return
	}
	if account, what, ok := credential(path); ok {
		h.credential(w, r, account, what)
		return
	}
	n, status := h.wait(r, func(v View) (*node, error) { return place(v.tree(), path), nil })
	switch {
	case status != 0:
		refuse(w, r, status, "The server could not answer for <code>%s</code>. Please try again.")
	case n == nil:
		notFound(w, r)
	default:
		write(w, r, n, path)
	}
}

// place finds path below n. A leaf has no slash at its end, a directory may lack it.
func place(n *node, path string) *node {
	n = n.find(strings.TrimSuffix(path, "/"))
	if n != nil && !n.isDir() && strings.HasSuffix(path, "/") {
		return nil
	}
	return n
}

// wait answers at once unless the request asks for wait_for_change: then it
// returns when what look finds differs from last_etag (without one: from what
// is there now), or timeout_sec have passed, or it has gone. The status is not
// zero when the request cannot be answered.
func (h *handler) wait(r *http.Request, look func(View) (*node, error)) (*node, int) {
	q := r.URL.Query()
	ctx := r.Context()
	if s := q.Get("timeout_sec"); s != "" {
		sec, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			return nil, http.StatusBadRequest
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(sec)*time.Second)
		defer cancel()
	}
	last, waits := q.Get("last_etag"), isTrue(q.Get("wait_for_change"))
	for {
		// The channel comes first, then the look: a change in between closes it.
		v, changed, err := h.source.View()
		if err != nil {
			return nil, http.StatusServiceUnavailable
		}
		n, err := look(v)
		if err != nil {
			return nil, http.StatusServiceUnavailable
		}
		if !waits || n == nil {
			return n, 0
		}
		etag := n.etag()
		if last == "" {
			last = etag
		}
		if etag != last {
			return n, 0
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if r.Context().Err() != nil {
				return nil, http.StatusServiceUnavailable // nobody listens, or the server stops
			}
			return n, 0
		}
	}
}

// etag is the same for every form of a node and changes when anything below
// it does. Google's are 16 hexadecimal digits too.
func (n *node) etag() string {
	sum := sha256.Sum256(n.json())
	return hex.EncodeToString(sum[:8])
}

// write answers with n in the form that was asked for: a listing unless
// recursive, JSON for recursive and for arrays unless alt says otherwise.
func write(w http.ResponseWriter, r *http.Request, n *node, path string) {
	if n.isDir() && path != "" && !strings.HasSuffix(path, "/") {
		redirect(w, r)
		return
	}
	q := r.URL.Query()
	recursive, alt := isTrue(q.Get("recursive")), q.Get("alt")
	w.Header().Set("ETag", n.etag())
	switch {
	case alt != "" && alt != "json" && alt != "text":
		refuse(w, r, http.StatusBadRequest, "The request for <code>%s</code> has an alt that is neither json nor text.")
	case n.isDir() && !recursive:
		reply(w, r, "application/text", n.listing())
	case alt == "json", alt == "" && (n.isDir() || path == "instance/tags"):
		reply(w, r, "application/json", n.json())
	default:
		reply(w, r, "application/text", n.text())
	}
}

func isRead(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}
