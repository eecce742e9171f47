package local

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestTokenStays over stop and start, is its owner's only, and comes again when it
// was damaged.
func TestTokenStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gce")
	if err := ownDir(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Token(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the first start: %v", err)
	}
	first, err := ensureToken(dir, false)
	if err != nil || len(first) < 26 {
		t.Fatalf("%q: %v", first, err)
	}
	if err := os.Chmod(TokenFile(dir), 0o644); err != nil {
		t.Fatal(err)
	}
	if again, err := ensureToken(dir, false); err != nil || again != first {
		t.Errorf("a second start has %q, the first %q: %v", again, first, err)
	}
	if info, err := os.Stat(TokenFile(dir)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	for _, damage := range []string{"", "\n", "short\n", first + "\r\nX: y\n"} {
		if err := os.WriteFile(TokenFile(dir), []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		var e *tokenError
		if _, err := Token(dir); !errors.As(err, &e) || e.Hint() == "" {
			t.Errorf("%q: %v", damage, err)
		}
		if again, err := ensureToken(dir, false); err != nil || again == first || len(again) < 26 {
			t.Errorf("after %q: %q %v", damage, again, err)
		}
	}
}

// TestTokenOfLostAddress: whoever took the daemon's port while it was stopped was
// sent the token by what called there, so the next start makes another.
func TestTokenOfLostAddress(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gce")
	token := func() string {
		t.Helper()
		token, err := Token(dir)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	at, stop := start(t, dir, nobodyThere)
	first := token()
	stop()
	again, stop := start(t, dir, nobodyThere)
	if again == at && token() != first {
		t.Error("at the same address there is another token")
	}
	kept := token()
	stop()
	squatter, err := net.Listen("tcp", again)
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	if moved, stop := start(t, dir, nobodyThere); moved == again || token() == kept {
		stop()
		t.Errorf("at %s, after %s, the token is the one of before", moved, again)
	} else {
		stop()
	}
}
