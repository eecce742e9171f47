package replicate_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"hakube/replicate"
	"hakube/replicate/etcdtest"
	"hakube/scripts"
)

// A lab is one model machine and a runner that reaches it.
type lab struct {
	t      *testing.T
	w      *etcdtest.World
	meta   *etcdtest.Metadata
	disks  map[string]string
	boot   string
	guest  *etcdtest.Guest
	dials  atomic.Int32
	signer ssh.Signer
	runner *replicate.Runner
}

func script(name string) string { return "#!/usr/bin/env bash\n# hakube: " + name + "\n" }

func newLab(t *testing.T, answers map[string]etcdtest.Script) *lab {
	t.Helper()
	l := &lab{
		t: t, w: etcdtest.NewWorld(etcdtest.Options{Scripts: answers}), signer: newSigner(t),
		boot: filepath.Join(t.TempDir(), "boot"), disks: map[string]string{"master-pd": filepath.Join(t.TempDir(), "pd")},
		meta: &etcdtest.Metadata{
			Project: "local", Zone: "europe-west1-b", Name: "kubernetes-master",
			Address: netip.MustParseAddr("10.40.0.2"), Aliases: []string{"10.64.0.0/24"},
		},
	}
	t.Cleanup(func() {
		if err := errors.Join(l.runner.Close(), l.w.Close()); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	l.meta.Set(scripts.KeySSHKeys, "else:ssh-rsa AAAA broken\n"+replicate.AuthorizedLine("jane", l.signer))
	l.runner = replicate.NewRunner(replicate.Options{Signer: l.signer, Dial: l.dial, Timeout: 30 * time.Second, MaxOutput: 1 << 16})
	l.start()
	return l
}

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (l *lab) start() {
	l.t.Helper()
	for _, d := range []string{l.boot, l.disks["master-pd"]} {
		if err := etcdtest.CreateDisk(d); err != nil {
			l.t.Fatal(err)
		}
	}
	g, err := l.w.Start(etcdtest.Machine{Name: "kubernetes-master", Metadata: l.meta, Boot: l.boot, Disks: l.disks})
	if err != nil {
		l.t.Fatal(err)
	}
	l.guest = g
}

func (l *lab) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	l.dials.Add(1)
	if addr == "198.51.100.7:23" {
		return l.guest.Dial(ctx, 23)
	}
	return l.guest.Dial(ctx, 22)
}

func (l *lab) host() replicate.Host {
	l.t.Helper()
	keys, err := replicate.ParseHostKeys(map[string]string{
		"hostkeys/ssh-ed25519": strings.Fields(string(ssh.MarshalAuthorizedKey(l.guest.HostKey())))[1],
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return replicate.Host{Name: "kubernetes-master", Address: "198.51.100.7:22", User: "jane", HostKeys: keys}
}

func echo(_ context.Context, c etcdtest.Call) int {
	fmt.Fprintf(c.Stdout, "%q", c.Args)
	fmt.Fprint(c.Stderr, "noise\n")
	return 0
}

func TestRun(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, map[string]etcdtest.Script{"echo": echo})
	for _, args := range [][]string{nil, {"a b", "", "it's", `$(x) "y" \z`, "two\nlines", "-n", "ü;|&"}} {
		out, err := l.runner.Run(ctx, l.host(), script("echo"), args...)
		if want := fmt.Sprintf("%q", append([]string{}, args...)); err != nil || string(out) != want {
			t.Errorf("got %s, %v, want %s", out, err, want)
		}
	}
	if n := l.dials.Load(); n != 1 {
		t.Errorf("%d connections for two runs", n)
	}
	if _, err := l.runner.Run(ctx, l.host(), script("echo"), "a\x00"); err == nil || l.dials.Load() != 1 {
		t.Errorf("an argument with a zero byte: %v", err)
	}
	if _, err := l.runner.Run(ctx, l.host(), "echo hello\n"); err == nil || !strings.Contains(err.Error(), "# hakube: <name>") {
		t.Errorf("a script without a name: %v", err)
	}

	// The machine is made anew under the same address: its connection is gone
	// and it has another host key.
	l.guest.Stop()
	if err := etcdtest.DeleteDisk(l.boot); err != nil {
		t.Fatal(err)
	}
	l.start()
	if out, err := l.runner.Run(ctx, l.host(), script("echo"), "x"); err != nil || string(out) != `["x"]` {
		t.Errorf("after the machine was made anew: %s, %v", out, err)
	}
}

func TestRunFails(t *testing.T) {
	ctx := context.Background()
	running := make(chan struct{}, 1)
	ended := make(chan struct{}, 1)
	l := newLab(t, map[string]etcdtest.Script{
		"echo": echo,
		"no": func(_ context.Context, c etcdtest.Call) int {
			fmt.Fprint(c.Stdout, "partial")
			fmt.Fprint(c.Stderr, "first\nthe disk is full\n\n")
			return 3
		},
		"sudo": func(_ context.Context, c etcdtest.Call) int {
			fmt.Fprint(c.Stderr, "sudo: a password is required\n")
			return 1
		},
		"flood": func(ctx context.Context, c etcdtest.Call) int {
			for ctx.Err() == nil {
				if _, err := c.Stdout.Write(make([]byte, 4096)); err != nil {
					return 1
				}
			}
			return 1
		},
		"wait": func(ctx context.Context, _ etcdtest.Call) int {
			running <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return 1
		},
	})
	run := func(ctx context.Context, name string) *replicate.RunError {
		t.Helper()
		_, err := l.runner.Run(ctx, l.host(), script(name), "arg")
		var failed *replicate.RunError
		if !errors.As(err, &failed) {
			t.Fatalf("%s: %v is no RunError", name, err)
		}
		return failed
	}

	got := run(ctx, "no")
	want := &replicate.RunError{Host: "kubernetes-master", Name: "no", Args: []string{"arg"}, Stdout: []byte("partial"), Stderr: []byte("first\nthe disk is full\n\n"), Exit: 3}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got.Error() != "running no on kubernetes-master: exit status 3: the disk is full" || got.Hint() != "" {
		t.Errorf("it says %q, %q", got, got.Hint())
	}
	if got := run(ctx, "sudo"); got.Hint() == "" {
		t.Errorf("no hint with %v", got)
	}
	if got := run(ctx, "unheard-of"); got.Exit != 127 || got.Error() != "running unheard-of on kubernetes-master: exit status 127: model guest: does not know the script unheard-of" {
		t.Errorf("a script it does not know: %v", got)
	}
	if got := run(ctx, "flood"); !errors.Is(got, replicate.ErrOutput) || len(got.Stdout) != 1<<16 || got.Exit != -1 {
		t.Errorf("too much output: %v, %d bytes", got, len(got.Stdout))
	}

	cancelled, cancel := context.WithCancel(ctx)
	go func() { <-running; cancel() }()
	if got := run(cancelled, "wait"); !errors.Is(got, context.Canceled) {
		t.Errorf("cancelled: %v", got)
	}
	<-ended // the script over there heard of it
	if _, err := l.runner.Run(ctx, l.host(), script("echo")); err != nil || l.dials.Load() != 1 {
		t.Errorf("the connection was not kept: %v, %d connections", err, l.dials.Load())
	}
	go func() { <-running; l.guest.Stop() }()
	if got := run(ctx, "wait"); !errors.Is(got, replicate.ErrLost) {
		t.Errorf("the machine stopped: %v", got)
	}
	<-ended
}

func TestConnectFails(t *testing.T) {
	l := newLab(t, map[string]etcdtest.Script{"echo": echo})
	other := newSigner(t)
	for name, test := range map[string]struct {
		spoil func(h *replicate.Host) *replicate.Runner
		is    error
		text  string
		hint  string
	}{
		"wrong host key": {
			func(h *replicate.Host) *replicate.Runner {
				h.HostKeys = []ssh.PublicKey{other.PublicKey()}
				return l.runner
			}, nil,
			"connecting to kubernetes-master (198.51.100.7:22): it offered the host key ssh-ed25519 " + ssh.FingerprintSHA256(l.guest.HostKey()) +
				", expected ssh-ed25519 " + ssh.FingerprintSHA256(other.PublicKey()), "get-guest-attributes",
		},
		"no host key": {
			func(h *replicate.Host) *replicate.Runner { h.HostKeys = nil; return l.runner }, nil,
			"no host key of the machine is known", "guest attributes",
		},
		"wrong user key": {
			func(*replicate.Host) *replicate.Runner {
				return replicate.NewRunner(replicate.Options{Signer: other, Dial: l.dial})
			}, replicate.ErrDenied,
			"connecting to kubernetes-master (198.51.100.7:22) as jane: the machine does not accept the ssh key", "ssh-keys",
		},
		"root": {
			func(h *replicate.Host) *replicate.Runner { h.User = "root"; return l.runner }, replicate.ErrDenied, "as root", "ssh-keys",
		},
		"refused": {
			func(h *replicate.Host) *replicate.Runner { h.Address = "198.51.100.7:23"; return l.runner }, replicate.ErrRefused, "connection refused", "",
		},
		"mute": {
			func(*replicate.Host) *replicate.Runner {
				mute := func(context.Context, string, string) (net.Conn, error) { near, _ := net.Pipe(); return near, nil }
				return replicate.NewRunner(replicate.Options{Signer: l.signer, Dial: mute, Timeout: 10 * time.Millisecond})
			}, replicate.ErrUnreachable, "no answer: nothing within 10ms", "firewall",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := l.host()
			r := test.spoil(&h)
			_, err := r.Run(context.Background(), h, script("echo"))
			var failed *replicate.ConnectError
			if !errors.As(err, &failed) || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.text) {
				t.Fatalf("got %v, want %q", err, test.text)
			}
			if (failed.Hint() == "") != (test.hint == "") || !strings.Contains(failed.Hint(), test.hint) {
				t.Errorf("hint %q, want %q", failed.Hint(), test.hint)
			}
			if test.is == replicate.ErrRefused && !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%v is not ECONNREFUSED", err)
			}
			var key *replicate.HostKeyError
			if errors.As(err, &key) != (test.is == nil) {
				t.Errorf("%v is a HostKeyError: %t", err, key != nil)
			}
		})
	}

	l.guest.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := l.runner.Run(ctx, l.host(), script("echo")); !errors.Is(err, replicate.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a machine that is stopped: %v", err)
	}
}

