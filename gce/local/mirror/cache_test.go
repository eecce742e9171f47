package mirror

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func testCache(t *testing.T, root string) *cache {
	t.Helper()
	c := &cache{root: root, say: func(string) {}}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// thing is an artefact with one file.
func thing(key, text string) artefact {
	return artefact{name: "thing", key: (key + "0000000000000000")[:16], make: func(_ context.Context, dir string) error {
		return os.WriteFile(filepath.Join(dir, "file"), []byte(text), 0o644)
	}}
}

func TestEnsureMakesOnce(t *testing.T) {
	c := testCache(t, t.TempDir())
	for _, text := range []string{"first", "second"} {
		dir, err := c.ensure(t.Context(), thing("a", text), "")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(b) != "first" {
			t.Fatalf("got %q, %v; want what was made the first time", b, err)
		}
	}
}

func TestCutLeavesNothingThatLooksWhole(t *testing.T) {
	root := t.TempDir()
	c := testCache(t, root)
	cut := thing("a", "half")
	whole := cut.make
	for name, how := range map[string]func(context.Context, string) error{
		"an error": func(ctx context.Context, dir string) error {
			return errors.Join(whole(ctx, dir), errors.New("cut"))
		},
		// A process that is killed leaves its directory.
		"a kill": func(ctx context.Context, dir string) error {
			return errors.Join(whole(ctx, filepath.Join(root, "thing.part")), os.MkdirAll(dir, 0o755), errors.New("cut"))
		},
	} {
		cut.make = how
		if _, err := c.ensure(t.Context(), cut, ""); err == nil {
			t.Fatalf("%s was not reported", name)
		}
		if c.has(cut) {
			t.Errorf("after %s there is an artefact", name)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "thing.part", "rest"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := c.ensure(t.Context(), thing("a", "whole"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "rest")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("what was cut off became part of the artefact")
	}
}

func TestOnlyUnusedVersionsAreRemoved(t *testing.T) {
	root := t.TempDir()
	other := testCache(t, root) // another process
	used, err := other.ensure(t.Context(), thing("a", "used"), "")
	if err != nil {
		t.Fatal(err)
	}
	c := testCache(t, root)
	if _, err := c.ensure(t.Context(), thing("b", "new"), ""); err != nil {
		t.Fatal(err)
	}
	if err := c.tidy(thing("b", "")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(used, "file")); err != nil {
		t.Error("what another process uses was removed")
	}
	if err := other.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ensure(t.Context(), thing("c", "newer"), ""); err != nil {
		t.Fatal(err)
	}
	if err := c.tidy(thing("c", "")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(used); !errors.Is(err, fs.ErrNotExist) {
		t.Error("an old version that nobody uses is still there")
	}
	if !c.has(thing("b", "")) {
		t.Error("what this process uses itself was removed")
	}
	neighbour := thing("d", "other")
	neighbour.name = "thing-official"
	if _, err := c.ensure(t.Context(), neighbour, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ensure(t.Context(), thing("e", "newest"), ""); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.close(), c.tidy(thing("e", ""))); err != nil {
		t.Fatal(err)
	}
	if !c.has(neighbour) {
		t.Error("an artefact whose name begins the same was removed")
	}
}

func TestTwoWhoWantTheSameMakeItOnce(t *testing.T) {
	root := t.TempDir()
	begun, finish := make(chan struct{}), make(chan struct{})
	slow := thing("a", "")
	slow.make = func(context.Context, string) error {
		close(begun) // a second time panics
		<-finish
		return nil
	}
	done := make(chan error, 2)
	go func() {
		_, err := testCache(t, root).ensure(t.Context(), slow, "")
		done <- err
	}()
	<-begun
	second := testCache(t, root)
	second.say = func(what string) {
		if !strings.HasPrefix(what, "waiting for another process") {
			t.Errorf("said %q", what)
		}
		close(finish)
	}
	go func() {
		_, err := second.ensure(t.Context(), slow, "")
		done <- err
	}()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestKeyChangesWithEveryInput(t *testing.T) {
	seen := map[string]string{}
	for _, parts := range [][]string{nil, {""}, {"a"}, {"b"}, {"a", "b"}, {"ab"}, {"b", "a"}} {
		k := key(parts...)
		if len(k) != 16 {
			t.Errorf("key %q", k)
		}
		if old, ok := seen[k]; ok {
			t.Errorf("%q and %q have the same key", old, parts)
		}
		seen[k] = strings.Join(parts, "|")
	}
	c := components()[1]
	before, err := c.built(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*component){
		"flags":     func(c *component) { c.args = append(c.args, "-race") },
		"programs":  func(c *component) { c.programs = c.programs[:1] },
		"assets":    func(c *component) { c.assets = nil },
		"libraries": func(c *component) { c.libraries = []string{"x"} },
		"pins":      func(c *component) { c.name = "cni" },
	} {
		changed := c
		change(&changed)
		after, err := changed.built(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if after.key == before.key {
			t.Errorf("%s changed and the key did not", what)
		}
	}
}
