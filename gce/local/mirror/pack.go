package mirror

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// epoch is the time of all files made here.
var epoch = time.Unix(0, 0)

// place is where the file of an official URL lies below tree.
func place(tree, url string) string {
	return filepath.Join(tree, filepath.FromSlash(strings.TrimPrefix(url, "https://")))
}

// pack makes the component's official files of its programs, with checksums.
func (c component) pack(bin, tree string) error {
	for _, a := range c.assets {
		file := place(tree, a.url)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("packing %s: %w", c.name, err)
		}
		var err error
		if a.dir == "" {
			err = os.Link(filepath.Join(bin, a.programs[0]), file)
		} else {
			err = archive(file, bin, a)
		}
		if err == nil {
			err = writeSum(place(tree, a.sums), file, strings.HasPrefix(a.sums, releases))
		}
		if err != nil {
			return fmt.Errorf("packing %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

// packed is how hard archives and image layers are compressed: not at all.
// They never leave this machine, and a guest that unpacks half a gigabyte has
// better use for the processors it shares.
const packed = gzip.NoCompression

// archive writes the asset's programs as a gzipped tar file.
func archive(file, bin string, a asset) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewWriterLevel(f, packed)
	if err != nil {
		return err
	}
	w := tar.NewWriter(z)
	for _, p := range a.programs {
		if err := addFile(w, path.Join(a.dir, p), filepath.Join(bin, p), 0o755); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), z.Close())
}

// addFile adds one program to a tar file, with the permissions of mode.
func addFile(w *tar.Writer, name, file string, mode int64) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	// No time of its own: what is made of the same is the same.
	h := &tar.Header{Name: name, Mode: mode, Size: info.Size(), Typeflag: tar.TypeReg, ModTime: epoch}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// writeSum writes the checksum of file as sha256sum does, or bare as
// Kubernetes does.
func writeSum(sums, file string, bare bool) error {
	sum, err := sha256File(file)
	if err != nil {
		return err
	}
	if bare {
		return os.WriteFile(sums, []byte(sum), 0o644)
	}
	return os.WriteFile(sums, fmt.Appendf(nil, "%s  %s\n", sum, filepath.Base(file)), 0o644)
}

func sha256File(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
