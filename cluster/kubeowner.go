package cluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/refusal"
	"hakube/gce"
	"hakube/scripts/cure"
)

// An entryMark says in a kubeconfig whose an entry is: kubectl keeps extensions
// and looks at none. It holds as long as the certificate is the one it was
// written with: an entry that was turned to something else keeps it too.
type entryMark struct {
	Cluster string `json:"cluster"`
	Project string `json:"project"`
	Cloud   string `json:"cloud,omitempty"` // see Deps.Cloud
	SHA256  string `json:"sha256"`          // of the entry's certificate
}

// entryMarkName is its name among the extensions.
const entryMarkName = "hakube"

func (m entryMark) on(cert []byte) map[string]runtime.Object {
	m.SHA256 = hashOf(cert)
	b, err := json.Marshal(m)
	if err != nil { // texts only
		panic(err)
	}
	return map[string]runtime.Object{entryMarkName: &runtime.Unknown{Raw: b, ContentType: runtime.ContentTypeJSON}}
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// markOf reads the mark of an entry with the certificate.
func markOf(extensions map[string]runtime.Object, cert []byte) (m entryMark, ok bool) {
	x, is := extensions[entryMarkName].(*runtime.Unknown)
	if !is || json.Unmarshal(x.Raw, &m) != nil || m.SHA256 != hashOf(cert) {
		return entryMark{}, false
	}
	m.SHA256 = ""
	return m, true
}

func (m entryMark) String() string {
	s := fmt.Sprintf("cluster %s of project %s", m.Cluster, m.Project)
	if m.Cloud != "" {
		s += " in the embedded GCE of " + m.Cloud
	}
	return s
}

// dead tells that the cloud of a mark is no more: an embedded GCE whose
// directory is gone.
func (m entryMark) dead() bool {
	if m.Cloud == "" {
		return false
	}
	_, err := os.Stat(m.Cloud)
	return errors.Is(err, fs.ErrNotExist)
}

// An entryOwner tells this cluster's entries in a kubeconfig from others': by
// the mark, or, of entries that earlier versions wrote, by where they lead.
type entryOwner struct {
	mark  entryMark
	ip    func(context.Context) (string, error)                // the API's address, "" if it has none
	opens func(ctx context.Context, ip string, ca []byte) bool // whether the API there shows a certificate of the CA
}

func (r *run) entryOwner() entryOwner {
	return entryOwner{
		mark: entryMark{Cluster: string(r.want.Settings.Prefix), Project: r.want.Project, Cloud: r.deps.Cloud},
		ip: func(ctx context.Context) (string, error) {
			if r.GCE.Region() == "" { // not found out: there is nothing of the cluster
				return "", nil
			}
			ip, err := r.address(ctx)
			if no := (*refusal.Refused)(nil); errors.As(err, &no) || gce.IsNotFound(err) {
				return "", nil // the name is another's: told where it is needed
			}
			return ip, err
		},
		opens: r.showsCA,
	}
}

// showsCA tells whether the API at the address is one whose certificate the CA signed.
func (r *run) showsCA(ctx context.Context, ip string, ca []byte) bool {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, r.deps.Ready)
	defer cancel()
	conn, err := r.deps.Dial(ctx, "tcp", net.JoinHostPort(ip, "443"))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }() // nothing was written
	return tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: ip}).HandshakeContext(ctx) == nil
}

// cluster says why an entry's cluster is not this one, "" if it is.
func (o entryOwner) cluster(ctx context.Context, c *clientcmdapi.Cluster) (why string, err error) {
	if m, ok := markOf(c.Extensions, c.CertificateAuthorityData); ok && m != o.mark && !m.dead() {
		return fmt.Sprintf("leads to %s, %s", c.Server, m), nil
	} else if ok {
		return "", nil
	}
	ip, err := o.ip(ctx)
	if err != nil {
		return "", err
	}
	if u, err := url.Parse(c.Server); ip != "" && (err == nil && u.Hostname() == ip || o.opens(ctx, ip, c.CertificateAuthorityData)) {
		return "", nil
	}
	return "leads to " + cmp.Or(c.Server, "another cluster"), nil
}

// user says why credentials are not this cluster's; cl is its entry, nil if there is none of its own.
func (o entryOwner) user(u *clientcmdapi.AuthInfo, cl *clientcmdapi.Cluster) string {
	bare := *u
	bare.LocationOfOrigin, bare.Extensions, bare.ClientCertificateData, bare.ClientKeyData = "", nil, nil, nil
	if len(bare.ImpersonateUserExtra) == 0 {
		bare.ImpersonateUserExtra = nil
	}
	m, marked := markOf(u.Extensions, u.ClientCertificateData)
	switch {
	case !reflect.DeepEqual(bare, clientcmdapi.AuthInfo{}):
		return "has credentials that hakube did not write"
	case len(u.ClientCertificateData)+len(u.ClientKeyData) == 0: // nothing to lose
		return ""
	case marked && !m.dead() && m != o.mark:
		return fmt.Sprintf("has the credentials of %s", m)
	case marked:
		return ""
	case cl == nil || !signed(u.ClientCertificateData, cl.CertificateAuthorityData):
		return "has another cluster's credentials"
	}
	return ""
}

