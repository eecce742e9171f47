package metadata

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzPaths asks a machine's metadata server for anything, in any way: it
// answers with a code that says whose fault it is, with the flavor on every
// answer, and says nothing to whoever leaves the header out.
func FuzzPaths(f *testing.F) {
	for _, path := range []string{"/", "/computeMetadata", "/computeMetadata/v1/", "/computeMetadata/v1/instance/attributes/startup-script",
		"/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip", "/computeMetadata/v1/instance/guest-attributes/hostkeys/ssh-rsa",
		"/computeMetadata/v1/instance/service-accounts/default/token", "/computeMetadata/v1/instance/tags/", "/computeMetadata/v1//instance", "/computeMetadata/v1/../x"} {
		for _, verb := range []string{"GET", "PUT"} {
			f.Add(verb, path, "recursive=true&alt=json", "Google", []byte("value"))
		}
	}
	f.Add("GET", "/computeMetadata/v1/instance/", "wait_for_change=true&timeout_sec=0&last_etag=x&alt=text", "Google", []byte{})
	f.Add("DELETE", "/computeMetadata/v1/instance/guest-attributes/a/b", "", "", []byte{})
	view := View{Instance: Instance{
		ID: 7, Name: "m", Tags: []string{"t"}, Attributes: map[string]string{"enable-guest-attributes": "TRUE", "secret": "the canary", "a/b": "slash"},
		NetworkInterfaces: []NetworkInterface{{IP: "10.0.0.2", AccessConfigs: []AccessConfig{{ExternalIP: "198.51.100.1"}}}},
		ServiceAccounts:   []ServiceAccount{{Email: "a@b", Scopes: []string{"s"}}},
	}, Project: Project{ID: "p", Number: 1}}
	s := &memory{view: view, guest: GuestAttributes{"hakube": {"phase": "running"}}}
	h := Handler(s)
	f.Fuzz(func(t *testing.T, verb, path, query, flavor string, body []byte) {
		if strings.Contains(query, "wait_for_change") {
			query += "&timeout_sec=0"
			if q, err := url.ParseQuery(query); err == nil && len(q["timeout_sec"]) > 1 {
				return // the first counts, and this test has no time
			}
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, &http.Request{
			Method: verb, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{"Metadata-Flavor": {flavor}},
			Body: io.NopCloser(bytes.NewReader(body)),
		})
		if rec.Header().Get("Metadata-Flavor") != "Google" {
			t.Errorf("%q %q: no flavor", verb, path)
		}
		if rec.Code >= 500 || rec.Code < 200 {
			t.Errorf("%q %q ? %q: %d", verb, path, query, rec.Code)
		}
		if flavor != "Google" && path != "/" && rec.Code != http.StatusForbidden {
			t.Errorf("%q %q without the header: %d %s", verb, path, rec.Code, rec.Body)
		}
		if flavor != "Google" && strings.Contains(rec.Body.String(), "the canary") {
			t.Errorf("%q %q without the header tells", verb, path)
		}
		s.trim()
	})
}

// memory is a machine that remembers its guest attributes and never changes.
type memory struct {
	view  View
	guest GuestAttributes
}

func (m *memory) View() (View, <-chan struct{}, error)      { return m.view, nil, nil }
func (m *memory) GuestAttributes() (GuestAttributes, error) { return m.guest, nil }
func (m *memory) DeleteGuestAttribute(namespace, key string) error {
	delete(m.guest[namespace], key)
	return nil
}
func (m *memory) PutGuestAttribute(namespace, key, value string) error {
	if !guestName(namespace) || !guestName(key) || len(value) > MaxGuestValue {
		panic("a guest attribute that was not checked")
	}
	if m.guest[namespace] == nil {
		m.guest[namespace] = map[string]string{}
	}
	m.guest[namespace][key] = value
	return nil
}

func (m *memory) Token(email string, _ []string) (Token, error) {
	return Token{Access: "token of " + email, Left: time.Hour}, nil
}

func (m *memory) trim() {
	if len(m.guest) > 100 {
		m.guest = GuestAttributes{}
	}
}
