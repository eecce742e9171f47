package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"hakube/scripts"
)

// Options say how a [Runner] reaches machines. Only Signer is required.
type Options struct {
	Signer ssh.Signer // the operator's key, see [Key]
	// Dial connects to Host.Address; nil dials directly.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Timeout is for connecting, together with the handshake, and for the
	// machine's first word about a script on a connection there is already.
	// Ten seconds if zero.
	Timeout time.Duration
	// KeepAlive is how often a machine must give a sign of life while a script
	// runs on it. 15 seconds if zero.
	KeepAlive time.Duration
	// MaxOutput is how many bytes a script may print; one mebibyte if zero.
	MaxOutput int
}

// A Runner runs scripts on machines over ssh, as root. It keeps one connection
// to each and may be used from many goroutines at once.
type Runner struct {
	opts  Options
	mu    sync.Mutex
	links map[string]*link // by user@address
}

// NewRunner connects to nothing yet.
func NewRunner(o Options) *Runner {
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 15 * time.Second
	}
	if o.MaxOutput == 0 {
		o.MaxOutput = 1 << 20
	}
	return &Runner{opts: o, links: map[string]*link{}}
}

// Close ends all connections, and with them what still runs.
func (r *Runner) Close() error {
	r.mu.Lock()
	links := r.links
	r.links = map[string]*link{}
	r.mu.Unlock()
	var errs []error
	for _, l := range links {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

// Run pipes script to `sudo -n bash -s -- args` on h and returns what it
// printed on stdout.
//
// The error is a [*ConnectError] when the script was not begun, or that of
// Host.KeysNow, and a [*RunError] when it was and did not exit with 0. When ctx ends, the script is
// sent SIGTERM and cut off from its output; one that does not listen to either
// runs to its end, which is why scripts must stand being run twice.
func (r *Runner) Run(ctx context.Context, h Host, script string, args ...string) ([]byte, error) {
	p := &process{}
	err := r.run(ctx, h, p, script, args)
	return p.stdout.bytes(), err
}

// Stream is Run for a script that prints much: to takes what it prints as it comes.
func (r *Runner) Stream(ctx context.Context, h Host, to io.Writer, script string, args ...string) error {
	return r.run(ctx, h, &process{to: to}, script, args)
}

// Feed is Run for a script that reads what follows it: more.
func (r *Runner) Feed(ctx context.Context, h Host, more io.Reader, script string, args ...string) ([]byte, error) {
	p := &process{more: more}
	err := r.run(ctx, h, p, script, args)
	return p.stdout.bytes(), err
}

func (r *Runner) run(ctx context.Context, h Host, p *process, script string, args []string) error {
	name, err := scripts.Name(script)
	if err != nil {
		return fmt.Errorf("running a script on %s: %w", h.Name, err)
	}
	command, err := remoteCommand(args)
	if err != nil {
		return fmt.Errorf("running %s on %s: %w", name, h.Name, err)
	}
	p.stdout, p.stderr = buffer{max: r.opts.MaxOutput}, buffer{max: maxStderr, tail: true}
	if err = r.start(ctx, h, p, command, script); err != nil && !p.begun {
		return err
	}
	if err == nil {
		err = p.wait(ctx, r.opts.KeepAlive)
	}
	if err == nil {
		return nil
	}
	failed := &RunError{Host: h.Name, Name: name, Args: args, Stdout: p.stdout.bytes(), Stderr: p.stderr.bytes(), Exit: -1, Err: err}
	var exit *ssh.ExitError
	if errors.As(err, &exit) && exit.Signal() == "" {
		failed.Exit, failed.Err = exit.ExitStatus(), nil
	}
	return failed
}

// maxStderr is how much of the end of stderr is kept, in bytes.
const maxStderr = 64 << 10

// start begins the script on a connection to h. A connection from before may
// have died unseen, with its machine: then nothing was begun on it and a new
// one is made, once.
func (r *Runner) start(ctx context.Context, h Host, p *process, command, script string) error {
	for {
		l := r.linkTo(h)
		client, fresh, err := l.client(ctx, r.opts, h)
		if err != nil {
			return err
		}
		err = p.start(ctx, r.opts.Timeout, client, command, script)
		var rejected *ssh.OpenChannelError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return connectError(ctx, h, err)
		case p.begun:
			return fmt.Errorf("%w: %w", ErrLost, err)
		case errors.As(err, &rejected): // too many at once: the connection is good
			return connectError(ctx, h, err)
		}
		l.drop(client)
		if fresh {
			return &ConnectError{Host: h.Name, Address: h.Address, User: h.User, Kind: ErrLost, Err: err}
		}
	}
}

func (r *Runner) linkTo(h Host) *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := h.User + "@" + h.Address
	l := r.links[id]
	if l == nil {
		l = &link{turn: make(chan struct{}, 1)}
		r.links[id] = l
	}
	return l
}

// remoteCommand is the command line for the user's login shell over there.
func remoteCommand(args []string) (string, error) {
	var b strings.Builder
	b.WriteString("sudo -n bash -s --")
	for _, a := range args {
		if strings.ContainsRune(a, 0) {
			return "", fmt.Errorf("argument %q holds a zero byte", a)
		}
		// Inside single quotes nothing has a meaning to a POSIX shell but the
		// closing quote.
		b.WriteString(" '" + strings.ReplaceAll(a, "'", `'\''`) + "'")
	}
	return b.String(), nil
}
