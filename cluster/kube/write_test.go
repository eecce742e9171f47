package kube

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// editOne sets the current context of a file.
func editOne(path string) error {
	return Files{path}.Edit(context.Background(), nil, time.Millisecond, func(c *clientcmdapi.Config) error { c.CurrentContext = "ours"; return nil })
}

// A link is kept, also one whose target is not there yet.
func TestKubeconfigLinks(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.Symlink("b", at("a")), os.Symlink(at("sub/c"), at("b")), os.Symlink("loop", at("loop"))); err != nil {
		t.Fatal(err)
	}
	for range 2 { // dangling, then alive
		if err := editOne(at("a")); err != nil {
			t.Fatal(err)
		}
		for _, link := range []string{"a", "b"} {
			if info, err := os.Lstat(at(link)); err != nil || info.Mode()&os.ModeSymlink == 0 {
				t.Errorf("%s is no link any more: %v", link, err)
			}
		}
		if info, err := os.Lstat(at("sub/c")); err != nil || info.Mode() != 0o600 {
			t.Errorf("the target: %v, %v", info, err)
		}
		if c := readConfig(t, at("a")); c.CurrentContext != "ours" {
			t.Errorf("%+v", c)
		}
	}
	if err := editOne(at("loop")); err == nil {
		t.Error("a link that leads to itself was written")
	}
	if left, err := filepath.Glob(at("*.lock")); err != nil || len(left) > 0 {
		t.Errorf("left: %s, %v", left, err)
	}
}

// kubectl's lock is beside the path as it is given.
func TestKubeconfigLockBesideLink(t *testing.T) {
	dir := t.TempDir()
	link, target := filepath.Join(dir, "link"), filepath.Join(dir, "target")
	if err := errors.Join(os.WriteFile(target, nil, 0o600), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	for _, lock := range []string{link + ".lock", target + ".lock"} {
		if err := os.WriteFile(lock, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		err := Files{link}.Edit(ctx, nil, time.Millisecond, func(c *clientcmdapi.Config) error { c.CurrentContext = "ours"; return nil })
		cancel()
		var held *LockError
		if !errors.As(err, &held) || held.Path != lock {
			t.Errorf("%s: %v", lock, err)
		}
		if err := os.Remove(lock); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.lock")); err != nil || len(left) > 0 {
		t.Errorf("left: %s, %v", left, err)
	}
}

// What is no file, or may not be written, stays as it is.
func TestKubeconfigNotReplaced(t *testing.T) {
	dir := t.TempDir()
	ro, pipe := filepath.Join(dir, "ro"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.WriteFile(ro, nil, 0o400), os.Chmod(ro, 0o400), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	null := filepath.Join(dir, "null")
	if err := os.Symlink(os.DevNull, null); err != nil { // root could replace the device itself
		t.Fatal(err)
	}
	for path, why := range map[string]string{ro: "read-only", pipe: "a device or a pipe", null: "", dir: "is a directory"} {
		before, _ := os.Stat(path)
		err := editOne(path)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", path, err, why)
		}
		if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() {
			t.Errorf("%s is another now: %v", path, err)
		}
	}
	if c, err := LoadFile(os.DevNull); err != nil || len(c.Contexts) > 0 {
		t.Errorf("no file at all: %v, %v", c, err)
	}
}

// A second name of the file sees the change, and a file of a user's stays that
// user's when it is root who writes.
func TestKubeconfigStaysTheFile(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	if err := errors.Join(os.WriteFile(one, []byte(others), 0o644), os.Link(one, two), editOne(one)); err != nil {
		t.Fatal(err)
	}
	if c := readConfig(t, two); c.CurrentContext != "ours" || c.Contexts["work"] == nil {
		t.Errorf("by its second name: %+v", c)
	}
	if info, err := os.Stat(two); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode: %v, %v", info, err)
	}
	if os.Geteuid() != 0 {
		return // another's files can be made by root only
	}
	if err := errors.Join(os.Remove(two), os.Chown(one, 65534, 65534), editOne(one)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(one); err != nil || info.Sys().(*syscall.Stat_t).Uid != 65534 {
		t.Errorf("the file is root's now: %v", err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// Somebody else is done with it in a moment.
	released := make(chan error, 1)
	time.AfterFunc(20*time.Millisecond, func() { released <- os.Remove(path + ".lock") })
	err := Files{path}.Edit(context.Background(), nil, time.Millisecond, func(c *clientcmdapi.Config) error { c.CurrentContext = "x"; return nil })
	if err := errors.Join(err, <-released); err != nil {
		t.Fatal(err)
	}
	if c := readConfig(t, path); c.CurrentContext != "x" {
		t.Errorf("%+v", c)
	}

	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err = Files{path}.Edit(ctx, nil, time.Millisecond, func(c *clientcmdapi.Config) error { c.CurrentContext = "y"; return nil })
	var held *LockError
	if !errors.As(err, &held) || !strings.Contains(held.Hint(), "rm "+path+".lock") {
		t.Errorf("error %v", err)
	}
	if c := readConfig(t, path); c.CurrentContext != "x" {
		t.Errorf("edited without the lock: %+v", c)
	}
}
