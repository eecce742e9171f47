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
// cache, and with the embedded GCE held to Google's description: see heldIn.
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
	return append(append(env, goCaches()...), "HOME="+home, "HAKUBE_CACHE_DIR="+cache, "HAKUBE_LOCAL_CONTRACT="+record)
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
