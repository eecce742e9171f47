package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupOf is the machine's control group. The fence is on it and its weight,
// out of the machine's reach: what the machine sees as the root is one below.
func cgroupOf(id string) string { return "/hakube/" + id }

// cgroupDirs are the directories of the machine's cgroup: one per hierarchy
// with cgroup v1, one with v2.
func cgroupDirs(id string) []string {
	one, _ := filepath.Glob("/sys/fs/cgroup/*" + cgroupOf(id))
	two, _ := filepath.Glob("/sys/fs/cgroup" + cgroupOf(id))
	return append(one, two...)
}

// removeCgroups ends what is left in the machine's cgroup and removes it with
// all that systemd and containerd made below. runc delete does the same, but
// not after a crash of its own.
func removeCgroups(ctx context.Context, id string) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		var last error
		for _, dir := range cgroupDirs(id) {
			if err := removeCgroup(dir); err != nil {
				last = err
			}
		}
		if last == nil {
			// The parent goes with the last machine; ENOTEMPTY is the normal case.
			for _, parent := range cgroupParents() {
				_ = unix.Rmdir(parent)
			}
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("removing cgroup: %w", last)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func cgroupParents() []string {
	parents, _ := filepath.Glob("/sys/fs/cgroup/*/hakube")
	return append(parents, "/sys/fs/cgroup/hakube")
}

func removeCgroup(dir string) error {
	for _, pid := range cgroupPIDs(dir) {
		_ = unix.Kill(pid, unix.SIGKILL) // gone already is what we want
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeCgroup(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

// cgroupPIDs are the processes directly in a cgroup.
func cgroupPIDs(dir string) []int {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil
	}
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		var pid int
		// 0 stands for a process of another namespace; killing 0 would mean ourselves.
		if _, err := fmt.Sscan(field, &pid); err == nil && pid > 1 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// share is the weight that a process of the host has against a cgroup beside it,
// by the file that says so: with cgroup v1 (sched-design-CFS.rst), with v2
// (cgroup-v2.rst, both of the kernel's documentation).
var share = map[string]int{"cpu.shares": 1024, "cpu.weight": 100}

// weigh gives the machines together the weight of one busy process for each CPU of
// the host, and the machine its CPUs' weight among them. The kernel shares its CPUs
// out group by group: without this, all machines together get as much as a single
// process beside them, and when the host compiles something, leaders in the machines'
// etcd miss their heartbeats.
func weigh(id string, cpus int) error {
	for _, group := range []struct {
		dirs []string
		cpus int
	}{{cgroupParents(), runtime.NumCPU()}, {cgroupDirs(id), max(cpus, 1)}} {
		for _, dir := range group.dirs {
			for file, one := range share {
				path := filepath.Join(dir, file)
				if !exists(path) {
					continue // of the other version, or of another controller
				}
				if err := os.WriteFile(path, []byte(strconv.Itoa(one*min(group.cpus, 100))), 0); err != nil {
					return fmt.Errorf("weighing the machines' cgroup: %w", err)
				}
			}
		}
	}
	return nil
}