// TestKeysNow: a connection that was made is used without asking for host keys again;
// before another one they are asked for, and what they are then decides.
func TestKeysNow(t *testing.T) {
	l := newLab(t, map[string]etcdtest.Script{"echo": echo})
	asked, now, failed := 0, l.host().HostKeys, error(nil)
	h := l.host()
	h.KeysNow = func(context.Context) ([]ssh.PublicKey, error) { asked++; return now, failed }
	for range 3 {
		if _, err := l.runner.Run(t.Context(), h, script("echo")); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times for one connection", asked)
	}
	old, errNotRead := l.host().HostKeys, errors.New("not read")
	for _, x := range []struct {
		keys []ssh.PublicKey
		err  error
		says string
	}{
		{[]ssh.PublicKey{newSigner(t).PublicKey()}, nil, "it offered the host key"},
		{nil, nil, "no host key of the machine is known"},
		{old, errNotRead, "not read"},
	} {
		if err := l.runner.Close(); err != nil {
			t.Fatal(err)
		}
		now, failed = x.keys, x.err
		var no *replicate.ConnectError
		_, err := l.runner.Run(t.Context(), h, script("echo"))
		if err == nil || !strings.Contains(err.Error(), x.says) || errors.As(err, &no) == errors.Is(err, errNotRead) {
			t.Errorf("%s: %v", x.says, err)
		}
	}
	now, failed = old, nil
	if _, err := l.runner.Run(t.Context(), h, script("echo")); err != nil {
		t.Error(err)
	}
}

