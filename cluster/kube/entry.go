package kube

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	// clientcmd: the kubeconfig format, read and written as kubectl does it.
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// An Entry is what a kubeconfig says of one cluster.
type Entry struct {
	Server, Proxy string
	CA, Cert, Key []byte
}

// HasEntry tells whether anything of the name is in the kubeconfig.
func HasEntry(c *clientcmdapi.Config, name string) bool {
	return c.Clusters[name] != nil || c.AuthInfos[name] != nil || c.Contexts[name] != nil
}

// EntryOf is the entry a context leads to; false if it has not all of it embedded.
func EntryOf(c *clientcmdapi.Config, name string) (e Entry, ok bool) {
	x := c.Contexts[name]
	if x == nil {
		return e, false
	}
	cl, user := c.Clusters[x.Cluster], c.AuthInfos[x.AuthInfo]
	if cl == nil || user == nil {
		return e, false
	}
	e = Entry{
		Server: cl.Server, Proxy: cl.ProxyURL, CA: cl.CertificateAuthorityData,
		Cert: user.ClientCertificateData, Key: user.ClientKeyData,
	}
	return e, len(e.CA) > 0 && len(e.Cert) > 0 && len(e.Key) > 0
}

// Put writes the entry under a name, as cluster, user and context, with the mark.
func (e Entry) Put(c *clientcmdapi.Config, name string, mark Mark) {
	cl := clientcmdapi.NewCluster()
	cl.Server, cl.ProxyURL, cl.CertificateAuthorityData, cl.Extensions = e.Server, e.Proxy, e.CA, mark.on(e.CA)
	user := clientcmdapi.NewAuthInfo()
	user.ClientCertificateData, user.ClientKeyData, user.Extensions = e.Cert, e.Key, mark.on(e.Cert)
	x := clientcmdapi.NewContext()
	x.Cluster, x.AuthInfo = name, name
	if old := c.Contexts[name]; old != nil {
		x.Namespace = old.Namespace // the operator's, not ours
	}
	c.Clusters[name], c.AuthInfos[name], c.Contexts[name] = cl, user, x
}

// WithoutPassword is an URL as it may be shown.
func WithoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "not a URL"
	}
	return strconv.Quote(u.Redacted())
}

// AdminEntry reads what scripts.AdminKubeconfig prints.
func AdminEntry(text []byte) (Entry, error) {
	admin, err := clientcmd.Load(text)
	if err != nil {
		return Entry{}, fmt.Errorf("reading the master's kubeconfig: %w", err)
	}
	e, ok := EntryOf(admin, admin.CurrentContext)
	if !ok {
		return Entry{}, fmt.Errorf("reading the master's kubeconfig: it has no certificates embedded")
	}
	return e, nil
}

// CAHash is the hash of the cluster CA's public key, as kubeadm join wants it.
func (e Entry) CAHash() (string, error) {
	block, _ := pem.Decode(e.CA)
	if block == nil {
		return "", errors.New("reading the cluster's CA: no certificate in it")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("reading the cluster's CA: %w", err)
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// operatorPrefix begins the names of those who have a certificate of their own; the
// masters' own is kubernetes-admin's.
const operatorPrefix = "hakube:"

// UsualDays is how long a certificate of days lives when nobody says how many.
const UsualDays = 7

// soon is how long a certificate must still live for it to do: a run takes minutes.
const soon = time.Hour

var strange = regexp.MustCompile(`[^A-Za-z0-9._@-]+`)

// OperatorName is a login as a certificate's name has it.
func OperatorName(login string) string {
	name := strange.ReplaceAllString(login, "-")
	if name == "" {
		name = "operator"
	}
	return name[:min(len(name), 60)]
}

// certificate is the entry's, nil when there is none to be read.
func (e Entry) certificate() *x509.Certificate { return certificateOf(e.Cert) }

// certificateOf reads the first one in PEM, nil when there is none to be read.
func certificateOf(text []byte) *x509.Certificate {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return c
}

// User is whom the API takes the entry's bearer for, and until when.
func (e Entry) User() (name string, until time.Time) {
	if c := e.certificate(); c != nil {
		return c.Subject.CommonName, c.NotAfter
	}
	return "", time.Time{}
}

// OfDays tells an operator's own certificate from the masters', which lives ten years.
func (e Entry) OfDays() bool {
	name, _ := e.User()
	return strings.HasPrefix(name, operatorPrefix)
}

// Over says that the entry's certificate has ended, or does so within the hour; "" if
// it lives.
func (e Entry) Over(now time.Time) string {
	_, until := e.User()
	switch {
	case until.IsZero() || now.Add(soon).Before(until):
		return ""
	case now.Before(until):
		return "its certificate ends at " + until.UTC().Format(time.RFC3339)
	}
	return "its certificate has ended at " + until.UTC().Format(time.RFC3339)
}
