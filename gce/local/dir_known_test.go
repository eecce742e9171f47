package local

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const oldOptions = `{"machines":"model","latency":"none","listen":"127.0.0.1:0"}`

// fill makes files in a directory, and directories of those that end in a slash.
func fill(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if strings.HasSuffix(name, "/") {
			err = errors.Join(err, os.MkdirAll(path, 0o755))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestSomebodysDirectory: what was not made for it, or found empty, is refused
// and stays as it was, with its mode.
func TestSomebodysDirectory(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"files":                             {"thesis": "x"},
		"a hidden file":                     {".profile": "x"},
		"names as ours have":                {"token": "x", "model/": "", "disks/": ""},
		"options of another program":        {"options.json": `{"color":"blue"}`, "objects.db": "x"},
		"options of another with our words": {"options.json": `{"machines":"model","latency":"none","listen":"127.0.0.1:0","color":"blue"}`},
		"options that are none":             {"options.json": "x"},
		"one used by an earlier version":    {"options.json": oldOptions, "objects.db": "", "daemon.lock": "", "model/thesis": "x", "thesis": "x"},
		"a proof of somebody's":             {"hakube-state/": "", "thesis": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "papers")
			fill(t, dir, files)
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			before := namesIn(t, dir)
			_, lock := lockDir(dir)
			_, reset := Reset(context.Background(), dir)
			serve := Serve(context.Background(), dir, Defaults, nil, slog.New(slog.DiscardHandler))
			for what, err := range map[string]error{"usable": Usable(dir), "own": ownDir(dir), "lock": lock, "reset": reset, "serve": serve} {
				var e *dirError
				if !errors.As(err, &e) || e.Hint() == "" {
					t.Errorf("%s: %v", what, err)
				}
			}
			if now := namesIn(t, dir); !slices.Equal(now, before) {
				t.Errorf("it holds %q now", now)
			}
			if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("its mode is %v, %v", info.Mode(), err)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "thesis")); files["thesis"] != "" && (err != nil || string(b) != "x") {
				t.Errorf("the thesis is %q, %v", b, err)
			}
		})
	}
}

// TestResetLeavesTheRest: what is known goes, what is not stays and is named, and
// the directory goes when it is empty.
func TestResetLeavesTheRest(t *testing.T) {
	ours := map[string]string{
		"objects.db": "", "daemon.lock": "", "daemon.log": "x", "address": "127.0.0.1:1\n", "token": "x", "token.123456": "x",
		"options.json": oldOptions, "options.json.1": "x", "model/disk": "x", "gcloud/configurations/config_default": "x", "disks/": "", "run/runc/": "",
	}
	theirs := map[string]string{"notes/thesis": "x", ".hidden": "x", "token.old": "x", "daemon.log.1": "x", "objects.db.bak": "x", "model2": "x", "options.json.bak": "x"}
	dir := filepath.Join(t.TempDir(), "gce")
	reset := func(want ...string) {
		t.Helper()
		stays, err := Reset(context.Background(), dir)
		if err != nil || !slices.Equal(stays, want) {
			t.Errorf("stays %q, want %q (%v)", stays, want, err)
		}
	}
	reset() // it is not there
	if err := ownDir(dir); err != nil {
		t.Fatal(err)
	}
	fill(t, dir, ours)
	reset()
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %q, %v", namesIn(t, dir), err)
	}
	if err := ownDir(dir); err != nil {
		t.Fatal(err)
	}
	fill(t, dir, ours)
	fill(t, dir, theirs)
	want := []string{".hidden", "daemon.log.1", "model2", "notes", "objects.db.bak", "options.json.bak", "token.old"}
	reset(want...)
	if now := namesIn(t, dir); !slices.Equal(now, want) {
		t.Errorf("it holds %q, want %q", now, want)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "notes", "thesis")); err != nil || string(b) != "x" {
		t.Errorf("the thesis is %q, %v", b, err)
	}
	if err := ownDir(dir); err == nil {
		t.Error("what stayed is taken for a state directory")
	}
	// An empty one, and one of an earlier version.
	dir = filepath.Join(t.TempDir(), "old")
	fill(t, dir, ours)
	reset()
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("of an earlier version there is still %q, %v", namesIn(t, dir), err)
	}
}

// TestResetIsCut: a reset that was cut anywhere is finished by the same again.
func TestResetIsCut(t *testing.T) {
	for _, proven := range []bool{true, false} {
		for cut := range known {
			dir := filepath.Join(t.TempDir(), "gce")
			for _, name := range known[cut:] {
				fill(t, dir, map[string]string{name: map[string]string{"options.json": oldOptions, "hakube-state": proof, "daemon.json": `{"endpoint":"http://127.0.0.1:1","pid":1}`}[name]})
			}
			if !proven {
				if err := os.Remove(proofFile(dir)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Reset(context.Background(), dir); err != nil {
				t.Errorf("after %d: %v", cut, err)
			}
			if left := namesIn(t, dir); len(left) > 0 {
				t.Errorf("after %d, left: %q", cut, left)
			}
		}
	}
}

// TestSameAddress: the port of the last daemon is taken again, however that ended,
// and that it could not be is told.
func TestSameAddress(t *testing.T) {
	dir := t.TempDir()
	at := func(address, kept string) (string, string) {
		t.Helper()
		if kept != "" {
			fill(t, dir, map[string]string{"address": kept + "\n"})
		}
		l, was, err := listen(dir, address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String(), was
	}
	first, was := at("127.0.0.1:0", "")
	if was != "" {
		t.Errorf("there was none before: %s", was)
	}
	for _, any := range []string{"127.0.0.1:0", "localhost:0"} {
		if again, was := at(any, first); again != first || was != "" {
			t.Errorf("%s: at %s, was %q, want %s", any, again, was, first)
		}
	}
	if now, was := at("127.0.0.2:0", first); now == first || !strings.HasPrefix(now, "127.0.0.2:") || was != first {
		t.Errorf("asked for elsewhere: at %s, was %q", now, was)
	}
	taken, err := net.Listen("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if now, was := at("127.0.0.1:0", first); now == first || was != first {
		t.Errorf("taken: at %s, was %q", now, was)
	}
	for _, bad := range []string{"x", "gce.example:80", "0.0.0.0:80", "\x00"} {
		if _, was := at("127.0.0.1:0", bad); was != "" {
			t.Errorf("%q is taken for an address", was)
		}
	}
}

// TestSomebodysCache: old versions are removed from a cache, so it must be one.
func TestSomebodysCache(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		good  bool
	}{
		"none": {nil, true}, "empty": {map[string]string{"lost+found/": ""}, true},
		"one":    {map[string]string{"image/0123456789abcdef/rootfs/": "", "mirror/etcd-0123456789abcdef/": ""}, true},
		"papers": {map[string]string{"thesis": "x"}, false}, "papers beside": {map[string]string{"image/": "", "thesis": "x"}, false},
	} {
		dir := filepath.Join(t.TempDir(), "cache")
		fill(t, dir, c.files)
		before := namesIn(t, dir)
		t.Setenv("HAKUBE_CACHE_DIR", dir)
		_, err := cacheDir()
		var e *dirError
		if c.good != (err == nil) || err != nil && (!errors.As(err, &e) || !strings.Contains(e.Hint(), "HAKUBE_CACHE_DIR")) {
			t.Errorf("%s: %v", name, err)
		}
		if now := namesIn(t, dir); !slices.Equal(before, now) {
			t.Errorf("%s: it holds %q now", name, now)
		}
	}
}
