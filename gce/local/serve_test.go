package local

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// The token travels in the clear, so it must not leave this machine.
func TestListensOnLoopbackOnly(t *testing.T) {
	for listen, good := range map[string]bool{
		"127.0.0.1:0": true, "[::1]:80": true, "localhost:0": true, "127.1.2.3:0": true,
		"0.0.0.0:0": false, ":80": false, "10.0.0.1:80": false, "example.com:80": false, "127.0.0.1": false,
	} {
		if err := CheckListen(listen); (err == nil) != good {
			t.Errorf("%s: %v", listen, err)
		}
	}
	err := Serve(context.Background(), filepath.Join(t.TempDir(), "gce"), Options{Listen: "0.0.0.0:0", Latency: "none"}, nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "not an address of loopback") {
		t.Errorf("serving: %v", err)
	}
}

// Two daemons of one directory would write one store.
func TestOneDaemonADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gce")
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(dir); err == nil || !strings.Contains(err.Error(), "runs there already") {
		t.Errorf("the second: %v", err)
	}
	if held, err := lockHeld(dir); err != nil || !held {
		t.Errorf("held: %t, %v", held, err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if held, err := lockHeld(dir); err != nil || held {
		t.Errorf("after the end: held %t, %v", held, err)
	}
}
