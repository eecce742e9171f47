package etcdtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"

	"hakube/replicate/etcdtest/kubeapi"
)

// A pki is a cluster's certificate authority, kept on its masters' disks.
type pki struct {
	CA  []byte `json:"ca"`  // PEM
	Key []byte `json:"key"` // PEM
}

// validity is that of kubeadm's CA; the startup-script gives all others the same.
const validity = 10 * 365 * 24 * time.Hour

// newPKI is an authority of some age.
func newPKI(age time.Duration) (*pki, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the cluster's CA: %w", err)
	}
	t := aged(template("kubernetes"), age)
	t.IsCA, t.BasicConstraintsValid = true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	t.DNSNames = []string{"kubernetes"} // kubeadm's own habit
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the cluster's CA: %w", err)
	}
	private, err := pemKey(key)
	if err != nil {
		return nil, fmt.Errorf("making the cluster's CA: %w", err)
	}
	return &pki{CA: pemBlock("CERTIFICATE", der), Key: private}, nil
}

// template is what all certificates have. They begin a little in the past, so
// that a clock that is slightly behind takes them.
func template(name string, groups ...string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63)) // never fails: see crypto/rand
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: groups},
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(validity),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// aged is a certificate as if it had been made that long ago.
func aged(t *x509.Certificate, age time.Duration) *x509.Certificate {
	t.NotBefore, t.NotAfter = t.NotBefore.Add(-age), t.NotAfter.Add(-age)
	return t
}

func (p *pki) ca() (*x509.Certificate, error) {
	block, _ := pem.Decode(p.CA)
	if block == nil {
		return nil, fmt.Errorf("reading the cluster's CA: not PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// hash is what kubeadm takes as --discovery-token-ca-cert-hash.
func (p *pki) hash() (string, error) {
	c, err := p.ca()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256(c.RawSubjectPublicKeyInfo)), nil
}

// issue signs a certificate for t, with a key of its own. Both are PEM.
func (p *pki) issue(t *x509.Certificate) (cert, key []byte, err error) {
	pair, err := tls.X509KeyPair(p.CA, p.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("loading the cluster's CA: %w", err)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("issuing a certificate for %s: %w", t.Subject.CommonName, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, pair.Leaf, own.Public(), pair.PrivateKey)
	if err == nil {
		key, err = pemKey(own)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("issuing a certificate for %s: %w", t.Subject.CommonName, err)
	}
	return pemBlock("CERTIFICATE", der), key, nil
}

// admin issues the certificate of kubeadm's admin.conf.
func (p *pki) admin(age time.Duration) (cert, key []byte, err error) {
	t := aged(template("kubernetes-admin", kubeapi.AdminGroup), age)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return p.issue(t)
}

// operator issues a certificate that scripts/admin-kubeconfig.sh has made for somebody.
func (p *pki) operator(name string, days int) (cert, key []byte, err error) {
	t := template("hakube:"+name, kubeapi.AdminGroup)
	t.NotAfter = time.Now().AddDate(0, 0, days)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return p.issue(t)
}

// serving issues an API server's certificate.
func (p *pki) serving(names []string, addresses []net.IP) (tls.Certificate, error) {
	t := template("kube-apiserver")
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.DNSNames, t.IPAddresses = names, addresses
	cert, key, err := p.issue(t)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pemKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pemBlock("EC PRIVATE KEY", der), nil
}

// adminConf is a kubeconfig as kubeadm writes it to admin.conf.
func adminConf(server, cluster string, ca, cert, key []byte) string {
	b64 := base64.StdEncoding.EncodeToString
	var b bytes.Buffer
	fmt.Fprintf(&b, `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: %s
  name: %[3]s
contexts:
- context:
    cluster: %[3]s
    user: kubernetes-admin
  name: kubernetes-admin@%[3]s
current-context: kubernetes-admin@%[3]s
kind: Config
users:
- name: kubernetes-admin
  user:
    client-certificate-data: %[4]s
    client-key-data: %[5]s
`, b64(ca), server, cluster, b64(cert), b64(key))
	return b.String()
}
