package vpc

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"hakube/gce/emulator"
)

// What must not arrive is waited for until soon has passed, what must until
// late: on a busy machine a fresh link may lose its first packet.
const (
	soon = 250 * time.Millisecond
	late = time.Minute
)

// A world is a VPC under names of its own, swept when the test ends.
type world struct {
	*testing.T
	*VPC
	options Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft (package nftables)")
	}
	w := &world{T: t, options: Options{Prefix: fmt.Sprintf("hkt%d", os.Getpid())}}
	v, err := New(w.options)
	if err != nil {
		t.Fatal(err)
	}
	w.VPC = v
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if err := Sweep(w.options); err != nil {
			t.Error(err)
		}
		if left, err := Leftovers(w.options); err != nil || len(left) > 0 {
			t.Errorf("left over: %q, %v", left, err)
		}
	})
	return w
}

// boot gives each machine of n its namespace, and syncs.
func (w *world) boot(n emulator.Network) {
	w.Helper()
	for _, m := range n.Machines {
		path, err := w.Machine(m)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			w.Fatal(err)
		}
	}
	w.sync(n)
}

func (w *world) sync(n emulator.Network) {
	w.Helper()
	if err := w.Sync(w.Context(), n); err != nil {
		w.Fatal(err)
	}
}

// inside runs f in m's namespace, or on the host for nil.
func (w *world) inside(m *emulator.Machine, f func() error) error {
	if m == nil {
		return f()
	}
	ns, err := netns.GetFromName(w.options.machineNS(m.ID))
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	return within(ns, f)
}

// serve answers each connection to m at addr with the caller's address and
// then repeats lines.
func (w *world) serve(m *emulator.Machine, addr string) {
	w.Helper()
	var l net.Listener
	err := w.inside(m, func() (err error) {
		l, err = net.Listen("tcp4", addr)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	w.repeat(l)
}

func (w *world) repeat(l net.Listener) {
	done := make(chan struct{})
	w.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
				_, _ = fmt.Fprintln(c, host)
				_, _ = io.Copy(c, c)
			}()
		}
	}()
}

// dial connects from m (nil: the host), from source when that is valid.
func (w *world) dial(m *emulator.Machine, source, addr string, wait time.Duration) (c net.Conn, err error) {
	d := net.Dialer{Timeout: wait}
	if source != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(source)}
	}
	err = w.inside(m, func() (err error) {
		c, err = d.Dial("tcp4", addr)
		return err
	})
	if err == nil {
		w.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// seen calls addr and returns as whom it was seen there, or why not.
func (w *world) seen(m *emulator.Machine, source, addr string, wait time.Duration) string {
	c, err := w.dial(m, source, addr, wait)
	if err != nil {
		if e, ok := err.(net.Error); ok && e.Timeout() {
			return "lost"
		}
		return "refused"
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(late))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return line[:len(line)-1]
}

// want states as whom m is seen at addr.
func (w *world) want(m *emulator.Machine, source, addr, want string) {
	w.Helper()
	who := "the host"
	if m != nil {
		who = m.Name
	}
	wait := late
	if want == "lost" {
		wait = soon
	}
	if got := w.seen(m, source, addr, wait); got != want {
		w.Errorf("%s %s → %s: %s, want %s", who, source, addr, got, want)
	}
}

// ping tells whether to answers m's echo request.
func (w *world) ping(m *emulator.Machine, to string) bool {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), late)
	defer cancel()
	err := w.inside(m, func() error {
		c, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		deadline, _ := ctx.Deadline()
		_ = c.SetDeadline(deadline)
		out, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 7, Seq: 1, Data: []byte("hakube")}}).Marshal(nil)
		if err != nil {
			return err
		}
		if _, err := c.WriteTo(out, &net.IPAddr{IP: net.ParseIP(to)}); err != nil {
			return err
		}
		in := make([]byte, 1500)
		for {
			n, _, err := c.ReadFrom(in)
			if err != nil {
				return err
			}
			if m, err := icmp.ParseMessage(1, in[:n]); err == nil && m.Type == ipv4.ICMPTypeEchoReply {
				return nil
			}
		}
	})
	return err == nil
}

// pod gives m's namespace an address of an alias range, as a bridge of pods would.
func (w *world) pod(m *emulator.Machine, address string) {
	w.Helper()
	err := w.inside(m, func() error { return addLocal(netip.MustParseAddr(address)) })
	if err != nil {
		w.Fatal(err)
	}
}
