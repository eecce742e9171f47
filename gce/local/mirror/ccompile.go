package mirror

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"hakube/gce/local/image"
)

// withLibraries unpacks Debian packages of libraries into dir and returns the
// environment in which cgo finds them there, and not the host's own: no package
// has to be installed for it, and pkg-config neither.
func withLibraries(ctx context.Context, dir string, packages []string) (env []string, err error) {
	if err := findGCC(); err != nil {
		return nil, err
	}
	lib, include := filepath.Join(dir, "lib"), filepath.Join(dir, "include")
	if err := errors.Join(os.MkdirAll(lib, 0o755), os.MkdirAll(include, 0o755)); err != nil {
		return nil, err
	}
	debian := filepath.Join(dir, "debian.tar")
	if err := image.Unpack(ctx, debian, packages...); err != nil {
		return nil, err
	}
	err = eachFile(debian, func(h *tar.Header, body io.Reader) error {
		to := ""
		switch name := cleanName(h.Name); {
		case h.Typeflag != tar.TypeReg:
		case path.Dir(name) == "usr/include":
			to = filepath.Join(include, path.Base(name))
		case strings.HasPrefix(name, "usr/lib/") && path.Ext(name) == ".a":
			to = filepath.Join(lib, path.Base(name))
		}
		if to == "" {
			return nil
		}
		return writeFile(to, body, 0o644)
	})
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", strings.Join(packages, ", "), err)
	}
	// cgo asks `pkg-config --cflags|--libs … -- libNAME`.
	answer := fmt.Sprintf(`#!/bin/sh
what=$1
for name; do :; done
case $what in
--cflags) echo "-I%s" ;;
--libs) echo "-L%s -l${name#lib}" ;;
esac
`, include, lib)
	program := filepath.Join(dir, "pkg-config")
	if err := os.WriteFile(program, []byte(answer), 0o755); err != nil {
		return nil, err
	}
	return []string{"PKG_CONFIG=" + program, "CC=gcc"}, nil
}

func findGCC() error {
	if _, err := exec.LookPath("gcc"); err != nil {
		return &Error{fmt.Errorf("looking for a C compiler: %w", err), "runc and pause are written in C in part: apt-get install gcc libc6-dev"}
	}
	return nil
}

// buildPause compiles pause from the source that comes with Kubernetes' module.
func buildPause(ctx context.Context, work, out string) error {
	if err := findGCC(); err != nil {
		return err
	}
	module, err := kubernetesSource(ctx, work)
	if err != nil {
		return err
	}
	source := filepath.Join(module, "build", "pause", "linux", "pause.c")
	cmd := exec.CommandContext(ctx, "gcc", "-Os", "-Wall", "-static", "-s", "-DVERSION=v"+Pause, "-o", out, source)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling pause: %w\n%s", err, bytes.TrimSpace(text))
	}
	return nil
}

// kubernetesSource is the directory of Kubernetes' module, in which there is more than Go.
func kubernetesSource(ctx context.Context, work string) (string, error) {
	modules := filepath.Join(work, "modules")
	if err := kubernetes("kubernetes", "kubernetes", Kubernetes).writePins(modules); err != nil {
		return "", err
	}
	text, err := goCommand(ctx, modules, nil, "mod", "download", "-json", "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(text), &module); err != nil {
		return "", fmt.Errorf("finding the source of Kubernetes: %w", err)
	}
	return module.Dir, nil
}
