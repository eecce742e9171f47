package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// TestSigned: credentials of another cluster's CA are not this one's, though both are
// called alike.
func TestSigned(t *testing.T) {
	made := func(of, by *x509.Certificate, key, byKey *ecdsa.PrivateKey) []byte {
		raw, err := x509.CreateCertificate(rand.Reader, of, by, &key.PublicKey, byKey)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	user := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour)}
	one, other, own := key(), key(), key()
	oneCA, otherCA := made(authority, authority, one, one), made(authority, authority, other, other)
	cert := made(user, authority, own, one)
	if !signed(cert, oneCA) || signed(cert, otherCA) || signed(nil, oneCA) || signed(cert, nil) || signed([]byte("-----BEGIN CERTIFICATE-----\n"), oneCA) {
		t.Error("whose credentials they are is not told")
	}
}
