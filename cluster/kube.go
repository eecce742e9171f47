package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	// typed/core/v1 alone: Nodes, Secrets and Pods are all that is asked for, and
	// the whole clientset would double the start-up time.
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"hakube/cluster/plan"
)

// kubeLimit is how long one call to the API may take.
const kubeLimit = 15 * time.Second

// A kubeClient is a client and the entry it was made with.
type kubeClient struct {
	entry
	corev1client.CoreV1Interface
}

// clientOf speaks to the API with the credentials of a kubeconfig entry, over
// one connection as long as the entry stays the same. It dials as this machine
// reaches the cluster; the entry's proxy is for kubectl.
func (r *run) clientOf(e entry) (corev1client.CoreV1Interface, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil && r.client.same(e) {
		return r.client, nil
	}
	c, err := newKubeClient(e, r.deps.Dial)
	if err != nil {
		return nil, err
	}
	r.client = &kubeClient{e, c}
	return c, nil
}

func newKubeClient(e entry, dial func(context.Context, string, string) (net.Conn, error)) (corev1client.CoreV1Interface, error) {
	return corev1client.NewForConfig(&rest.Config{
		Host: e.server,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: e.ca, CertData: e.cert, KeyData: e.key,
		},
		ContentConfig: rest.ContentConfig{ContentType: "application/json"},
		UserAgent:     "hakube",
		QPS:           -1, // a handful of calls; waiting is paced where it is done
		Timeout:       kubeLimit,
		Dial:          dial,
		WrapTransport: func(t http.RoundTripper) http.RoundTripper { return gated{t} },
		Proxy:         func(*http.Request) (*url.URL, error) { return nil, nil },
	})
}

// gated asks the gate of the run before each change.
type gated struct{ http.RoundTripper }

func (g gated) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		if err := plan.Gate(r.Context()); err != nil {
			return nil, err
		}
	}
	return g.RoundTripper.RoundTrip(r)
}

func (e entry) same(o entry) bool {
	return e.server == o.server && bytes.Equal(e.ca, o.ca) && bytes.Equal(e.cert, o.cert) && bytes.Equal(e.key, o.key)
}

// errNoEntry says that the cluster cannot be asked yet.
var errNoEntry = errors.New("there are no credentials for it yet")

// entry is our own entry in the kubeconfig.
func (r *run) entry() (entry, error) {
	config, err := r.kubeFiles().load()
	if err != nil {
		return entry{}, err
	}
	e, ok := entryOf(config, r.want.Context)
	if !ok {
		return entry{}, errNoEntry
	}
	return e, nil
}

// kube speaks to the API with our own entry, or else with what was lent.
func (r *run) kube(ctx context.Context) (corev1client.CoreV1Interface, error) {
	r.mu.Lock()
	lent := r.lent
	r.mu.Unlock()
	if lent != nil {
		return r.clientOf(*lent)
	}
	e, err := r.entry()
	if err != nil {
		return nil, err
	}
	if ip, err := r.address(ctx); err != nil || e.server != "https://"+ip {
		return nil, errors.Join(errNoEntry, err)
	}
	return r.clientOf(e)
}

// caHash is the hash of the cluster CA's public key, as kubeadm join wants it.
func (e entry) caHash() (string, error) {
	block, _ := pem.Decode(e.ca)
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

// kubeFiles are the files of the operator's kubeconfig.
func (r *run) kubeFiles() kubeFiles { return kubeconfigFiles(r.want.Kubeconfig) }
