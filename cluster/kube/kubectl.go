package kube

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// AsKubectl opens the API as kubectl does with the files: by the context of the
// name, with its server, certificates and proxy, through kubectl's own code. It
// says what does not work; "" also when nothing of the owner's is in the files,
// since the cluster is none the worse for it.
func (f Files) AsKubectl(ctx context.Context, name string, owner Owner, dial Dialer) string {
	config, err := f.Load()
	if err != nil {
		return err.Error()
	}
	v, err := owner.Judge(ctx, config, name)
	if err != nil || !v.Has(config, name) || v.context != "" {
		return ""
	}
	where := fmt.Sprintf("kubectl's context %s in %s", name, f.Of(name))
	if config.Contexts[name] == nil {
		return where + ": it is gone, what it leads to is there"
	}
	if err := clientcmd.ResolveLocalPaths(config); err != nil {
		return where + ": " + err.Error()
	}
	rest, err := clientcmd.NewNonInteractiveClientConfig(*config, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return where + ": " + err.Error()
	}
	rest.Timeout, rest.QPS, rest.UserAgent = callLimit, -1, "hakube"
	if config.Clusters[config.Contexts[name].Cluster].ProxyURL == "" {
		rest.Dial = dial // how this machine reaches addresses of the cloud
	}
	client, err := corev1client.NewForConfig(rest)
	if err == nil {
		_, err = client.Nodes().List(ctx, metav1.ListOptions{Limit: 1})
	}
	if err != nil {
		return where + " does not open the API: " + Plainly(err)
	}
	return ""
}
