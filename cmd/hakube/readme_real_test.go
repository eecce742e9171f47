//go:build linux

package main

import (
	"testing"
)

// TestReadmeOwnReal runs what the section "A GCE of your own" says of real
// machines: one from nothing to a shell, halted by itself and started again.
func TestReadmeOwnReal(t *testing.T) {
	blocks, _ := readmeBlocks(t, blockReal)
	home := t.TempDir()
	w := newWalk(t)
	env := append(shellEnv(t, home), "HAKUBE_LOCAL_DIR="+w.dir)
	runLines(t, env, blocks[0])
	if left := w.left(t); len(left) > 0 {
		t.Errorf("left in the kernel: %s", left)
	}
	report(t, "%d lines of gce/local/README.md run on real machines", len(blocks[0]))
}
