package cluster

import (
	"context"
	"strings"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/kube"
)

// TestValidateAsKubectl: a cluster that kubectl does not open with this
// operator's kubeconfig is not valid, whatever other ways to it there are, and
// the named command ends that. Who has no entry has nothing that is wrong.
func TestValidateAsKubectl(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o)
	const name = "local_kubernetes"
	for what, spoil := range map[string]func(*clientcmdapi.Config){
		"proxy":          func(c *clientcmdapi.Config) { c.Clusters[name].ProxyURL = "http://127.0.0.1:1" },
		"server":         func(c *clientcmdapi.Config) { c.Clusters[name].Server = "https://203.0.113.1:1" },
		"another's name": func(c *clientcmdapi.Config) { c.Clusters[name].TLSServerName = "kubernetes.example" },
		"ca":             func(c *clientcmdapi.Config) { c.Clusters[name].CertificateAuthorityData = []byte(otherCA) },
		"key":            func(c *clientcmdapi.Config) { c.AuthInfos[name].ClientKeyData = []byte("none") },
		"no certificate": func(c *clientcmdapi.Config) {
			c.AuthInfos[name].ClientCertificateData, c.AuthInfos[name].ClientKeyData = nil, nil
		},
		"no context":      func(c *clientcmdapi.Config) { delete(c.Contexts, name) },
		"no user":         func(c *clientcmdapi.Config) { delete(c.AuthInfos, name) },
		"context of none": func(c *clientcmdapi.Config) { c.Contexts[name].Cluster = "none" },
	} {
		t.Run(what, func(t *testing.T) {
			err := kube.Files{o.kubeconfig}.Edit(context.Background(), nil, time.Millisecond, func(c *clientcmdapi.Config) error { spoil(c); return nil })
			if err != nil {
				t.Fatal(err)
			}
			v, err := o.Validate(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if v.Valid || len(v.Problems) == 0 || !strings.Contains(v.Problems[0].Why, "kubectl's context "+name+" in "+o.kubeconfig) || !strings.HasPrefix(v.Problems[0].Command, "KUBE_GCE_ZONE=") {
				t.Errorf("problems are %q", v.Problems)
			}
			if _, changes := w.counts(func() { w.mustUp(o) }); changes != 0 {
				t.Errorf("%d changes to end it", changes)
			}
			if v, err = o.Validate(context.Background()); err != nil || !v.Valid {
				t.Errorf("after up: %+v, %v", v, err)
			}
		})
	}
	err := kube.Files{o.kubeconfig}.Edit(context.Background(), nil, time.Millisecond, func(c *clientcmdapi.Config) error { kube.Verdict{}.Remove(c, name); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if v, err := o.Validate(context.Background()); err != nil || !v.Valid {
		t.Errorf("without an entry: %+v, %v", v, err)
	}
}
