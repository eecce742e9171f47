package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"

	"hakube/gce/local"
)

// An embedded is the way to the embedded GCE, wherever it answers now. One that
// was killed in the middle of a run is started again: it has lost nothing, real
// machines have not noticed, model machines boot again, and the run goes on. One
// that a person stopped stays stopped.
type embedded struct {
	u   *ui
	dir string

	mu    sync.Mutex // held while one is started
	host  string     // its address
	token string     // what it lets us in by
}

// reach makes sure that it runs, and returns the way to it.
func reach(ctx context.Context, u *ui) (*embedded, local.Status, error) {
	dir, err := local.Dir()
	if err != nil {
		return nil, local.Status{}, err
	}
	s, err := ensureLocal(ctx, u)
	if err != nil {
		return nil, s, err
	}
	e := &embedded{u: u, dir: dir}
	return e, s, e.at(s.Endpoint)
}

func (e *embedded) at(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return fmt.Errorf("reading the embedded GCE's address: %w", err)
	}
	token, err := local.Token(e.dir)
	if err != nil {
		return err
	}
	e.host, e.token = u.Host, token
	return nil
}

// credentials are the token it has by now.
func (e *embedded) credentials() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.token
}

// client carries calls there.
func (e *embedded) client() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // it is on this machine
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) { return e.dial(ctx, network) }
	return &http.Client{Transport: local.Bearer(e.credentials, t)}
}

// dial connects to it, whatever its address is by now.
func (e *embedded) dial(ctx context.Context, network string) (net.Conn, error) {
	var d net.Dialer
	e.mu.Lock()
	host := e.host
	e.mu.Unlock()
	conn, err := d.DialContext(ctx, network, host)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return conn, err
	}
	if host, err = e.again(ctx, host, err); err != nil {
		return nil, err
	}
	return d.DialContext(ctx, network, host)
}

// again returns where it answers after nobody did at was, with refused for an
// answer. It starts it if it was killed.
func (e *embedded) again(ctx context.Context, was string, refused error) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.host != was { // somebody else has found it
		return e.host, nil
	}
	killed, err := local.Killed(e.dir)
	if err != nil {
		return "", err
	}
	var started error
	if killed {
		e.u.warn("the embedded GCE has died; starting it again")
		_, started = ensureLocal(ctx, e.u) // an error: perhaps another hakube was quicker
	}
	for begin := time.Now(); ; {
		s, err := local.Ask(ctx, e.dir)
		switch {
		case err == nil && s.Running:
			err := e.at(s.Endpoint)
			return e.host, err
		case err == nil && !killed:
			return "", fmt.Errorf("the embedded GCE was stopped: %w", refused)
		case time.Since(begin) > 10*time.Second:
			return "", errors.Join(fmt.Errorf("the embedded GCE does not start again: %w", refused), started, err)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
