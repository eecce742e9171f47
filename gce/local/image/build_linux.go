package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hakube/scripts/cure"
)

// thisHost looks at the running kernel.
func thisHost() host {
	h := host{cgroup1: true}
	var st unix.Statfs_t
	if unix.Statfs("/sys/fs/cgroup", &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
		h.cgroup1 = false
	}
	// PR_CAPBSET_READ asks for the bounding set, which is all a machine can get.
	has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_RESOURCE, 0, 0, 0)
	h.noSysResource = err == nil && has == 0
	return h
}

// assemble builds the image in the directory rootfs, which does not exist yet.
func assemble(ctx context.Context, rootfs string, say func(string)) error {
	program, err := builder()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(rootfs, 0o755); err != nil {
		return err
	}
	say("building the Debian image, about a minute, once")
	if err := bootstrap(ctx, program, rootfs); err != nil {
		return err
	}
	say("finishing the image")
	return customize(rootfs, thisHost())
}

// builder finds mmdebstrap, or says what is missing to use it.
func builder() (string, error) {
	program, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return "", &Error{fmt.Errorf("looking for mmdebstrap: %w", err),
			"real machines boot a Debian that mmdebstrap builds: apt-get install mmdebstrap debian-archive-keyring"}
	}
	if os.Geteuid() != 0 {
		return "", &Error{errors.New("building a root file system needs root"),
			cure.Hint("run as root, or use model machines", cure.LocalModel())}
	}
	return program, nil
}

// Unpack writes the files of Debian packages and of all they depend on to a
// tar file, without running their scripts: the layer of a container image.
func Unpack(ctx context.Context, tar string, packages ...string) error {
	program, err := builder()
	if err != nil {
		return err
	}
	return mmdebstrap(ctx, program, tar, "--format=tar", "--variant=extract", "--include="+strings.Join(packages, ","))
}

func bootstrap(ctx context.Context, program, rootfs string) error {
	args := []string{"--format=directory", "--variant=minbase", "--include=" + strings.Join(packages, ",")}
	for _, o := range dpkgOptions {
		args = append(args, "--dpkgopt="+o)
	}
	return mmdebstrap(ctx, program, rootfs, args...)
}

// mmdebstrap makes target of packages from the host's own apt sources.
func mmdebstrap(ctx context.Context, program, target string, args ...string) error {
	args = append([]string{"--mode=root"}, args...)
	for _, o := range acquireOptions(ctx) {
		args = append(args, "--aptopt="+o)
	}
	args = append(args, `--aptopt=Acquire::Languages "none"`, suite, target)
	args = append(args, sources("/")...)

	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")
	// apt and dpkg are children of children: all of them end together.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &Error{fmt.Errorf("running mmdebstrap: %w\n%s", err, tail(out, 12)),
		"the packages come from the apt sources of this machine: check that `apt-get update` works"}
}

// acquireOptions are the host's own settings of how packages are fetched:
// proxies, certificates, retries.
func acquireOptions(ctx context.Context) []string {
	out, err := exec.CommandContext(ctx, "apt-config", "dump", "Acquire").Output()
	if err != nil {
		return nil // not a Debian host: mmdebstrap brings its own apt
	}
	var options []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(strings.TrimSpace(line), ";")
		for _, prefix := range []string{"Acquire::http::", "Acquire::https::", "Acquire::Retries", "Acquire::Check-", "Acquire::ForceIPv"} {
			if strings.HasPrefix(line, prefix) && !strings.HasSuffix(line, ` ""`) {
				options = append(options, line)
			}
		}
	}
	return options
}

// customize makes a machine's image of a plain Debian tree.
func customize(rootfs string, h host) error {
	for _, pattern := range removed {
		names, err := filepath.Glob(filepath.Join(rootfs, pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	err := fs.WalkDir(files, "files", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		return write(rootfs, strings.TrimPrefix(name, "files"), string(text))
	})
	if err != nil {
		return err
	}
	for _, dir := range directories {
		if err := os.MkdirAll(filepath.Join(rootfs, dir), 0o755); err != nil {
			return err
		}
	}
	settings := h.settings()
	for _, name := range sorted(settings) {
		if err := write(rootfs, name, settings[name]); err != nil {
			return err
		}
	}
	for _, unit := range masks {
		if err := link(rootfs, "/dev/null", "/etc/systemd/system/"+unit); err != nil {
			return err
		}
	}
	for _, name := range emptied {
		if err := link(rootfs, "/dev/null", name); err != nil {
			return err
		}
	}
	for _, unit := range sorted(enabled) {
		if err := link(rootfs, "/etc/systemd/system/"+unit, "/etc/systemd/system/"+enabled[unit]+".wants/"+unit); err != nil {
			return err
		}
	}
	if err := link(rootfs, resolvConf, "/etc/resolv.conf"); err != nil {
		return err
	}
	defs, err := os.ReadFile(filepath.Join(rootfs, "etc/login.defs"))
	if err != nil {
		return err
	}
	if err := write(rootfs, "/etc/login.defs", ownNumbers(string(defs))); err != nil {
		return err
	}
	// Newer than /usr: nothing is "updated" at first boot.
	for _, stamp := range []string{"/etc/.updated", "/var/.updated"} {
		if err := write(rootfs, stamp, ""); err != nil {
			return err
		}
	}
	return nil
}

func write(rootfs, name, text string) error {
	path := filepath.Join(rootfs, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(text, "#!") {
		mode = 0o755
	}
	return os.WriteFile(path, []byte(text), mode)
}

// link makes name a link to target, in place of what Debian put there.
func link(rootfs, target, name string) error {
	path := filepath.Join(rootfs, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}

// tail returns the last n lines.
func tail(text []byte, n int) []byte {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-n):], []byte("\n"))
}
