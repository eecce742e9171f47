package kube

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// CAHash is the hash of the cluster CA's public key, as kubeadm join wants it: of the one that
// signs, if there are several.
func (e Entry) CAHash() (string, error) {
	list := CAHashes(e.CA)
	if len(list) == 0 {
		return "", errors.New("reading the cluster's CA: no certificate in it")
	}
	return list[0], nil
}

// CAHashes are those of all authorities in PEM, in their order.
func CAHashes(text []byte) (list []string) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return list
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
			list = append(list, "sha256:"+hex.EncodeToString(sum[:]))
		}
		text = rest
	}
}

// By tells whether the entry's certificate is signed by the first of its authorities.
func (e Entry) By() bool {
	c, ca := e.certificate(), certificateOf(e.CA)
	return c != nil && ca != nil && c.CheckSignatureFrom(ca) == nil
}

// Published is what pods are told to trust (kube-root-ca.crt), nil if that cannot be asked: the
// authority that signs first.
func (c *Client) Published(ctx context.Context) []string {
	m, err := c.ConfigMaps(tokenNamespace).Get(ctx, publishedName, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return CAHashes([]byte(m.Data["ca.crt"]))
}

// publishedName is the ConfigMap that Kubernetes puts into every namespace.
const publishedName = "kube-root-ca.crt"

// ReadsAuthorities tells whether a pod has that in a volume, as one with a token has.
func ReadsAuthorities(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(s corev1.VolumeProjection) bool {
			return s.ConfigMap != nil && s.ConfigMap.Name == publishedName
		})
	})
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
