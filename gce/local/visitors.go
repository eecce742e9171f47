package local

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"hakube/gce/local/console"
)

const (
	consolePath   = "/hakube/v1/console" // makes a link to the page
	codeParameter = "code"
	cookieName    = "hakube-console"
)

// How long a link waits to be opened, and a browser is known by its cookie.
var (
	codeLife  = 5 * time.Minute
	visitLife = 12 * time.Hour
)

// visitors are the browsers that may look at the page. A browser sends no token of
// its own, so it gets a code by a link, good once, and trades it for a cookie.
// Cookies of one port are sent to all ports of this machine (RFC 6265 §8.5), so one
// opens the page and nothing else, and is forgotten when the daemon ends.
type visitors struct {
	mu      sync.Mutex
	codes   map[string]time.Time // until when each may be traded in
	cookies map[string]time.Time
}

func newVisitors() *visitors {
	return &visitors{codes: map[string]time.Time{}, cookies: map[string]time.Time{}}
}

// invite makes a code.
func (v *visitors) invite() string {
	code := rand.Text()
	v.mu.Lock()
	defer v.mu.Unlock()
	forget(v.codes)
	v.codes[code] = time.Now().Add(codeLife)
	return code
}

// enter trades a code in for a cookie and sends the browser to the page, by an
// address without it. It says whether the code was good.
func (v *visitors) enter(w http.ResponseWriter, r *http.Request, code string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	forget(v.codes)
	if _, ok := v.codes[code]; !ok {
		return false
	}
	delete(v.codes, code)
	forget(v.cookies)
	cookie := rand.Text()
	v.cookies[cookie] = time.Now().Add(visitLife)
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: cookie, Path: console.Path, MaxAge: int(visitLife.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, console.Path, http.StatusSeeOther)
	return true
}

// known tells whether the request has a cookie of ours. It is looked up, not
// compared: as with codes, how long that takes says nothing of 128 random bits.
func (v *visitors) known(r *http.Request) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range r.CookiesNamed(cookieName) { // one of another daemon, on another port, comes too
		if until, ok := v.cookies[c.Value]; ok && time.Now().Before(until) {
			return true
		}
	}
	return false
}

func forget(until map[string]time.Time) {
	for k, t := range until {
		if time.Now().After(t) {
			delete(until, k)
		}
	}
}

// invite answers the owner's request for a link.
func (d *daemon) invite(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST makes a link", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	link := d.endpoint + console.Path + "?" + codeParameter + "=" + d.visitors.invite()
	_ = json.NewEncoder(w).Encode(map[string]string{"link": link}) // who asked may be gone
}

// ConsoleLink returns an address of the daemon's page for a browser. It is good
// once, and for some minutes.
func ConsoleLink(ctx context.Context, dir string, s Status) (string, error) {
	resp, err := call(ctx, dir, http.MethodPost, s.Endpoint+consolePath)
	if err != nil {
		return "", fmt.Errorf("asking the embedded GCE for a link to its page: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	var answer struct{ Link string }
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("asking the embedded GCE for a link to its page: %s", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("reading the embedded GCE's link to its page: %w", err)
	}
	return answer.Link, nil
}
