package kube

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	// typed/core/v1 alone: Nodes, Secrets and Pods are all that is asked for, and
	// the whole clientset would double the start-up time.
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"hakube/cluster/plan"
)

// callLimit is how long one call to the API may take.
const callLimit = 15 * time.Second

// A Client speaks to the API with the entry it was made with.
type Client struct {
	corev1client.CoreV1Interface
	entry Entry
}

// NewClient speaks to the API with the credentials of an entry. It dials as this
// machine reaches the cluster; the entry's proxy is for kubectl. Gate is asked before each change;
// without one it only looks, and an API that was silent for the length of a call is not
// waited for again.
func NewClient(e Entry, dial Dialer, gate plan.Gate) (*Client, error) {
	c, err := corev1client.NewForConfig(&rest.Config{
		Host: e.Server,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: e.CA, CertData: e.Cert, KeyData: e.Key,
		},
		ContentConfig: rest.ContentConfig{ContentType: "application/json"},
		UserAgent:     "hakube",
		QPS:           -1, // a handful of calls; waiting is paced where it is done
		Timeout:       callLimit,
		Dial:          dial,
		WrapTransport: func(t http.RoundTripper) http.RoundTripper {
			if gate == nil {
				return &once{RoundTripper: t}
			}
			return gated{t, gate}
		},
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	})
	if err != nil {
		return nil, err
	}
	return &Client{c, e}, nil
}

// gated asks the gate of the run before each change.
type gated struct {
	http.RoundTripper
	gate plan.Gate
}

func (g gated) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		if err := g.gate.Ask(r.Context()); err != nil {
			return nil, err
		}
	}
	return g.RoundTripper.RoundTrip(r)
}

// once has an API that did not answer in time not asked again: each of the dozen facts
// that a preview looks at would wait for it as long as the first.
type once struct {
	http.RoundTripper
	mu     sync.Mutex
	silent error
}

func (o *once) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	silent := o.silent
	o.mu.Unlock()
	if silent != nil {
		return nil, silent
	}
	answer, err := o.RoundTripper.RoundTrip(r)
	if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.silent = err
	}
	return answer, err
}

// SpeaksWith tells whether the client was made with these credentials.
func (c *Client) SpeaksWith(e Entry) bool {
	return c.entry.Server == e.Server && bytes.Equal(c.entry.CA, e.CA) && bytes.Equal(c.entry.Cert, e.Cert) && bytes.Equal(c.entry.Key, e.Key)
}

// OnlyTo dials one machine, whatever is asked for: its certificate is good for
// the API's address too.
func OnlyTo(dial Dialer, ip string) Dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		return dial(ctx, network, net.JoinHostPort(ip, port))
	}
}

// A Dialer is how this machine reaches addresses of the cloud.
type Dialer = func(ctx context.Context, network, addr string) (net.Conn, error)
