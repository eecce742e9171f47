package cluster

import (
	"context"
	"errors"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/refusal"
	"hakube/gce"
	"hakube/scripts"
)

// put writes the entry, and makes it the current one unless it is not to be: one that
// was there is as current as it was, unless that is said.
func (r *env) put(c *clientcmdapi.Config, e kube.Entry) {
	s, was := r.want.Settings, c.Contexts[r.want.Context] != nil
	e.Put(c, r.want.Context, r.entryOwner().Mark)
	if !bool(s.KeepContext) && (!was || s.IsGiven("SECONDARY_KUBECONFIG")) {
		c.CurrentContext = r.want.Context
	}
}

// lend asks a master for the administrator's credentials, good for the API at the address.
func (r *env) lend(ctx context.Context, from inventory.Object, ip string) (kube.Entry, error) {
	out, err := r.ssh(ctx, from, scripts.AdminKubeconfig)
	if err != nil {
		return kube.Entry{}, err
	}
	e, err := kube.AdminEntry(out)
	e.Server = "https://" + ip
	return e, err
}

// kubeFiles are the files of the operator's kubeconfig.
func (r *env) kubeFiles() kube.Files { return kube.FilesOf(r.want.Kubeconfig) }

func (r *env) entryOwner() kube.Owner {
	return kube.Owner{
		Mark: kube.Mark{Cluster: string(r.want.Settings.Prefix), Project: r.want.Project, Cloud: r.deps.Cloud},
		IP: func(ctx context.Context) (string, error) {
			if r.GCE.Region() == "" { // not found out: there is nothing of the cluster
				return "", nil
			}
			ip, err := r.address(ctx)
			if no := (*refusal.Refused)(nil); errors.As(err, &no) || gce.IsNotFound(err) {
				return "", nil // the name is another's: told where it is needed
			}
			return ip, err
		},
		Opens: func(ctx context.Context, ip string, ca []byte) bool {
			return kube.ShowsCA(ctx, r.deps.Dial, r.deps.Ready, ip, ca)
		},
	}
}

// asKubectl opens the API as kubectl does with the operator's files, and says what
// does not work.
func (r *env) asKubectl(ctx context.Context) string {
	return r.kubeFiles().AsKubectl(ctx, r.want.Context, r.entryOwner(), r.deps.Dial)
}

// sawOpen takes note that the entry opens this cluster's API.
func (r *env) sawOpen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened = true
}
