package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"time"

	"hakube/gce/emulator"
)

// Machines is what stands behind the instances.
type Machines string

const (
	Real  Machines = "real"  // Linux machines on this one; needs Linux and root
	Model Machines = "model" // machines in the daemon that answer what hakube asks, and nothing else
)

// Options are the choices of a start. They are kept in the state directory:
// objects made with one kind of machines cannot be served with the other.
type Options struct {
	Machines Machines `json:"machines"`
	Latency  string   `json:"latency"` // none or gce
	Listen   string   `json:"listen"`  // loopback address, port 0 for any
	Policies []string `json:"policies,omitempty"`
}

// Policies are the constraints of an organisation that the embedded GCE knows.
func Policies() []string { return emulator.Constraints() }

// Defaults are the options of a first start.
var Defaults = Options{Machines: Real, Latency: "none", Listen: "127.0.0.1:0"}

// Status is what the daemon says of itself, also as `hakube local status --json`.
type Status struct {
	Running  bool     `json:"running"`
	Endpoint string   `json:"endpoint"` // of the Compute Engine API
	Machines Machines `json:"machines"`
	Latency  string   `json:"latency"`
	Calls    *Calls   `json:"calls"` // since the start
	// Objects counts what users made, by collection; a collection without is absent.
	Objects map[string]int `json:"objects"`
	// Projects counts the same by project.
	Projects map[string]map[string]int `json:"projects"`
	// Moved is the address that the last daemon had, when this one could not have it.
	Moved   string `json:"moved"`
	Project string `json:"project"`
	Mirror  string `json:"mirror"` // address of the mirror as machines see it
	// Versions are those of Kubernetes that its machines can be made of by now, the oldest first.
	Versions []string `json:"versions"`
	PID      int      `json:"pid"`
}

// Calls counts requests to the Compute Engine API.
type Calls struct {
	Read   int64 `json:"read"`
	Change int64 `json:"change"`
}

// Project is the one used unless another is named. Any may be.
const Project = "local"

const statusPath = "/hakube/v1/status"

// askLimit is how long a daemon that has its lock may take to answer: a host that is busy with
// its machines keeps it from that for some seconds.
const askLimit = time.Minute

// Ask returns the status of the daemon of dir; Running is false if there is none.
func Ask(ctx context.Context, dir string) (Status, error) {
	if _, err := checkDir(dir, "HAKUBE_LOCAL_DIR"); err != nil {
		return Status{}, err
	}
	host, err := endpointOf(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Status{}, nil
	} else if err != nil {
		return Status{}, fmt.Errorf("reading the daemon's address: %w", err)
	}
	// Whoever holds the lock is the daemon; an address without one is a dead daemon's.
	if held, err := lockHeld(dir); err != nil || !held {
		return Status{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	resp, err := call(ctx, dir, http.MethodGet, "http://"+host+statusPath)
	if err != nil {
		if endsNow(ctx, dir) {
			return Status{}, nil
		}
		return Status{}, fmt.Errorf("asking the embedded GCE for its status: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	if resp.StatusCode != http.StatusOK {
		return Status{}, fmt.Errorf("asking the embedded GCE for its status: %s", resp.Status)
	}
	var s Status
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return Status{}, fmt.Errorf("reading the embedded GCE's status: %w", err)
	}
	return s, nil
}

// unasked is what is known of a daemon whose token is lost: where it answers and
// its process. That somebody answers there, as our daemon does those it does not
// know, shows that the file is not of one that died.
func unasked(ctx context.Context, dir string) (Status, error) {
	var at struct {
		Endpoint string
		PID      int
	}
	b, err := os.ReadFile(addressFile(dir))
	if err == nil {
		err = json.Unmarshal(b, &at)
	}
	if err != nil {
		return Status{}, fmt.Errorf("reading the daemon's address: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.Endpoint+statusPath, nil)
	if err != nil {
		return Status{}, fmt.Errorf("asking the embedded GCE: %w", err)
	}
	req.Close = true
	resp, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		return Status{}, fmt.Errorf("asking the embedded GCE whether it is there: %w", err)
	}
	_ = resp.Body.Close()                                                               // read to its end, or given up
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusOK { // OK: of a hakube that had no tokens yet
		return Status{}, fmt.Errorf("asking the embedded GCE whether it is there: %s", resp.Status)
	}
	return Status{Running: true, Endpoint: at.Endpoint, PID: at.PID}, nil
}

// Client makes calls to the daemon of dir, with its token. No proxy is asked: it is
// on this machine, and the token is not for others.
func Client(dir string) (*http.Client, error) {
	token, err := Token(dir)
	if err != nil {
		return nil, err
	}
	direct := http.DefaultTransport.(*http.Transport).Clone()
	direct.Proxy = nil
	return &http.Client{Transport: Bearer(func() string { return token }, direct)}, nil
}

// call makes one.
func call(ctx context.Context, dir, method, url string) (*http.Response, error) {
	client, err := Client(dir)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	return client.Do(req)
}

// Killed tells whether the daemon of dir ended without being told to: it has
// left its address behind.
func Killed(dir string) (bool, error) {
	if _, err := os.Stat(addressFile(dir)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("reading the daemon's address: %w", err)
	}
	held, err := lockHeld(dir)
	return err == nil && !held, err
}

// Saved returns the options of the last start in dir, and whether there was one.
func Saved(dir string) (Options, bool, error) {
	o := Defaults
	b, err := os.ReadFile(optionsFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return o, false, nil
	} else if err != nil {
		return o, false, fmt.Errorf("reading the embedded GCE's options: %w", err)
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return o, false, fmt.Errorf("reading %s: %w", optionsFile(dir), err)
	}
	return o, true, nil
}

// endsNow tells whether a daemon that did not answer has ended meanwhile. A killed one's
// connections end a moment before its lock does.
func endsNow(ctx context.Context, dir string) bool {
	for range 100 {
		if held, err := lockHeld(dir); err == nil && !held {
			return true
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
	return false
}
