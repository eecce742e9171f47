package kube

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"strings"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/refusal"
	"hakube/scripts/cure"
)

// An Owner tells this cluster's entries in a kubeconfig from others': by
// the mark, or, of entries that earlier versions wrote, by where they lead.
type Owner struct {
	Mark  Mark
	IP    func(context.Context) (string, error)                // the API's address, "" if it has none
	Opens func(ctx context.Context, ip string, ca []byte) bool // whether the API there shows a certificate of the CA
}

// ShowsCA tells whether the API at the address is one whose certificate the CA
// signed. It has so long to show it.
func ShowsCA(ctx context.Context, dial Dialer, limit time.Duration, ip string, ca []byte) bool {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := dial(ctx, "tcp", net.JoinHostPort(ip, "443"))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }() // nothing was written
	return tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: ip}).HandshakeContext(ctx) == nil
}

// cluster says why an entry's cluster is not this one, "" if it is.
func (o Owner) cluster(ctx context.Context, c *clientcmdapi.Cluster) (why string, err error) {
	if m, ok := MarkOf(c.Extensions, c.CertificateAuthorityData); ok && m != o.Mark && !m.dead() {
		return fmt.Sprintf("leads to %s, %s", c.Server, m), nil
	} else if ok {
		return "", nil
	}
	ip, err := o.IP(ctx)
	if err != nil {
		return "", err
	}
	if u, err := url.Parse(c.Server); ip != "" && (err == nil && u.Hostname() == ip || o.Opens(ctx, ip, c.CertificateAuthorityData)) {
		return "", nil
	}
	return "leads to " + cmp.Or(c.Server, "another cluster"), nil
}

// user says why credentials are not this cluster's; cl is its entry, nil if there is none of its own.
func (o Owner) user(u *clientcmdapi.AuthInfo, cl *clientcmdapi.Cluster) string {
	bare := *u
	bare.LocationOfOrigin, bare.Extensions, bare.ClientCertificateData, bare.ClientKeyData = "", nil, nil, nil
	if len(bare.ImpersonateUserExtra) == 0 {
		bare.ImpersonateUserExtra = nil
	}
	m, marked := MarkOf(u.Extensions, u.ClientCertificateData)
	switch {
	case !reflect.DeepEqual(bare, clientcmdapi.AuthInfo{}):
		return "has credentials that hakube did not write"
	case len(u.ClientCertificateData)+len(u.ClientKeyData) == 0: // nothing to lose
		return ""
	case marked && !m.dead() && m != o.Mark:
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
	c, by := certificateOf(cert), certificateOf(ca)
	return c != nil && by != nil && c.CheckSignatureFrom(by) == nil
}

// A Verdict is why parts of an entry are not this cluster's; "" is ours, or not there.
type Verdict struct{ cluster, user, context string }

// Judge looks at all that a kubeconfig has of our name, and at what its context
// leads to.
func (o Owner) Judge(ctx context.Context, c *clientcmdapi.Config, name string) (v Verdict, err error) {
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

// Foreign says which parts are not ours, with why; "" when all are.
func (v Verdict) Foreign(name, file string) string {
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

// Refusal is the error about an entry that is not ours.
func (v Verdict) Refusal(name, file string) *refusal.Refused {
	why := v.Foreign(name, file)
	if why == "" {
		return nil
	}
	return &refusal.Refused{
		Why:  why + "; it would be lost",
		Cure: cure.Hint("choose another name for this cluster's, here and from now on", cure.Same().With("OVERRIDE_CONTEXT", name+"-hakube")),
	}
}

// Remove takes from a kubeconfig what is ours of the name, and the current
// context only if it was that.
func (v Verdict) Remove(c *clientcmdapi.Config, name string) {
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

// Has tells whether anything of the name is there and ours.
func (v Verdict) Has(c *clientcmdapi.Config, name string) bool {
	return c.Clusters[name] != nil && v.cluster == "" || c.AuthInfos[name] != nil && v.user == "" || c.Contexts[name] != nil && v.context == ""
}
