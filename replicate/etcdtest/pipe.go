package etcdtest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// window is how many bytes a direction of a connection holds before a writer
// must wait: net.Pipe holds none, and two ends that both begin by writing, as
// ssh's do, would wait for each other for ever.
const window = 64 << 10

// newPipe returns the two ends of a connection in memory, with deadlines and
// half-close like TCP's.
func newPipe(client, server net.Addr) (near, far *conn) {
	there, back := newFlow(), newFlow()
	return &conn{in: back, out: there, local: client, remote: server}, &conn{in: there, out: back, local: server, remote: client}
}

// A conn is one end.
type conn struct {
	in, out       *flow
	local, remote net.Addr
	guest         *Guest // at the far end: whose port it is

	readDeadline, writeDeadline deadline
	closing                     sync.Once
	closed                      func() // told once, may be nil
	idle, asked, last           bool   // nothing is asked on it; something is; nothing more will be. Guarded by guest.mu
	since                       time.Time
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b, &c.readDeadline)
	return n, c.named("read", err)
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b, &c.writeDeadline)
	return n, c.named("write", err)
}

func (c *conn) named(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// Close ends both directions: the other end reads what was written before, then
// EOF, and cannot write any more.
func (c *conn) Close() error {
	c.closing.Do(func() {
		c.out.end(io.EOF)
		c.in.end(net.ErrClosed)
		if c.closed != nil {
			c.closed()
		}
	})
	return nil
}

// CloseWrite says that no more will come.
func (c *conn) CloseWrite() error {
	c.out.end(io.EOF)
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	c.readDeadline.set(t)
	c.writeDeadline.set(t)
	return nil
}
func (c *conn) SetReadDeadline(t time.Time) error  { c.readDeadline.set(t); return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { c.writeDeadline.set(t); return nil }

// A flow is one direction of a connection.
type flow struct {
	mu     sync.Mutex
	b      []byte
	ended  error         // what a reader gets when b is empty
	frozen bool          // nothing comes through
	change chan struct{} // closed when b or ended changes
}

func newFlow() *flow { return &flow{change: make(chan struct{})} }

func (f *flow) freeze(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frozen = on
	f.changed()
}

// changed wakes who waits. The lock is held.
func (f *flow) changed() {
	close(f.change)
	f.change = make(chan struct{})
}

func (f *flow) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended == nil {
		f.ended = err
		f.changed()
	} else if err == net.ErrClosed {
		f.ended = err
	}
}

func (f *flow) read(b []byte, d *deadline) (int, error) {
	for {
		f.mu.Lock()
		switch {
		case f.ended == net.ErrClosed:
			f.mu.Unlock()
			return 0, net.ErrClosed
		case d.passed():
			f.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case f.frozen: // not even the end
		case len(f.b) > 0 || len(b) == 0:
			n := copy(b, f.b)
			f.b = f.b[n:]
			if len(f.b) == 0 {
				f.b = nil // an idle connection costs nothing
			}
			f.changed()
			f.mu.Unlock()
			return n, nil
		case f.ended != nil:
			defer f.mu.Unlock()
			return 0, f.ended
		}
		change := f.change
		f.mu.Unlock()
		d.wait(change)
	}
}

func (f *flow) write(b []byte, d *deadline) (n int, err error) {
	for len(b) > 0 {
		f.mu.Lock()
		switch room := window - len(f.b); {
		case f.ended != nil:
			f.mu.Unlock()
			return n, io.ErrClosedPipe
		case d.passed():
			f.mu.Unlock()
			return n, os.ErrDeadlineExceeded
		case room > 0:
			k := min(room, len(b))
			f.b = append(f.b, b[:k]...)
			b, n = b[k:], n+k
			f.changed()
			f.mu.Unlock()
			continue
		}
		change := f.change
		f.mu.Unlock()
		d.wait(change)
	}
	return n, nil
}

// A deadline is a time that can be moved while somebody waits.
type deadline struct {
	mu    sync.Mutex
	at    time.Time
	moved chan struct{}
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	if d.moved != nil {
		close(d.moved)
		d.moved = nil
	}
}

func (d *deadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.at.IsZero() && !time.Now().Before(d.at)
}

// wait returns when change is closed, the time has come or the deadline moved.
func (d *deadline) wait(change <-chan struct{}) {
	d.mu.Lock()
	if d.moved == nil {
		d.moved = make(chan struct{})
	}
	moved := d.moved
	var due <-chan time.Time
	if !d.at.IsZero() {
		t := time.NewTimer(time.Until(d.at))
		defer t.Stop()
		due = t.C
	}
	d.mu.Unlock()
	select {
	case <-change:
	case <-moved:
	case <-due:
	}
}
