package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// TestStrangers serves as the daemon does, to those who should get nothing.
func TestStrangers(t *testing.T) {
	defer func(d time.Duration) { headerLimit = d }(headerLimit)
	headerLimit = 3 * time.Second // in which a busy host reads one that came at once
	dialled := make(chan string, 10)
	dir, at := served(t, func(_ context.Context, address string) (net.Conn, error) {
		dialled <- address
		return nil, errors.New("nobody is there")
	})
	token, err := Token(dir)
	if err != nil {
		t.Fatal(err)
	}
	mine, way := "\r\nAuthorization: Bearer "+token, "\r\nProxy-Authorization: Bearer "+token
	ask := func(request string) *http.Response {
		t.Helper()
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", request, err)
		}
		resp.Body.Close()
		return resp
	}
	for request, want := range map[string]int{
		"GET " + statusPath + " HTTP/1.1\r\nHost: " + at + mine:                                            200,
		"GET " + statusPath + " HTTP/1.1\r\nHost: evil.example" + mine:                                     403,
		"GET " + statusPath + " HTTP/1.1\r\nHost: " + at + "\r\nOrigin: http://evil.example" + mine:        403,
		"GET " + statusPath + " HTTP/1.1\r\nHost: " + at + "\r\nSec-Fetch-Site: cross-site" + mine:         403,
		"GET http://evil.example" + statusPath + " HTTP/1.1\r\nHost: " + at + mine:                         403, // no proxy for anything but machines
		"GET /compute/v1/projects/p HTTP/1.1\r\nHost: evil.example:80" + mine:                              403,
		"CONNECT 198.51.100.1:443 HTTP/1.1\r\nHost: 198.51.100.1:443\r\nOrigin: http://evil.example" + way: 403,
		"CONNECT 198.51.100.1:443 HTTP/1.1\r\nHost: 198.51.100.1:443\r\nSec-Fetch-Site: cross-site" + way:  403,
		"CONNECT 198.51.100.1:443 HTTP/1.1\r\nHost: 198.51.100.1:443" + way:                                502, // asked of the machines, who are not there
		"GET / HTTP/1.1" + mine: 400, // without a host
		"GET / HTTP/1.1\r\nHost: " + at + "\r\nX: " + strings.Repeat("x", 2*headerMost): 431,
	} {
		if resp := ask(request + "\r\n\r\n"); resp.StatusCode != want {
			t.Errorf("%q: %s, want %d", request, resp.Status, want)
		}
	}
	if n := len(dialled); n != 1 {
		t.Errorf("machines were dialled %d times, want once", n)
	}

	// A head that comes in drops is cut off.
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begin := time.Now()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nX: ", at)
	_ = conn.SetReadDeadline(begin.Add(2 * time.Minute))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a slow head was waited for %v (%v)", time.Since(begin), err)
	}
}

// TestKilledWhileAsked: a daemon that is killed while it is asked ends its connections a
// moment before its lock, and is then one that does not run. One that has its lock and
// does not answer is an error.
func TestKilledWhileAsked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gce")
	_, stop := start(t, dir, nil)
	stop() // it leaves its token
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	if err := os.WriteFile(addressFile(dir), fmt.Appendf(nil, `{"endpoint":"http://%s"}`, l.Addr()), 0o600); err != nil {
		t.Fatal(err)
	}
	lock := flock.New(lockFile(dir))
	if ok, err := lock.TryLock(); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if s, err := Ask(t.Context(), dir); err == nil {
		t.Errorf("it has its lock and does not answer: %+v", s)
	}
	time.AfterFunc(100*time.Millisecond, func() { _ = lock.Unlock() })
	if s, err := Ask(t.Context(), dir); err != nil || s.Running {
		t.Errorf("killed while it is asked: %+v, %v", s, err)
	}
}
