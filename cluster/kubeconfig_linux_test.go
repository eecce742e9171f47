package cluster

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestKubeconfigDiskFull: a disk without room for the entry is told before the
// first change, not when the master runs.
func TestKubeconfigDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	w := newWorld(t)
	o := w.operator()
	dir := filepath.Dir(o.kubeconfig)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("mounting: ", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	w.unchanged(func() {
		_, err := o.Up(t.Context(), nil)
		wantError(t, err, "the disk of "+dir+" is full", "export KUBECONFIG=")
	})
}
