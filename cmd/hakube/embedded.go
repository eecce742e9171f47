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

	"github.com/urfave/cli/v2"

	"hakube/cluster"
	"hakube/gce/local"
	"hakube/gce/local/mirror"
	"hakube/scripts/cure"
)

// A doing is what a command does to a cluster, and so what it may do about an
// embedded GCE that does not run.
type doing int

const (
	looking  doing = iota // nothing: looking starts nothing
	changing              // one that dies on the way is started again
	removing              // so too, and of what was never made there is nothing to remove
	making                // there may have been none: it is started
)

// An embedded is the way to the embedded GCE, wherever it answers now. One that
// was killed in the middle of a run that changes something is started again: it
// has lost nothing, real machines have not noticed, model machines boot again,
// and the run goes on. One that a person stopped stays stopped.
type embedded struct {
	u    *ui
	dir  string
	does doing

	mu    sync.Mutex // held while one is started
	host  string     // its address
	token string     // what it lets us in by
}

// reach returns the way to it, if it runs or is to be started.
func reach(ctx context.Context, u *ui, does doing) (*embedded, local.Status, error) {
	dir, err := local.Dir()
	if err != nil {
		return nil, local.Status{}, err
	}
	if err := local.Usable(dir); err != nil { // what starts one would be refused there
		return nil, local.Status{}, unchangedIf(does != looking, err)
	}
	s, err := running(ctx, dir)
	if none := (*notRunning)(nil); errors.As(err, &none) && does == making {
		s, err = startAsLast(ctx, u, dir)
	}
	if err != nil {
		return nil, s, err
	}
	e := &embedded{u: u, dir: dir, does: does}
	return e, s, e.at(s.Endpoint)
}

// unchangedIf says that nothing was changed, where something might have been.
func unchangedIf(changes bool, err error) error {
	if !changes {
		return err
	}
	return &cluster.Unchanged{Err: err}
}

// running is the status of the one in dir, or a [notRunning].
func running(ctx context.Context, dir string) (local.Status, error) {
	s, err := local.Ask(ctx, dir)
	if s.Running {
		return s, nil
	}
	killed, killedErr := local.Killed(dir)
	if err != nil && (killedErr != nil || !killed) { // or it died just now, while it was asked
		return s, err
	}
	if killedErr != nil {
		return s, killedErr
	}
	projects, err := local.Contents(ctx, dir)
	if err != nil {
		return s, err
	}
	return s, &notRunning{dir, killed, projects}
}

// A notRunning is an embedded GCE that is not there to be asked.
type notRunning struct {
	dir      string
	died     bool
	projects map[string]map[string]int // what was made in it
}

func (e *notRunning) empty() bool { return len(e.projects) == 0 }

func (e *notRunning) Error() string {
	switch {
	case e.empty() && !e.died:
		return "no embedded GCE runs in " + e.dir + ", and nothing is in one there: there is no cluster"
	case e.died:
		return "the embedded GCE in " + e.dir + " has died; what was made in it is kept"
	}
	return "the embedded GCE in " + e.dir + " does not run; what was made in it is kept"
}

// Hint is what starts it.
func (*notRunning) Hint() string { return cure.Hint("start it", cure.LocalStart()) }

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
	if killed && e.does == looking {
		return "", &notRunning{dir: e.dir, died: true}
	}
	if killed {
		e.u.warn("the embedded GCE has died; starting it again")
		_, started = startAsLast(ctx, e.u, e.dir) // an error: perhaps another hakube was quicker
	}
	for begin := time.Now(); ; {
		s, err := local.Ask(ctx, e.dir)
		switch {
		case err == nil && s.Running:
			err := e.at(s.Endpoint)
			return e.host, err
		case err == nil && !killed:
			return "", withHint(fmt.Errorf("the embedded GCE was stopped: %w", refused), cure.Hint("start it", cure.LocalStart()))
		case time.Since(begin) > time.Minute:
			err = errors.Join(fmt.Errorf("the embedded GCE does not start again: %w", refused), started, err)
			return "", withHint(err, cure.Hint("start it", cure.LocalStart()))
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// prepareAll makes too what is said: addons' images, Kubernetes' own tests, other versions.
func prepareAll(c *cli.Context, u *ui) error {
	var err error
	made := prepare(c.Context, u, func(m *mirror.Mirror) {
		if c.Bool("addons") {
			err = m.PrepareAddons(c.Context)
		}
		if c.Bool("conformance") && err == nil {
			_, err = m.PrepareUpstream(c.Context)
		}
		for _, version := range c.StringSlice("kubernetes") {
			if err == nil {
				err = m.PrepareKubernetes(c.Context, version)
			}
		}
		if c.Bool("renumbered") && err == nil {
			err = m.PrepareKubernetes(c.Context, mirror.Renumbered)
		}
	})
	return errors.Join(made, err)
}

// prepare makes what real machines need, with a line for what takes long, and
// shows the result to use if that is not nil.
func prepare(ctx context.Context, u *ui, use func(*mirror.Mirror)) error {
	m, err := local.Prepare(ctx, func(text string) { u.note("%s", text) })
	if err != nil {
		return err
	}
	if use != nil {
		use(m)
	}
	return m.Close()
}