// signed tells whether a CA has made a certificate.
func signed(cert, ca []byte) bool {
	parse := func(text []byte) *x509.Certificate {
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
	c, by := parse(cert), parse(ca)
	return c != nil && by != nil && c.CheckSignatureFrom(by) == nil
}

// An entryVerdict is why parts of an entry are not this cluster's; "" is ours, or not there.
type entryVerdict struct{ cluster, user, context string }

// judge looks at all that a kubeconfig has of our name, and at what its context
// leads to.
func (o entryOwner) judge(ctx context.Context, c *clientcmdapi.Config, name string) (v entryVerdict, err error) {
	mine := c.Clusters[name]
	if mine != nil {
		if v.cluster, err = o.cluster(ctx, mine); err != nil {
			return v, err
		}
	}
	if v.cluster != "" {
		mine = nil
	}
	if u := c.AuthInfos[name]; u != nil {
		v.user = o.user(u, mine)
	}
	x := c.Contexts[name]
	if x == nil {
		return v, nil
	}
	if cl := c.Clusters[x.Cluster]; x.Cluster == name {
		v.context = v.cluster
	} else if cl != nil {
		if v.context, err = o.cluster(ctx, cl); err != nil {
			return v, err
		}
	}
	if u := c.AuthInfos[x.AuthInfo]; v.context == "" && x.AuthInfo != name && u != nil {
		if o.user(u, mine) != "" {
			v.context = "uses the credentials of " + x.AuthInfo
		}
	}
	return v, nil
}

// foreign says which parts are not ours, with why; "" when all are.
func (v entryVerdict) foreign(name, file string) string {
	var whys []string
	for _, x := range []struct{ what, why string }{{"context", v.context}, {"cluster", v.cluster}, {"user", v.user}} {
		if x.why != "" && (x.what != "cluster" || v.context != v.cluster) { // said of the context already
			whys = append(whys, "its "+x.what+" "+name+" "+x.why)
		}
	}
	if len(whys) == 0 {
		return ""
	}
	return "kubeconfig " + file + ": " + strings.Join(whys, ", and ")
}

// refusal is the error about an entry that is not ours.
func (v entryVerdict) refusal(name, file string) *refusal.Refused {
	why := v.foreign(name, file)
	if why == "" {
		return nil
	}
	return &refusal.Refused{
		Why:  why + "; it would be lost",
		Cure: cure.Hint("choose another name for this cluster's, here and from now on", cure.Same().With("OVERRIDE_CONTEXT", name+"-hakube")),
	}
}

// remove takes from a kubeconfig what is ours of the name, and the current
// context only if it was that.
func (v entryVerdict) remove(c *clientcmdapi.Config, name string) {
	if v.cluster == "" {
		delete(c.Clusters, name)
	}
	if v.user == "" {
		delete(c.AuthInfos, name)
	}
	if v.context != "" {
		return
	}
	delete(c.Contexts, name)
	if c.CurrentContext == name {
		c.CurrentContext = ""
	}
}

// has tells whether anything of the name is there and ours.
func (v entryVerdict) has(c *clientcmdapi.Config, name string) bool {
	return c.Clusters[name] != nil && v.cluster == "" || c.AuthInfos[name] != nil && v.user == "" || c.Contexts[name] != nil && v.context == ""
}

// ForgetCloud takes out of the files of a KUBECONFIG what leads to clusters of a
// cloud that is no more, and returns the names of the contexts.
func ForgetCloud(ctx context.Context, list, cloud string) (contexts []string, err error) {
	of := func(extensions map[string]runtime.Object, cert []byte) bool {
		m, ok := markOf(extensions, cert)
		return ok && m.Cloud == cloud
	}
	err = kubeconfigFiles(list).edit(ctx, time.Second, func(c *clientcmdapi.Config) error {
		contexts = nil
		for name, x := range c.Contexts {
			if cl := c.Clusters[x.Cluster]; cl != nil && of(cl.Extensions, cl.CertificateAuthorityData) {
				contexts = append(contexts, name)
				delete(c.Contexts, name)
			}
		}
		maps.DeleteFunc(c.Clusters, func(_ string, x *clientcmdapi.Cluster) bool { return of(x.Extensions, x.CertificateAuthorityData) })
		maps.DeleteFunc(c.AuthInfos, func(_ string, x *clientcmdapi.AuthInfo) bool { return of(x.Extensions, x.ClientCertificateData) })
		slices.Sort(contexts)
		if slices.Contains(contexts, c.CurrentContext) {
			c.CurrentContext = ""
		}
		return nil
	})
	return contexts, err
}

// MoveCloud turns what leads to clusters of a cloud to the proxy that reaches them now.
func MoveCloud(ctx context.Context, list, cloud, proxy string) error {
	return kubeconfigFiles(list).edit(ctx, time.Second, func(c *clientcmdapi.Config) error {
		for _, x := range c.Clusters {
			if m, ok := markOf(x.Extensions, x.CertificateAuthorityData); ok && m.Cloud == cloud {
				x.ProxyURL = proxy
			}
		}
		return nil
	})
}
