package mirror

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// built is the component compiled from its pinned modules: bin has the
// programs, tree the official files made of them.
func (c component) built(ctx context.Context) (artefact, error) {
	pins, err := c.pinned()
	if err != nil {
		return artefact{}, err
	}
	in := []string{"build 2", arch, goVersion(ctx), fmt.Sprint(c.args, c.libraries, c.programs, c.assets)}
	if len(c.patches) > 0 {
		in = append(in, fmt.Sprint(c.patches))
	}
	if len(c.tests) > 0 {
		in = append(in, fmt.Sprint(c.tests))
	}
	for _, name := range slices.Sorted(maps.Keys(pins)) {
		in = append(in, string(pins[name]))
	}
	return artefact{name: c.name, key: key(in...), make: func(ctx context.Context, dir string) error {
		bin := filepath.Join(dir, "bin")
		if err := c.build(ctx, bin, filepath.Join(dir, "work")); err != nil {
			return err
		}
		return errors.Join(c.pack(bin, filepath.Join(dir, "tree")), os.RemoveAll(filepath.Join(dir, "work")))
	}}, nil
}

// build compiles the programs into bin. work is a directory of its own.
func (c component) build(ctx context.Context, bin, work string) error {
	var env []string
	if len(c.libraries) > 0 {
		var err error
		if env, err = withLibraries(ctx, filepath.Join(work, "libraries"), c.libraries); err != nil {
			return err
		}
	}
	modules := filepath.Join(work, "modules")
	if err := c.writePins(modules); err != nil {
		return err
	}
	for _, p := range c.patches {
		if err := p.around(ctx, modules, filepath.Join(work, "patched")); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	flags := append([]string{"-trimpath", "-mod=readonly"}, c.args...)
	if len(c.args) == 0 {
		flags = append(flags, "-ldflags=-s -w")
	}
	for _, p := range c.tests {
		if _, err := goCommand(ctx, modules, env, append(append([]string{"test", "-c", "-vet=off"}, flags...), "-o", filepath.Join(bin, p[0]), p[1])...); err != nil {
			return err
		}
	}
	args := append([]string{"build"}, flags...)
	// Those that bear their package's name in one go, so that they are linked side by side.
	together := append(args[:len(args):len(args)], "-o", bin+string(filepath.Separator))
	named := len(together)
	for _, p := range c.programs {
		if programName(p[1]) == p[0] {
			together = append(together, p[1])
			continue
		}
		if _, err := goCommand(ctx, modules, env, append(args[:len(args):len(args)], "-o", filepath.Join(bin, p[0]), p[1])...); err != nil {
			return err
		}
	}
	if len(together) > named {
		if _, err := goCommand(ctx, modules, env, together...); err != nil {
			return err
		}
	}
	return nil
}

// around puts the rest of a module around the file that is ours. It is held to the checksum
// that is pinned, in a module of its own: the pins' own has the directory in its place.
func (p patch) around(ctx context.Context, modules, alone string) error {
	sums, err := os.ReadFile(filepath.Join(modules, "go.sum"))
	if err != nil {
		return fmt.Errorf("reading pins: %w", err)
	}
	if !bytes.Contains(sums, []byte(p.module+" "+p.version+" h1:")) {
		return fmt.Errorf("%s %s has no pinned checksum", p.module, p.version)
	}
	if err := os.MkdirAll(alone, 0o755); err != nil {
		return err
	}
	for name, text := range map[string][]byte{"go.mod": []byte("module patched\n"), "go.sum": sums} {
		if err := os.WriteFile(filepath.Join(alone, name), text, 0o644); err != nil {
			return err
		}
	}
	said, err := goCommand(ctx, alone, nil, "mod", "download", "-json", p.module+"@"+p.version)
	if err != nil {
		return err
	}
	var got struct{ Dir string }
	if err := json.Unmarshal([]byte(said), &got); err != nil {
		return fmt.Errorf("downloading %s: %w", p.module, err)
	}
	to := filepath.Join(modules, p.dir)
	return filepath.WalkDir(got.Dir, func(from string, d fs.DirEntry, err error) error {
		name, inside := filepath.Rel(got.Dir, from)
		if err = errors.Join(err, inside); err != nil || name == p.file {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		}
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), text, 0o644)
		}
		return err
	})
}

// programName is what go build calls the program of a package.
func programName(pkg string) string {
	base := path.Base(pkg)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(pkg))
	}
	return base
}

// writePins writes the files that pin the component's modules to a new directory.
func (c component) writePins(dir string) error {
	pins, err := c.pinned()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing pins: %w", err)
	}
	for name, text := range pins {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			return fmt.Errorf("writing pins: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fmt.Errorf("writing pins: %w", err)
		}
	}
	return nil
}

// goVersion is of the go command, which decides what is built; of this
// program's own if there is none, so that a cache filled here stays in use.
func goVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return runtime.Version()
	}
	return strings.TrimSpace(string(out))
}

// goCommand runs the go command in dir, for machines like this one. Any env
// means cgo.
func goCommand(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// What the user set for other builds must not change these.
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOOS=linux", "GOARCH="+arch, "GOWORK=off", "GOAMD64=", "GOARM64=", "GOEXPERIMENT=", "CGO_ENABLED=0")
	if len(env) > 0 {
		cmd.Env = append(append(cmd.Env, "CGO_ENABLED=1"), env...)
	}
	// On an interrupt go ends its compilers itself.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return "", &Error{fmt.Errorf("running go: %w", err),
			"without internet the machines' software is built from source: install Go 1.26, or set HAKUBE_MIRROR_SOURCE=download where there is internet"}
	case err != nil:
		return "", &Error{fmt.Errorf("running go %s: %w\n%s", args[0], err, tail(stderr.Bytes(), 12)),
			"modules come from the module proxy that `go env GOPROXY` names: check that it answers"}
	}
	return string(bytes.TrimSpace(out)), nil
}

// tail returns the last n lines.
func tail(text []byte, n int) []byte {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-n):], []byte("\n"))
}
