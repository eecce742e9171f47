package metadata

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

const agentPoll = "/computeMetadata/v1/?alt=json&recursive=true&wait_for_change=true&last_etag="

func TestWaitForChange(t *testing.T) {
	m := newTwin()
	srv := serve(t, m)
	// The agent starts with a tag that fits nothing.
	resp, body := ask(t, srv, "GET", agentPoll+"NONE&timeout_sec=60", "")
	etag := resp.Header.Get("ETag")
	if resp.StatusCode != 200 || len(etag) != 16 || !strings.Contains(body, `"id":4711`) {
		t.Fatalf("first poll: %d, etag %q, %s", resp.StatusCode, etag, body)
	}

	m.mu.Lock()
	m.looks = make(chan struct{})
	m.mu.Unlock()
	type answer struct {
		resp *http.Response
		body string
	}
	answers := make(chan answer, 1)
	go func() {
		resp, body := ask(t, srv, "GET", agentPoll+etag+"&timeout_sec=60", "")
		answers <- answer{resp, body}
	}()
	// After a look it waits, or is about to on a channel it already holds.
	<-m.looks
	m.mu.Lock()
	m.looks = nil
	m.mu.Unlock()
	m.change(func(*View, GuestAttributes) {}) // nothing changed: no answer
	m.change(func(v *View, _ GuestAttributes) { v.Instance.Attributes["new"] = "1" })
	a := <-answers
	if a.resp.Header.Get("ETag") == etag || !strings.Contains(a.body, `"new":"1"`) {
		t.Errorf("after the change: etag %s, %s", a.resp.Header.Get("ETag"), a.body)
	}
}

func TestWaitTimesOutWithWhatIsThere(t *testing.T) {
	srv := serve(t, newTwin())
	resp, _ := ask(t, srv, "GET", agentPoll+"NONE", "")
	etag := resp.Header.Get("ETag")
	resp, body := ask(t, srv, "GET", agentPoll+etag+"&timeout_sec=0", "")
	if resp.StatusCode != 200 || resp.Header.Get("ETag") != etag || !strings.Contains(body, `"id":4711`) {
		t.Errorf("%d, etag %s, %s", resp.StatusCode, resp.Header.Get("ETag"), body)
	}
}

// Whoever waits for a key that goes is told so.
func TestWaitForKeyThatGoes(t *testing.T) {
	m := newTwin()
	srv := serve(t, m)
	const key = "/computeMetadata/v1/instance/attributes/two-lines"
	resp, _ := ask(t, srv, "GET", key, "")
	m.change(func(v *View, _ GuestAttributes) { delete(v.Instance.Attributes, "two-lines") })
	resp, _ = ask(t, srv, "GET", key+"?wait_for_change=true&last_etag="+resp.Header.Get("ETag"), "")
	if resp.StatusCode != 404 {
		t.Errorf("status %d, want 404", resp.StatusCode)
	}
}

// A poll ends with its connection: nothing may stay behind in the server.
func TestWaitEndsWithItsClient(t *testing.T) {
	m := newTwin()
	m.looks = make(chan struct{}, 1)
	srv := serve(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", srv.URL+"/computeMetadata/v1/instance/id?wait_for_change=true", nil)
	req.Header.Set("Metadata-Flavor", "Google")
	done := make(chan error)
	go func() {
		_, err := http.DefaultClient.Do(req)
		done <- err
	}()
	<-m.looks
	cancel()
	if err := <-done; err == nil {
		t.Error("the request was answered")
	}
	srv.Close() // blocks until every handler has returned
}

// An agent's own guest attribute must not wake its poll of the whole tree.
func TestGuestAttributesDoNotChangeTheTree(t *testing.T) {
	m := newTwin()
	srv := serve(t, m)
	before, _ := ask(t, srv, "GET", agentPoll+"NONE", "")
	if err := m.PutGuestAttribute("hakube", "phase", "running"); err != nil {
		t.Fatal(err)
	}
	after, _ := ask(t, srv, "GET", agentPoll+"NONE", "")
	if before.Header.Get("ETag") != after.Header.Get("ETag") {
		t.Error("the tree's etag changed")
	}
}
