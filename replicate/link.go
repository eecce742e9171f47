package replicate

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// A link is the one connection that is kept to a host.
type link struct {
	turn chan struct{} // held while connecting, so that it is done once

	mu  sync.Mutex
	ssh *ssh.Client   // nil: not connected
	key ssh.PublicKey // what the machine showed then
}

// client returns the connection to h, made anew (fresh) if there is none or if
// it is to a machine with another host key than h has now.
func (l *link) client(ctx context.Context, o Options, h Host) (c *ssh.Client, fresh bool, err error) {
	if len(h.HostKeys) == 0 {
		return nil, false, connectError(ctx, h, h.verify(nil))
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, false, connectError(ctx, h, ctx.Err())
	}
	l.mu.Lock()
	c, key := l.ssh, l.key
	l.mu.Unlock()
	if c != nil && hasKey(h.HostKeys, key) {
		return c, false, nil
	}
	if c != nil {
		_ = c.Close() // of a machine that is no longer meant
	}
	if h.KeysNow != nil {
		if h.HostKeys, err = h.KeysNow(ctx); err != nil {
			return nil, false, err // it is not about the way to the machine, and not tried again as such
		}
		if len(h.HostKeys) == 0 {
			return nil, false, connectError(ctx, h, h.verify(nil))
		}
	}
	ctx, cancel := within(ctx, o.Timeout)
	defer cancel()
	if c, key, err = connect(ctx, o, h); err != nil {
		return nil, false, err
	}
	l.mu.Lock()
	l.ssh, l.key = c, key
	l.mu.Unlock()
	go func() {
		_ = c.Wait() // why it ended is told to those who use it
		l.mu.Lock()
		if l.ssh == c {
			l.ssh = nil
		}
		l.mu.Unlock()
	}()
	return c, true, nil
}

// drop closes a connection that gives no answers and forgets it.
func (l *link) drop(c *ssh.Client) {
	l.mu.Lock()
	if l.ssh == c {
		l.ssh = nil
	}
	l.mu.Unlock()
	_ = c.Close() // nothing is expected of it
}

func (l *link) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ssh == nil {
		return nil
	}
	return l.ssh.Close()
}

// connect dials h and logs in.
func connect(ctx context.Context, o Options, h Host) (*ssh.Client, ssh.PublicKey, error) {
	conn, err := o.Dial(ctx, "tcp", h.Address)
	if err != nil {
		return nil, nil, connectError(ctx, h, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // lets the handshake fail
	var shown ssh.PublicKey
	var refused error
	c, channels, requests, err := ssh.NewClientConn(conn, h.Address, &ssh.ClientConfig{
		User:              h.User,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(o.Signer)},
		HostKeyAlgorithms: h.algorithms(),
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			shown, refused = key, h.verify(key)
			return refused
		},
		ClientVersion: "SSH-2.0-hakube",
	})
	if !stop() && err == nil {
		_ = c.Close() // together with conn, which is closed
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		if refused != nil {
			err = refused
		}
		return nil, nil, connectError(ctx, h, err)
	}
	return ssh.NewClient(c, channels, requests), shown, nil
}

// within limits ctx, and lets the limit be told from one that ctx has itself.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("nothing within %s", limit))
}

// alive asks the machine for a sign of life.
func alive(c *ssh.Client, limit time.Duration) bool {
	answered := make(chan error, 1)
	go func() {
		// Any answer will do; OpenSSH says "unknown request".
		_, _, err := c.SendRequest("keepalive@openssh.com", true, nil)
		answered <- err
	}()
	select {
	case err := <-answered:
		return err == nil
	case <-time.After(limit):
		return false
	}
}