// A mutable conn can be made to say nothing any more, as when a machine is gone
// without a word.
type mutable struct {
	net.Conn
	mute *atomic.Bool
}

func (m mutable) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	for err == nil && m.mute.Load() {
		_, err = m.Conn.Read(make([]byte, 1<<10))
	}
	return n, err
}

func TestMuteMachine(t *testing.T) {
	ctx := context.Background()
	running := make(chan struct{}, 1)
	l := newLab(t, map[string]etcdtest.Script{"echo": echo, "wait": func(ctx context.Context, _ etcdtest.Call) int {
		running <- struct{}{}
		<-ctx.Done()
		return 1
	}})
	mute := new(atomic.Bool)
	r := replicate.NewRunner(replicate.Options{
		Signer: l.signer, Timeout: 3 * time.Second, KeepAlive: 100 * time.Millisecond, // as long as a handshake takes on a busy host
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			mute = new(atomic.Bool) // each connection has its own
			c, err := l.dial(ctx, network, addr)
			return mutable{c, mute}, err
		},
	})
	defer r.Close() //nolint:errcheck // some connections are closed before
	go func() { <-running; mute.Store(true) }()
	if _, err := r.Run(ctx, l.host(), script("wait")); !errors.Is(err, replicate.ErrLost) {
		t.Errorf("a machine that fell silent: %v", err)
	}
	for range 2 { // the second time on a connection that has died meanwhile
		if _, err := r.Run(ctx, l.host(), script("echo")); err != nil {
			t.Error(err)
		}
		mute.Store(true)
	}
	if n := l.dials.Load(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}
