package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// A process is a script on its way on a machine.
type process struct {
	client         *ssh.Client
	session        *ssh.Session
	begun          bool // the machine may have begun it
	stdout, stderr buffer
	to             io.Writer // where stdout goes in place of that, if it is not nil
	more           io.Reader // follows the script, if it is not nil
}

// start opens a session and has the command started. limit is for the
// machine's answers, not for the script.
func (p *process) start(ctx context.Context, limit time.Duration, c *ssh.Client, command, script string) error {
	ctx, cancel := within(ctx, limit)
	defer cancel()
	session, err := await(ctx, c.NewSession, func(s *ssh.Session) { _ = s.Close() })
	if err != nil {
		return err
	}
	p.client, p.session, p.begun = c, session, true
	session.Stdin, session.Stdout, session.Stderr = strings.NewReader(script), &p.stdout, &p.stderr
	if p.more != nil {
		session.Stdin = io.MultiReader(session.Stdin, p.more)
	}
	if p.to != nil {
		session.Stdout = p.to
	}
	_, err = await(ctx, func() (struct{}, error) { return struct{}{}, session.Start(command) }, func(struct{}) {})
	if err != nil {
		_ = session.Close() // the error that counts is the one above
	}
	return err
}

// await is f, but for no longer than ctx; what f makes later goes to late.
func await[T any](ctx context.Context, f func() (T, error), late func(T)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				late(r.v)
			}
		}()
		var none T
		return none, fmt.Errorf("opening a session: %w", context.Cause(ctx))
	}
}

// wait returns nil when the script exited with 0, an [*ssh.ExitError] when it
// exited otherwise, and else why it is not known how it ended.
func (p *process) wait(ctx context.Context, keepAlive time.Duration) error {
	over := make(chan error, 1)
	go func() { over <- p.session.Wait() }()
	dead := make(chan struct{})
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		tick := time.NewTicker(keepAlive)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if !alive(p.client, keepAlive) {
					close(dead)
					return
				}
			}
		}
	}()
	full := p.stdout.overflow()
	for {
		select {
		case err := <-over:
			var exit *ssh.ExitError
			switch {
			case p.stdout.full():
				return fmt.Errorf("%w (%d bytes)", ErrOutput, p.stdout.max)
			case err == nil || errors.As(err, &exit):
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			}
			return fmt.Errorf("%w: %w", ErrLost, err)
		case <-ctx.Done():
			p.cut()
			return ctx.Err()
		case <-full:
			p.cut()
			return fmt.Errorf("%w (%d bytes)", ErrOutput, p.stdout.max)
		case <-dead:
			_ = p.client.Close() // nobody else gets an answer on it either
			return fmt.Errorf("%w: %w", ErrLost, os.ErrDeadlineExceeded)
		}
	}
}

// cut ends the script as far as a client can.
func (p *process) cut() {
	_ = p.session.Signal(ssh.SIGTERM) // sshd may refuse it
	_ = p.session.Close()             // then it loses its output at least
}

// A buffer keeps the first max bytes of what is written, or the last.
type buffer struct {
	max  int
	tail bool

	mu   sync.Mutex
	b    []byte
	over bool
	told chan struct{}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b = append(b.b, p...)
	if len(b.b) <= b.max {
		return len(p), nil
	}
	if b.tail {
		b.b = append(b.b[:0], b.b[len(b.b)-b.max:]...)
		return len(p), nil
	}
	b.b = b.b[:b.max]
	if !b.over {
		b.over = true
		if b.told != nil {
			close(b.told)
		}
	}
	return len(p), nil
}

func (b *buffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]byte(nil), b.b...)
}

func (b *buffer) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.over
}

// overflow is closed when more than max was written.
func (b *buffer) overflow() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told == nil {
		b.told = make(chan struct{})
		if b.over {
			close(b.told)
		}
	}
	return b.told
}
