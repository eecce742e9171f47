package cluster

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	// clientcmd: the kubeconfig format, read and written as kubectl does it.
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/scripts"
)

// kubeconfig is the cluster's entry in the operator's kubeconfig: cluster,
// user and context of one name. It holds only when its credentials work.
func (r *run) kubeconfig() plan.Step { return kubeconfig{r} }

type kubeconfig struct{ *run }

func (k kubeconfig) String() string { return "kubeconfig " + k.want.Context }
func (kubeconfig) Local()           {}

func (k kubeconfig) Observe(ctx context.Context) (plan.State, error) {
	config, err := k.kubeFiles().load()
	if err != nil {
		return plan.State{}, err
	}
	v, err := k.entryOwner().judge(ctx, config, k.want.Context)
	if err != nil {
		return plan.State{}, err
	}
	file := k.kubeFiles().of(k.want.Context)
	if k.removing { // whatever it points to, if it is ours
		if why := v.foreign(k.want.Context, file); why != "" {
			k.mu.Lock()
			k.warn(why + "; that was left as it is")
			k.mu.Unlock()
		}
		if !v.has(config, k.want.Context) {
			return plan.State{Is: plan.Absent}, nil
		}
		return exists(file)
	}
	if no := v.refusal(k.want.Context, file); no != nil {
		return plan.State{}, no
	}
	if !hasEntry(config, k.want.Context) {
		return plan.State{Is: plan.Absent}, nil
	}
	e, ok := entryOf(config, k.want.Context)
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
		return plan.State{Is: plan.Partial, Why: "the entry's proxy is " + withoutPassword(e.proxy)}, nil
	}
	client, err := k.clientOf(e)
	if err != nil {
		return plan.State{Is: plan.Partial, Why: "the entry: " + err.Error()}, nil
	}
	if _, err := client.Nodes().List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return plan.State{Is: plan.Partial, Why: "the entry does not open the API: " + plainly443(err)}, nil
	}
	if why := k.asKubectl(ctx); why != "" {
		return plan.State{Is: plan.Partial, Why: why}, nil
	}
	k.mu.Lock()
	k.opened = true
	k.mu.Unlock()
	return exists(file)
}

// Do fetches the administrator's credentials from the master and merges them.
func (k kubeconfig) Do(ctx context.Context) error {
	ip, err := k.address(ctx)
	if err != nil {
		return err
	}
	e, err := k.lend(ctx, k.master(), ip)
	if err != nil {
		return err
	}
	e.proxy = k.deps.ProxyURL
	return k.kubeFiles().edit(ctx, k.poll, func(c *clientcmdapi.Config) error {
		v, err := k.entryOwner().judge(ctx, c, k.want.Context)
		if err != nil {
			return err
		}
		if no := v.refusal(k.want.Context, k.kubeFiles().of(k.want.Context)); no != nil { // since it was looked at
			return no
		}
		k.put(c, e)
		return nil
	})
}

// put writes the entry, and makes it the current one unless it is not to be: one that
// was there is as current as it was, unless that is said.
func (r *run) put(c *clientcmdapi.Config, e entry) {
	s, was := r.want.Settings, c.Contexts[r.want.Context] != nil
	e.put(c, r.want.Context, r.entryOwner().mark)
	if !bool(s.KeepContext) && (!was || s.IsGiven("SECONDARY_KUBECONFIG")) {
		c.CurrentContext = r.want.Context
	}
}

// lend asks a master for the administrator's credentials, good for the API at the address.
func (r *run) lend(ctx context.Context, from inventory.Object, ip string) (entry, error) {
	out, err := r.ssh(ctx, from, scripts.AdminKubeconfig)
	if err != nil {
		return entry{}, err
	}
	e, err := adminEntry(out)
	e.server = "https://" + ip
	return e, err
}

// withoutPassword is an URL as it may be shown.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "not a URL"
	}
	return strconv.Quote(u.Redacted())
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

// Undo removes what is ours of the entry.
func (k kubeconfig) Undo(ctx context.Context) error {
	return k.kubeFiles().edit(ctx, k.poll, func(c *clientcmdapi.Config) error {
		v, err := k.entryOwner().judge(ctx, c, k.want.Context)
		if err == nil {
			v.remove(c, k.want.Context)
		}
		return err
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

func (e entry) put(c *clientcmdapi.Config, name string, mark entryMark) {
	cl := clientcmdapi.NewCluster()
	cl.Server, cl.ProxyURL, cl.CertificateAuthorityData, cl.Extensions = e.server, e.proxy, e.ca, mark.on(e.ca)
	user := clientcmdapi.NewAuthInfo()
	user.ClientCertificateData, user.ClientKeyData, user.Extensions = e.cert, e.key, mark.on(e.cert)
	x := clientcmdapi.NewContext()
	x.Cluster, x.AuthInfo = name, name
	if old := c.Contexts[name]; old != nil {
		x.Namespace = old.Namespace // the operator's, not ours
	}
	c.Clusters[name], c.AuthInfos[name], c.Contexts[name] = cl, user, x
}
