package env

import (
	"context"
	"errors"
	"strconv"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/refusal"
	"hakube/gce"
	"hakube/scripts"
)

// Put writes the entry, and makes it the current one unless it is not to be: one that
// was there is as current as it was, unless that is said.
func (r *Env) Put(c *clientcmdapi.Config, e kube.Entry) {
	s, was := r.Want.Settings, c.Contexts[r.Want.Context] != nil
	e.Put(c, r.Want.Context, r.EntryOwner().Mark)
	if !bool(s.KeepContext) && (!was || s.IsGiven("SECONDARY_KUBECONFIG")) {
		c.CurrentContext = r.Want.Context
	}
}

// Lend asks a master for the administrator's credentials, good for the API at the
// address: its own, or with days those of an operator, which live so long.
func (r *Env) Lend(ctx context.Context, from inventory.Object, ip string, days int) (kube.Entry, error) {
	var args []string
	if days > 0 {
		args = []string{strconv.Itoa(days), kube.OperatorName(r.Deps.User)}
	}
	out, err := r.ssh(ctx, from, scripts.AdminKubeconfig, args...)
	if err != nil {
		return kube.Entry{}, err
	}
	e, err := kube.AdminEntry(out)
	e.Server = "https://" + ip
	return e, err
}

// KubeFiles are the files of the operator's kubeconfig.
func (r *Env) KubeFiles() kube.Files { return kube.FilesOf(r.Want.Kubeconfig) }

// EntryOwner is whose the entry of the kubeconfig is to be.
func (r *Env) EntryOwner() kube.Owner {
	return kube.Owner{
		Mark: kube.Mark{Cluster: string(r.Want.Settings.Prefix), Project: r.Want.Project, Cloud: r.Deps.Cloud},
		IP: func(ctx context.Context) (string, error) {
			if r.GCE.Region() == "" { // not found out: there is nothing of the cluster
				return "", nil
			}
			ip, err := r.Address(ctx)
			if no := (*refusal.Refused)(nil); errors.As(err, &no) || gce.IsNotFound(err) {
				return "", nil // the name is another's: told where it is needed
			}
			return ip, err
		},
		Opens: func(ctx context.Context, ip string, ca []byte) bool {
			return kube.ShowsCA(ctx, r.Deps.Dial, r.Deps.Ready, ip, ca)
		},
	}
}

// AsKubectl opens the API as kubectl does with the operator's files, and says what
// does not work.
func (r *Env) AsKubectl(ctx context.Context) string {
	return r.KubeFiles().AsKubectl(ctx, r.Want.Context, r.EntryOwner(), r.Deps.Dial)
}

// SawOpen takes note that the entry opens this cluster's API, and of the authorities that pods
// are told of there, the one that signs first; none where that could not be asked.
func (r *Env) SawOpen(authorities []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened, r.authorities = true, authorities
}

// IsOpen tells whether the entry was seen to open this cluster's API.
func (r *Env) IsOpen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened
}

// Authorities are those of the cluster, as kubeadm names them, the one that signs first: as
// pods were seen to be told of them, or else as our own entry has them.
func (r *Env) Authorities() ([]string, error) {
	r.mu.Lock()
	list := r.authorities
	r.mu.Unlock()
	if len(list) > 0 {
		return list, nil
	}
	e, err := r.Entry()
	if err != nil {
		return nil, err
	}
	if list = kube.CAHashes(e.CA); len(list) == 0 {
		return nil, errors.New("the kubeconfig's entry has no certificate of an authority")
	}
	return list, nil
}
