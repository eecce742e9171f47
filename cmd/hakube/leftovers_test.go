//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLeftoversOfOwn: what the demo and the walks count as left behind is their
// own, and nothing of somebody else's embedded GCE beside them.
func TestLeftoversOfOwn(t *testing.T) {
	t.Parallel()
	own, other := filepath.Join(t.TempDir(), "hakube"), filepath.Join(t.TempDir(), "hakube")
	daemon := func(dir string) string {
		cmd := exec.Command("bash", "-c", "exec -a 'bin/hakube local serve' sleep 600")
		cmd.Env = append(os.Environ(), "HAKUBE_LOCAL_DIR="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
		return "process " + strconv.Itoa(cmd.Process.Pid) + " "
	}
	mine, theirs := daemon(own), daemon(other)
	has := func(lines []string, prefix string) bool {
		for _, l := range lines {
			if strings.HasPrefix(l, prefix) {
				return true
			}
		}
		return false
	}
	eventually(t, 2*time.Minute, "everybody's are listed", func() error {
		if all := leftovers(t); !has(all, mine) || !has(all, theirs) {
			return os.ErrNotExist
		}
		return nil
	})
	lines := leftovers(t, own, "1a", "1b")
	if !has(lines, mine) || len(lines) != 1 {
		t.Errorf("of one's own are listed %q, want %s", lines, mine)
	}
}
