package cluster

import (
	"context"
	"fmt"

	// clientcmd: the kubeconfig format, read and written as kubectl does it.
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/plan"
	"hakube/scripts"
)

// kubeconfig is the cluster's entry in the operator's kubeconfig: cluster,
// user and context of one name. It holds only when its credentials work.
func (r *run) kubeconfig() plan.Step { return kubeconfig{r} }

type kubeconfig struct{ *run }

func (k kubeconfig) String() string { return "kubeconfig " + k.want.context }
func (kubeconfig) Local()           {}

func (k kubeconfig) Observe(ctx context.Context) (plan.State, error) {
	config, err := loadKubeconfig(k.want.kubeconfig)
	if err != nil {
		return plan.State{}, err
	}
	if !hasEntry(config, k.want.context) {
		return plan.State{Is: plan.Absent}, nil
	}
	if k.removing { // whatever it points to
		return exists(k.want.kubeconfig)
	}
	e, ok := entryOf(config, k.want.context)
	if !ok {
		return plan.State{Is: plan.Partial, Why: "the entry is not complete"}, nil
	}
	ip, err := k.address(ctx)
	if err != nil {
		return plan.State{}, err
	}
	switch {
	case e.server != "https://"+ip:
		return plan.State{Is: plan.Partial, Why: "the entry points to " + e.server}, nil
	case e.proxy != k.deps.ProxyURL:
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("the entry's proxy is %q", e.proxy)}, nil
	}
	client, err := k.clientOf(e)
	if err != nil {
		return plan.State{Is: plan.Partial, Why: "the entry: " + err.Error()}, nil
	}
	if _, err := client.Nodes().List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return plan.State{Is: plan.Partial, Why: "the entry does not open the API: " + plainly443(err)}, nil
	}
	k.mu.Lock()
	k.opened = true
	k.mu.Unlock()
	return exists(k.want.kubeconfig)
}

// Do fetches the administrator's credentials from the master and merges them.
func (k kubeconfig) Do(ctx context.Context) error {
	ip, err := k.address(ctx)
	if err != nil {
		return err
	}
	out, err := k.ssh(ctx, k.master(), scripts.AdminKubeconfig)
	if err != nil {
		return err
	}
	e, err := adminEntry(out)
	if err != nil {
		return err
	}
	e.server, e.proxy = "https://"+ip, k.deps.ProxyURL
	return editKubeconfig(ctx, k.want.kubeconfig, k.poll, func(c *clientcmdapi.Config) {
		e.put(c, k.want.context)
		if !k.want.settings.KeepContext {
			c.CurrentContext = k.want.context
		}
	})
}

// adminEntry reads what scripts.AdminKubeconfig prints.
func adminEntry(text []byte) (entry, error) {
	admin, err := clientcmd.Load(text)
	if err != nil {
		return entry{}, fmt.Errorf("reading the master's kubeconfig: %w", err)
	}
	e, ok := entryOf(admin, admin.CurrentContext)
	if !ok {
		return entry{}, fmt.Errorf("reading the master's kubeconfig: it has no certificates embedded")
	}
	return e, nil
}

// Undo removes the entry, and the current context only if it was ours.
func (k kubeconfig) Undo(ctx context.Context) error {
	name := k.want.context
	return editKubeconfig(ctx, k.want.kubeconfig, k.poll, func(c *clientcmdapi.Config) {
		delete(c.Clusters, name)
		delete(c.AuthInfos, name)
		delete(c.Contexts, name)
		if c.CurrentContext == name {
			c.CurrentContext = ""
		}
	})
}

// An entry is what a kubeconfig says of one cluster.
type entry struct {
	server, proxy string
	ca, cert, key []byte
}

// hasEntry tells whether anything of the name is in the kubeconfig.
func hasEntry(c *clientcmdapi.Config, name string) bool {
	return c.Clusters[name] != nil || c.AuthInfos[name] != nil || c.Contexts[name] != nil
}

// entryOf is the entry a context leads to; false if it has not all of it embedded.
func entryOf(c *clientcmdapi.Config, name string) (e entry, ok bool) {
	x := c.Contexts[name]
	if x == nil {
		return e, false
	}
	cl, user := c.Clusters[x.Cluster], c.AuthInfos[x.AuthInfo]
	if cl == nil || user == nil {
		return e, false
	}
	e = entry{
		server: cl.Server, proxy: cl.ProxyURL, ca: cl.CertificateAuthorityData,
		cert: user.ClientCertificateData, key: user.ClientKeyData,
	}
	return e, len(e.ca) > 0 && len(e.cert) > 0 && len(e.key) > 0
}

func (e entry) put(c *clientcmdapi.Config, name string) {
	cl := clientcmdapi.NewCluster()
	cl.Server, cl.ProxyURL, cl.CertificateAuthorityData = e.server, e.proxy, e.ca
	user := clientcmdapi.NewAuthInfo()
	user.ClientCertificateData, user.ClientKeyData = e.cert, e.key
	x := clientcmdapi.NewContext()
	x.Cluster, x.AuthInfo = name, name
	if old := c.Contexts[name]; old != nil {
		x.Namespace = old.Namespace // the operator's, not ours
	}
	c.Clusters[name], c.AuthInfos[name], c.Contexts[name] = cl, user, x
}
