package cluster

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// asKubectl opens the API as kubectl does with the operator's files: by the
// context of our name, with its server, certificates and proxy, through
// kubectl's own code. It says what does not work; "" also when nothing of ours
// is in the files, since the cluster is none the worse for it.
func (r *run) asKubectl(ctx context.Context) string {
	files, name := r.kubeFiles(), r.want.Context
	config, err := files.load()
	if err != nil {
		return err.Error()
	}
	v, err := r.entryOwner().judge(ctx, config, name)
	if err != nil || !v.has(config, name) || v.context != "" {
		return ""
	}
	where := fmt.Sprintf("kubectl's context %s in %s", name, files.of(name))
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
	rest.Timeout, rest.QPS, rest.UserAgent = kubeLimit, -1, "hakube"
	if config.Clusters[config.Contexts[name].Cluster].ProxyURL == "" {
		rest.Dial = r.deps.Dial // how this machine reaches addresses of the cloud
	}
	client, err := corev1client.NewForConfig(rest)
	if err == nil {
		_, err = client.Nodes().List(ctx, metav1.ListOptions{Limit: 1})
	}
	if err != nil {
		return where + " does not open the API: " + plainly443(err)
	}
	return ""
}
