// Package gcetest starts an embedded GCE for a test, and holds it and Google
// to the same contract with one [Suite].
package gcetest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/gce"
	"hakube/gce/emulator"
	"hakube/gce/emulator/contract"
)

// What a Twin's client speaks for unless told otherwise.
const (
	Project = "local"
	Region  = "europe-west1"
	Zone    = "europe-west1-b"
)

// A Twin is an embedded GCE on loopback and a client of it. It ends with the
// test it was started for.
type Twin struct {
	Server *emulator.Server
	URL    string      // "http://127.0.0.1:…"
	Client *gce.Client // of Project and Region, with Clock
	// Seen is what was held to Google's description so far; nil of an unwatched one.
	Seen *contract.Coverage
}

// notAName is in the one request of the suite that has to be refused.
const notAName = "Not_A_Name"

// Start starts a twin with objects only: instances run with nothing behind
// them. A request of hakube's client or an answer that does not fit Google's
// description fails the test.
func Start(t testing.TB, opts ...func(*emulator.Options)) *Twin {
	t.Helper()
	server := newServer(t, opts)
	watch := &contract.Contract{Client: "hakube", Broken: func(err error) {
		if !strings.Contains(err.Error(), notAName) {
			t.Error(err)
		}
	}, Seen: &contract.Coverage{}}
	return begin(t, server, watch.Handler(server), watch.Seen)
}

// StartUnwatched is Start without that check, for quick tests that make the same requests
// as the whole ones, which have it: it is a tenth of their work.
func StartUnwatched(t testing.TB, opts ...func(*emulator.Options)) *Twin {
	t.Helper()
	server := newServer(t, opts)
	return begin(t, server, server, nil)
}

func newServer(t testing.TB, opts []func(*emulator.Options)) *emulator.Server {
	t.Helper()
	o := emulator.Options{
		Path:   filepath.Join(t.TempDir(), "gce.db"),
		NoSync: true, NoDefaultNetwork: true, // for tests that begin with nothing
	}
	for _, opt := range opts {
		opt(&o)
	}
	server, err := emulator.New(o)
	if err != nil {
		t.Fatalf("starting the embedded GCE: %v", err)
	}
	return server
}

func begin(t testing.TB, server *emulator.Server, h http.Handler, seen *contract.Coverage) *Twin {
	t.Helper()
	front := httptest.NewServer(h)
	t.Cleanup(func() {
		// The server first: it answers requests that wait for an operation, and
		// the front waits for those.
		if err := server.Close(); err != nil {
			t.Errorf("closing the embedded GCE: %v", err)
		}
		front.Close()
	})
	w := &Twin{Server: server, URL: front.URL, Seen: seen}
	w.Client = w.NewClient(t)
	return w
}

// NewClient returns another client of the twin.
func (w *Twin) NewClient(t testing.TB, opts ...func(*gce.Options)) *gce.Client {
	t.Helper()
	o := gce.Options{Project: Project, Region: Region, Endpoint: w.URL, Clock: Clock()}
	for _, opt := range opts {
		opt(&o)
	}
	c, err := gce.New(context.Background(), o)
	if err != nil {
		t.Fatalf("making a client of the embedded GCE: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// Clock returns a clock whose sleeps take no time and move it on, so that
// calls that are tried again use up their budget at once.
func Clock() gce.Clock {
	var mu sync.Mutex
	var slept time.Duration
	return gce.Clock{
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(slept)
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			mu.Lock()
			defer mu.Unlock()
			slept += d
			return ctx.Err()
		},
	}
}
