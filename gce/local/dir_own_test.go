package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is in the state directory decides what runs as root and whom hakube
// talks to, so nobody else may have a hand in it.
func TestOwnDirectory(t *testing.T) {
	base := t.TempDir()
	dir := func(name string, mode os.FileMode) string {
		d := filepath.Join(base, name)
		if err := errors.Join(os.Mkdir(d, 0o700), os.Chmod(d, mode)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	mode := func(d string) os.FileMode {
		info, err := os.Stat(d)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	refused := func(d, why string) {
		t.Helper()
		_, ask := Ask(t.Context(), d)
		_, lock := lockDir(d)
		_, reset := Reset(context.Background(), d)
		for _, err := range []error{ownDir(d), ask, lock, reset} {
			var e *dirError
			if !errors.As(err, &e) || !strings.Contains(e.Error(), why) || e.Hint() == "" {
				t.Errorf("%s: %v, want %q", d, err, why)
			}
		}
	}
	for name, d := range map[string]string{"new": filepath.Join(base, "a", "b"), "readable": dir("readable", 0o755), "ours": dir("ours", 0o700)} {
		if err := ownDir(d); err != nil || mode(d) != 0o700 {
			t.Errorf("%s: %v, mode %04o", name, err, mode(d))
		}
	}
	refused(dir("open", 0o777), "others may write to it, mode 0777")
	refused(dir("group", 0o770), "others may write to it, mode 0770")
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ownDir(file); err == nil {
		t.Error("a file is taken for a directory")
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(filepath.Join(base, "ours"), link); err != nil {
		t.Fatal(err)
	}
	if err := ownDir(link); err != nil {
		t.Errorf("a link of our own: %v", err)
	}
	if os.Geteuid() != 0 {
		return // another's files can be made by root only
	}
	others := dir("others", 0o700)
	if err := errors.Join(os.Chown(others, 65534, 65534), os.Lchown(link, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	refused(others, "it belongs to the user with number 65534")
	refused(link, "it belongs to the user with number 65534")
}

// The address comes from a file: one that leads off this machine is no daemon's.
func TestForeignAddress(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gce")
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock() //nolint:errcheck // the directory goes too
	for _, endpoint := range []string{"http://gce.example:80", "http://10.0.0.1:80", "http://127.0.0.1", "x", "http://127.0.0.1@gce.example:80"} {
		if err := writeJSON(addressFile(dir), map[string]string{"endpoint": endpoint}); err != nil {
			t.Fatal(err)
		}
		if s, err := Ask(t.Context(), dir); err == nil {
			t.Errorf("%s: asked, and it says %+v", endpoint, s)
		}
	}
}

// A path becomes part of a mount's options, and must not become more of them.
func TestMountable(t *testing.T) {
	for dir, good := range map[string]bool{
		"/home/me/.local/state/hakube": true, "/a b/ü/$(id)'": true,
		"/x,upperdir=/etc": false, "/a:b": false, `/a\,b`: false, "/a\nb": false, "/a\x00": false, `/"`: false,
	} {
		if err := mountable(dir, "HAKUBE_LOCAL_DIR"); (err == nil) != good {
			t.Errorf("%q: %v", dir, err)
		}
	}
}
