package metadata

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

// What a guest attribute may be. Names are bounded as metadata keys are
// (API description of Metadata.items[].key); Google states no number for a
// value in its API description, and every use we know of fits in 32 KiB.
const (
	MaxGuestName  = 128
	MaxGuestValue = 32 << 10
)

// guestAttributes serves instance/guest-attributes[/NAMESPACE[/KEY]].
func (h *handler) guestAttributes(w http.ResponseWriter, r *http.Request, path, rest string) {
	v, _, err := h.source.View()
	if err != nil {
		unavailable(w, r)
		return
	}
	if !v.GuestAttributesEnabled() {
		// Google's words; the Go client's users compare them.
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "Guest attributes endpoint access is disabled.")
		return
	}
	if isRead(r) {
		h.readGuestAttributes(w, r, path, rest)
		return
	}
	namespace, key, _ := strings.Cut(rest, "/")
	if !guestName(namespace) || !guestName(key) {
		refuse(w, r, http.StatusBadRequest, "<code>%s</code> does not name a guest attribute: instance/guest-attributes/NAMESPACE/KEY, each of letters, digits, - and _.")
		return
	}
	switch r.Method {
	case http.MethodPut:
		h.putGuestAttribute(w, r, namespace, key)
	case http.MethodDelete:
		h.deleteGuestAttribute(w, r, namespace, key)
	default:
		refuse(w, r, http.StatusMethodNotAllowed, "The request method is inappropriate for the URL <code>%s</code>.")
	}
}

func (h *handler) readGuestAttributes(w http.ResponseWriter, r *http.Request, path, rest string) {
	n, status := h.wait(r, func(View) (*node, error) {
		all, err := h.source.GuestAttributes()
		if err != nil {
			return nil, err
		}
		return place(all.tree(), rest), nil
	})
	switch {
	case status != 0:
		refuse(w, r, status, "The server could not answer for <code>%s</code>. Please try again.")
	case n == nil:
		notFound(w, r)
	default:
		write(w, r, n, path)
	}
}

func (h *handler) putGuestAttribute(w http.ResponseWriter, r *http.Request, namespace, key string) {
	value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxGuestValue))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		refuse(w, r, http.StatusRequestEntityTooLarge, "The value for <code>%s</code> is larger than 32 KiB.")
		return
	} else if err != nil {
		refuse(w, r, http.StatusBadRequest, "The value for <code>%s</code> could not be read.")
		return
	}
	if err := h.source.PutGuestAttribute(namespace, key, string(value)); err != nil {
		unavailable(w, r)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (h *handler) deleteGuestAttribute(w http.ResponseWriter, r *http.Request, namespace, key string) {
	all, err := h.source.GuestAttributes()
	if err != nil {
		unavailable(w, r)
		return
	}
	if _, ok := all[namespace][key]; !ok {
		notFound(w, r)
		return
	}
	if err := h.source.DeleteGuestAttribute(namespace, key); err != nil {
		unavailable(w, r)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (a GuestAttributes) tree() *node {
	n := &node{kind: dirNode, verbatim: true}
	for _, namespace := range sortedKeys(a) {
		n.children = append(n.children, child{namespace, attributes(a[namespace])})
	}
	return n
}

func guestName(s string) bool {
	if s == "" || len(s) > MaxGuestName {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	})
}
