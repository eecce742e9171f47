package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"hakube/gce/emulator"
)

// TestStrangers serves as the daemon does, to those who should get nothing.
func TestStrangers(t *testing.T) {
	defer func(d time.Duration) { headerLimit = d }(headerLimit)
	headerLimit = 300 * time.Millisecond
	dir := filepath.Join(t.TempDir(), "gce")
	dialled := make(chan string, 10)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		o := Options{Machines: Model, Latency: "none", Listen: "127.0.0.1:0"}
		ended <- Serve(ctx, dir, o, func() (*Host, error) {
			return &Host{
				Attach: func(*emulator.Server) {}, Halt: func(context.Context) error { return nil },
				Dial: func(_ context.Context, address string) (net.Conn, error) {
					dialled <- address
					return nil, errors.New("nobody is there")
				},
			}, nil
		}, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var s Status
	for begin := time.Now(); !s.Running; time.Sleep(10 * time.Millisecond) {
		var err error
		if s, err = Ask(t.Context(), dir); time.Since(begin) > 10*time.Second {
			t.Fatalf("it does not start: %+v %v", s, err)
		}
	}
	at := s.Endpoint[len("http://"):]
	ask := func(request string) *http.Response {
		t.Helper()
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
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
		"GET " + statusPath + " HTTP/1.1\r\nHost: " + at + "\r\n\r\n":                                        200,
		"GET " + statusPath + " HTTP/1.1\r\nHost: evil.example\r\n\r\n":                                      403,
		"GET " + statusPath + " HTTP/1.1\r\nHost: " + at + "\r\nOrigin: http://evil.example\r\n\r\n":         403,
		"GET " + statusPath + " HTTP/1.1\r\nHost: " + at + "\r\nSec-Fetch-Site: cross-site\r\n\r\n":          403,
		"GET http://evil.example" + statusPath + " HTTP/1.1\r\nHost: " + at + "\r\n\r\n":                     403, // no proxy for anything but machines
		"GET /compute/v1/projects/p HTTP/1.1\r\nHost: evil.example:80\r\n\r\n":                               403,
		"CONNECT 198.51.100.1:443 HTTP/1.1\r\nHost: 198.51.100.1:443\r\nOrigin: http://evil.example\r\n\r\n": 403,
		"CONNECT 198.51.100.1:443 HTTP/1.1\r\nHost: 198.51.100.1:443\r\nSec-Fetch-Site: cross-site\r\n\r\n":  403,
		"CONNECT 198.51.100.1:443 HTTP/1.1\r\nHost: 198.51.100.1:443\r\n\r\n":                                502, // asked of the machines, who are not there
		"GET / HTTP/1.1\r\n\r\n": 400, // without a host
	} {
		if resp := ask(request); resp.StatusCode != want {
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
	_ = conn.SetReadDeadline(begin.Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 5*time.Second {
		t.Errorf("a slow head was waited for %v (%v)", time.Since(begin), err)
	}
}
