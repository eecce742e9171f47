// Package trust is the certificate authority of one embedded GCE: what its machines
// reach by the names of Google's services shows a certificate of this authority, and they
// trust it as they would trust Google's.
//
// Each state directory has one of its own, whose key never leaves it: the image, which
// users of a host may share, has none. It can vouch for names below googleapis.com and
// for nothing else, so that what trusts it by mistake loses no more than that.
//
// The package must not import anything of ours.
package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"
)

// domain is all that an authority can vouch for.
const domain = "googleapis.com"

const (
	name = "Embedded GCE of hakube"
	life = 10 * 365 * 24 * time.Hour
	slip = time.Hour // of clocks
)

// An Authority makes certificates that an embedded GCE's machines trust.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Open reads the authority that a file holds. One that is not there, or is over soon, is
// made; save keeps it so that nobody else can read it.
func Open(path string, save func(path string, text []byte) error) (*Authority, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		a, err := read(text)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate authority of the embedded GCE in %s: %w", path, err)
		}
		if time.Until(a.certificate.NotAfter) > life/10 {
			return a, os.Chmod(path, 0o600)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the certificate authority of the embedded GCE: %w", err)
	}
	a, text, err := newAuthority()
	if err == nil {
		err = save(path, text)
	}
	if err != nil {
		return nil, fmt.Errorf("making the certificate authority of the embedded GCE: %w", err)
	}
	return a, nil
}

func read(text []byte) (*Authority, error) {
	a := &Authority{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var err error
		switch block.Type {
		case "CERTIFICATE":
			a.certificate, err = x509.ParseCertificate(block.Bytes)
		case "EC PRIVATE KEY":
			a.key, err = x509.ParseECPrivateKey(block.Bytes)
		}
		if err != nil {
			return nil, err
		}
	}
	if a.certificate == nil || a.key == nil || !a.key.PublicKey.Equal(a.certificate.PublicKey) {
		return nil, errors.New("it has not a certificate with its key")
	}
	return a, nil
}

func newAuthority() (*Authority, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		// The number is in the name: of two authorities in one trust store each is found.
		SerialNumber: serial, Subject: pkix.Name{CommonName: name + " " + serial.Text(36)}, NotBefore: now.Add(-slip), NotAfter: now.Add(life),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{domain},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})...)
	return &Authority{certificate, key}, text, err
}

// Certificate is what machines trust, as PEM.
func (a *Authority) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// Server is TLS as a server of some names has it. Its key is of this process alone, and
// its certificate as good as the authority's: a daemon may run for long.
func (a *Authority) Server(names []string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-slip), NotAfter: a.certificate.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}
