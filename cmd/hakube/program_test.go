package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"hakube/gce/local/mirror"
	"hakube/replicate"
)

const (
	zoneB = "europe-west1-b"
	zoneC = "europe-west1-c"
	zoneD = "europe-west1-d"
)

// The settings of the ten commands, beside the zone.
const (
	addPool   = "KUBE_USE_EXISTING_MASTER=true"
	addMaster = "KUBE_REPLICATE_EXISTING_MASTER=true"
	noNodes   = "KUBE_DELETE_NODES=false"
)

// leaseCalls are the changes that a run makes around its own: it takes the lease
// and gives it back.
const leaseCalls = 2

// hakubeIn makes this test binary a program called hakube (see TestMain).
func hakubeIn(t *testing.T, dir string) string {
	t.Helper()
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "hakube")
	if os.Link(me, exe) == nil { // a copy is 100 MB, and is needed where dir is of another file system
		return exe
	}
	in, err := os.Open(me)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	// A program forked meanwhile by a parallel test would hold the file open for
	// writing, and to run it then is refused: "text file busy" (golang/go#22315).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	out, err := os.OpenFile(exe, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	return exe
}

// cleanEnv is the environment without the tester's settings, but with the
// cache, and with the embedded GCE held to Google's description, see heldIn, in a test
// that is not to be short.
func cleanEnv(t *testing.T, home string) []string {
	t.Helper()
	cache, err := mirror.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return strings.HasPrefix(name, "KUBE") || strings.HasPrefix(name, "HAKUBE") ||
			slices.Contains([]string{"HOME", "PROJECT", "NUM_NODES", "MULTIZONE", "XDG_STATE_HOME"}, name)
	})
	record := filepath.Join(home, "contract")
	t.Cleanup(func() {
		used, broken := heldIn(t, record)
		for _, b := range broken {
			t.Error(b)
		}
		if len(used) > 0 {
			report(t, "%d methods of Compute Engine used, all as Google describes them", len(used))
		}
	})
	env = append(append(env, goCaches()...), "HOME="+home, "HAKUBE_CACHE_DIR="+cache)
	if testing.Short() {
		return env // what is held to Google's description in "make test" is held there for all
	}
	return append(env, "HAKUBE_LOCAL_CONTRACT="+record)
}

// oneKey is a key that hakube made, for the tests that are not about keys: to find the
// primes of one takes half a second, and most homes of tests are used by a few commands.
var oneKey = sync.OnceValues(func() (halves [2][]byte, err error) {
	dir, err := os.MkdirTemp("", "hakube-key-")
	if err != nil {
		return halves, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "key")
	if _, err := replicate.LoadKey(path, true); err != nil {
		return halves, err
	}
	for i, suffix := range []string{"", ".pub"} {
		if halves[i], err = os.ReadFile(path + suffix); err != nil {
			return halves, err
		}
	}
	return halves, nil
})

// keyIn puts that key where hakube looks for one below home.
func keyIn(home string) error {
	halves, err := oneKey()
	dir := filepath.Join(home, ".ssh")
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "google_compute_engine")
	return errors.Join(os.WriteFile(path, halves[0], 0o600), os.WriteFile(path+".pub", halves[1], 0o644))
}

// goCaches are the tester's settings of the go command, which lie in his home
// directory: in another one real machines' software would be downloaded and built
// again, into a directory that is thrown away.
var goCaches = sync.OnceValue(func() (env []string) {
	for _, name := range []string{"GOENV", "GOMODCACHE", "GOCACHE"} {
		if out, err := exec.Command("go", "env", name).Output(); err == nil {
			env = append(env, name+"="+strings.TrimSpace(string(out)))
		}
	}
	return env // empty where there is no go: then nothing is built either
})

func TestGoCachesAreTheTesters(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("go", "env", "GOENV", "GOMODCACHE", "GOCACHE", "GOVERSION")
	want, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command("go", "env", "GOENV", "GOMODCACHE", "GOCACHE", "GOVERSION")
	cmd.Env = cleanEnv(t, t.TempDir())
	if got, err := cmd.Output(); err != nil || string(got) != string(want) {
		t.Errorf("go works with %s, %v, want %s", got, err, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
