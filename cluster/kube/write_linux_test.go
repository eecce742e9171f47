package kube

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A file that is mounted singly cannot be renamed over: it is written in place.
func TestKubeconfigIsAMountPoint(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := t.TempDir()
	host, path := filepath.Join(dir, "host"), filepath.Join(dir, "config")
	if err := errors.Join(os.WriteFile(host, []byte(others), 0o600), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(host, path, "", syscall.MS_BIND, ""); err != nil {
		t.Skip("mounting: ", err)
	}
	defer func() {
		if err := syscall.Unmount(path, 0); err != nil {
			t.Error(err)
		}
	}()
	if err := editOne(path); err != nil {
		t.Fatal(err)
	}
	if c := readConfig(t, host); c.CurrentContext != "ours" || c.Contexts["work"] == nil {
		t.Errorf("%+v", c)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "config.*")); err != nil || len(left) > 0 {
		t.Errorf("left: %s, %v", left, err)
	}
}
