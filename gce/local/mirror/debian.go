package mirror

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// eachFile calls see for every entry of a tar file.
func eachFile(file string, see func(*tar.Header, io.Reader) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		if err := see(h, r); err != nil {
			return err
		}
	}
}

// cleanName is an entry's name without the ./ that tar files may have.
func cleanName(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// dropped are directories of Debian packages that an image needs nothing of:
// device nodes, which the runtime makes, the package manager and its state,
// units, documentation, perl (debconf's) and character sets. /tmp is made here.
var dropped = []string{
	"dev", "etc/apt", "etc/dpkg", "etc/fstab", "etc/hostname", "etc/resolv.conf", "etc/init.d", "etc/logrotate.d", "etc/ufw",
	"lib/systemd", "usr/bin/perl", "usr/bin/perl5*", "usr/lib/*/perl-base", "usr/lib/*/gconv", "usr/lib/*/engines-3", "usr/share/bug",
	"usr/share/debconf", "usr/share/doc", "usr/share/info", "usr/share/initramfs-tools", "usr/share/lintian", "usr/share/locale",
	"tmp", "usr/share/man", "usr/share/perl5", "var/cache", "var/lib/apt", "var/lib/dpkg", "var/log/apt",
}

// wanted tells whether an image needs the file of a Debian package.
func wanted(name string) bool {
	for dir := name; dir != "."; dir = path.Dir(dir) {
		for _, pattern := range dropped {
			// The patterns are constants, and good ones.
			if match, _ := path.Match(pattern, dir); match {
				return false
			}
		}
	}
	return name != ""
}

// certificates is the bundle of the certificate authorities in Debian's
// package ca-certificates, as its update-ca-certificates writes it.
func certificates(debian string) (string, error) {
	var bundle strings.Builder
	err := eachFile(debian, func(h *tar.Header, body io.Reader) error {
		name := cleanName(h.Name)
		if h.Typeflag != tar.TypeReg || !strings.HasPrefix(name, "usr/share/ca-certificates/") || path.Ext(name) != ".crt" {
			return nil
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		bundle.WriteString(strings.TrimSpace(string(text)) + "\n")
		return nil
	})
	if err == nil && bundle.Len() == 0 {
		err = errors.New("the package has none")
	}
	if err != nil {
		return "", fmt.Errorf("collecting certificates: %w", err)
	}
	return bundle.String(), nil
}

// writeFile writes all of body to a new file.
func writeFile(file string, body io.Reader, mode fs.FileMode) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

// extract writes one program of a Debian package to a file.
func extract(debian, name, to string) error {
	found := false
	err := eachFile(debian, func(h *tar.Header, body io.Reader) error {
		if found || cleanName(h.Name) != name {
			return nil
		}
		found = true
		return writeFile(to, body, 0o755)
	})
	if err == nil && !found {
		err = fs.ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("extracting %s: %w", name, err)
	}
	return nil
}
