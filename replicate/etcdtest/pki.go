package etcdtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"hakube/replicate/etcdtest/kubeapi"
	"hakube/scripts"
)

// A pki is a cluster's certificate authority, kept on its masters' disks.
type pki struct {
	CA  []byte `json:"ca"`  // PEM
	Key []byte `json:"key"` // PEM
}

// validity is that of kubeadm's CA; the startup-script gives all others the same.
const validity = 10 * 365 * 24 * time.Hour

// newPKI is an authority of some age.
func newPKI(age time.Duration) (*pki, error) { return newNamedPKI("kubernetes", age) }

// newNamedPKI does so with a name.
func newNamedPKI(name string, age time.Duration) (*pki, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the cluster's CA: %w", err)
	}
	t := aged(template(name), age)
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
	return hashOf(c), nil
}

func hashOf(c *x509.Certificate) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256(c.RawSubjectPublicKeyInfo))
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

// serving issues an API server's certificate, which is shown with what is to be behind it.
func (p *pki) serving(names []string, addresses []net.IP, behind []byte) (tls.Certificate, error) {
	t := template("kube-apiserver")
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.DNSNames, t.IPAddresses = names, addresses
	cert, key, err := p.issue(t)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(append(cert, behind...), key)
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

// tokenKeys are the keys of tokens of service accounts, as tokens name them.
type tokenKeys struct {
	Signs  string   `json:"signs"`
	Trusts []string `json:"trusts"`
	Next   string   `json:"next,omitempty"` // will sign
	At     exchange `json:"at,omitzero"`
}

const fileTrusted = "kubernetes/pki/sa.pub"

func (k tokenKeys) export(files map[string][]byte) {
	files[scripts.TokenKeyFile], files[fileTrusted] = []byte(k.Signs), []byte(strings.Join(k.Trusts, "\n"))
	if k.Next != "" {
		files[scripts.NewTokenKeyFile] = []byte(k.Next)
	}
}

func tokenKeysOf(files map[string][]byte) tokenKeys {
	return tokenKeys{Signs: string(files[scripts.TokenKeyFile]), Trusts: strings.Fields(string(files[fileTrusted])), Next: string(files[scripts.NewTokenKeyFile])}
}

// trust has tokens by a key taken.
func (k *tokenKeys) trust(id string) (n int) {
	if id != "" && !slices.Contains(k.Trusts, id) {
		k.Trusts, n = append(k.Trusts, id), 1
	}
	return n
}

// alsoTrust does so with those of a backup.
func (k *tokenKeys) alsoTrust(files map[string][]byte) (n int) {
	for _, id := range tokenKeysOf(files).Trusts {
		n += k.trust(id)
	}
	return n
}

// fill is what a controller-manager does to Secrets for tokens that have none.
func (k *tokenKeys) fill(put map[string]json.RawMessage) error {
	for key, value := range put {
		if !isSecret(key) || !bytes.Contains(value, []byte(corev1.SecretTypeServiceAccountToken)) {
			continue
		}
		var s corev1.Secret
		if err := json.Unmarshal(value, &s); err != nil {
			return err
		}
		if len(s.Data[corev1.ServiceAccountTokenKey]) > 0 {
			continue
		}
		head := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"ES256","kid":%q}`, k.Signs))
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[corev1.ServiceAccountTokenKey] = []byte(head + ".model.model")
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		put[key] = text
	}
	return nil
}

// TokenKeys are how tokens name the key that the machine signs them with, and those by which
// it takes them.
func (g *Guest) TokenKeys() (signs string, trusts []string) {
	return g.keysOf(func(x *content) tokenKeys { return x.Tokens })
}

// ExchangedTokens is which exchange of that was brought how far.
func (g *Guest) ExchangedTokens() string {
	return g.exchangeOf(func(x *content) exchange { return x.Tokens.At })
}

// tokenKey is what scripts/etcd-status.sh says of it.
func (g *Guest) tokenKey(all bool) map[string]any {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil {
		return map[string]any{}
	}
	k := g.control.disk.content.Tokens
	said := map[string]any{"keys": len(k.Trusts), "rotation": k.At.Rotation, "stage": k.At.Stage}
	if all {
		said["signs"] = k.Signs
	}
	return said
}

var tokenStage = regexp.MustCompile(`^(trusted|signs|alone)$`)

// serviceAccountKey is scripts/service-account-key.sh.
func serviceAccountKey(ctx context.Context, c Call) int {
	if len(c.Args) != 2 || !tokenStage.MatchString(c.Args[0]) || !rotationArgument.MatchString(c.Args[1]) {
		return c.fail("usage: service-account-key trusted|signs|alone ROTATION")
	}
	stage, rotation := c.Args[0], c.Args[1]
	g := c.Guest
	g.booted(ctx)
	if !g.founded() {
		return c.fail("this machine is no master yet")
	}
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k := &g.control.disk.content.Tokens
	if stage != "alone" && k.At.Rotation != rotation {
		if k.Next == k.Signs {
			k.Next = ""
		}
		switch m := haveLine.FindStringSubmatch(c.Script); {
		case m != nil && m[1] != "":
			have, err := base64.StdEncoding.DecodeString(m[1])
			if err != nil {
				return c.fail("what another master has is no key")
			}
			k.Next = string(have)
		case k.Next == "":
			k.Next = "kid-" + rotation
		}
		k.trust(k.Next)
		k.trust(k.Signs)
	}
	switch {
	case stage == "signs" && k.Next != "":
		k.Signs, k.Next = k.Next, ""
	case stage == "alone" && k.Next != "":
		return c.fail("another key is here, which does not sign yet")
	case stage == "alone":
		k.Trusts = []string{k.Signs}
	}
	k.At = exchange{rotation, stage}
	if err := g.control.disk.save(); err != nil {
		return c.fail("%v", err)
	}
	if !g.ready() {
		return c.fail("the API server has the keys of its files: not after 240 s")
	}
	return c.answer(map[string]string{"serviceAccount": rotation + " " + stage})
}
