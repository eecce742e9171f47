package local

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestResetOfMountPoint: its contents go, the directory stays, and it can be used
// again; so does a link. What is mounted inside is not emptied.
func TestResetOfMountPoint(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	target := t.TempDir()
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	again := func(dir string) {
		t.Helper()
		for range 2 {
			if err := ownDir(dir); err != nil {
				t.Fatal(err)
			}
			fill(t, dir, map[string]string{"objects.db": "", "model/disk": ""})
			if stays, err := Reset(context.Background(), dir); err != nil || len(stays) > 0 {
				t.Errorf("stays %q, %v", stays, err)
			}
			if left := namesIn(t, dir); slices.ContainsFunc(left, func(n string) bool { return n != "lost+found" }) {
				t.Errorf("left: %q", left)
			}
			if _, err := os.Stat(dir); err != nil {
				t.Errorf("it is gone: %v", err)
			}
		}
	}
	again(link)
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := t.TempDir()
	mount := func(at string) {
		t.Helper()
		if err := syscall.Mount("tmpfs", at, "tmpfs", 0, "size=1m,mode=700"); err != nil {
			t.Skip("mounting: ", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(at, syscall.MNT_DETACH) }) // the second time there is none
	}
	mount(dir)
	fill(t, dir, map[string]string{"lost+found/": ""}) // as a new ext4 has it
	again(dir)

	if err := ownDir(dir); err != nil {
		t.Fatal(err)
	}
	fill(t, dir, map[string]string{"gcloud/inside/": ""})
	mount(filepath.Join(dir, "gcloud", "inside"))
	fill(t, dir, map[string]string{"gcloud/inside/thesis": "x"})
	if _, err := Reset(context.Background(), dir); err == nil || !strings.Contains(err.Error(), "is mounted there") {
		t.Errorf("with something mounted: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "gcloud", "inside", "thesis")); err != nil || string(b) != "x" {
		t.Errorf("the thesis is %q, %v", b, err)
	}
	if err := syscall.Unmount(filepath.Join(dir, "gcloud", "inside"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Reset(context.Background(), dir); err != nil {
		t.Errorf("the same again: %v", err)
	}
}
