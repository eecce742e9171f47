package trust

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Where Debian keeps whom it trusts: own is for an administrator's certificates, and
// update-ca-certificates makes of all of them the bundle, which Go and curl read, and
// links by their subjects, which OpenSSL and Python look for.
const (
	own    = "usr/local/share/ca-certificates"
	file   = "hakube-embedded-gce.crt"
	hashed = "etc/ssl/certs"
	bundle = hashed + "/ca-certificates.crt"
)

// Install makes a file system trust a certificate, as update-ca-certificates would: that
// can be run later too, and leaves it there. A root without Debian's certificates stays
// as it is, since who took them out trusts nobody.
func Install(root *os.Root, certificate []byte) error {
	all, err := root.ReadFile(bundle)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading who is trusted: %w", err)
	}
	if err := root.MkdirAll(own, 0o755); err != nil {
		return err
	}
	if err := replace(root, path.Join(own, file), certificate); err != nil {
		return err
	}
	hash, err := subjectHash(certificate)
	if err != nil {
		return err
	}
	link := path.Join(hashed, hash+".0") // its name is random: nobody else's has this number
	if err := root.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := root.Symlink("/"+path.Join(own, file), link); err != nil {
		return err
	}
	if bytes.Contains(all, certificate) {
		return nil
	}
	if len(all) > 0 && all[len(all)-1] != '\n' {
		all = append(all, '\n')
	}
	return replace(root, bundle, append(all, certificate...))
}

// replace writes a file anew, whatever was under its name: what a machine's user put
// there as a link may lead anywhere in the machine.
func replace(root *os.Root, name string, text []byte) error {
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return root.WriteFile(name, text, 0o644)
}

// subjectHash is how OpenSSL finds a certificate of Debian's by its subject: SHA-1 of the
// name in a canonical form, which for one of a single printable common name is that name
// in small letters, as UTF-8 (X509_NAME_hash_ex(3)).
func subjectHash(certificate []byte) (string, error) {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return "", errors.New("no certificate to trust")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", err
	}
	value, err := asn1.MarshalWithParams(strings.ToLower(strings.Join(strings.Fields(c.Subject.CommonName), " ")), "utf8")
	if err != nil {
		return "", err
	}
	set, err := asn1.MarshalWithParams([]struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}{{asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.RawValue{FullBytes: value}}}, "set")
	if err != nil {
		return "", err
	}
	sum := sha1.Sum(set)
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(sum[:4])), nil
}
