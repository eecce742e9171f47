package local

import (
	"errors"
	"path/filepath"
	"testing"
)

// Two daemons with real machines would share the names of their network in the
// kernel: the reset of one took the other's network away.
func TestOneHostOneDaemon(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hakube.lock")
	var left []string
	lock := func(dir string) (*hostLock, error) {
		return lockHostFile(file, dir, func(string) ([]string, error) { return left, nil })
	}
	refused := func(what, dir, owner string) {
		t.Helper()
		_, err := lock(dir)
		var busy *busyError
		if !errors.As(err, &busy) || busy.dir != owner || busy.Hint() == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	taken := func(what, dir string) *hostLock {
		t.Helper()
		l, err := lock(dir)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return l
	}

	a := taken("a free host", "/a")
	refused("a second daemon", "/b", "/a")
	refused("the same again", "/a", "/a")
	if err := a.Unlock(); err != nil { // as when it is killed
		t.Fatal(err)
	}
	left = []string{"namespace hakube-vpc"}
	refused("machines of a killed one", "/b", "/a")
	a = taken("its own machines", "/a")
	if err := a.Unlock(); err != nil {
		t.Fatal(err)
	}
	left = nil
	b := taken("after an orderly stop", "/b")
	if err := b.Unlock(); err != nil {
		t.Fatal(err)
	}
}
