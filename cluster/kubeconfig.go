package cluster

import (
	"context"
	"errors"
	"time"

	// clientcmd: the kubeconfig format, read and written as kubectl does it.
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/gce"
	"hakube/scripts"
)

// kubeconfig is the cluster's entry in the operator's kubeconfig: cluster,
// user and context of one name. It holds only when its credentials work.
func (r *run) kubeconfig() plan.Step { return kubeconfig{r} }

type kubeconfig struct{ *run }

func (k kubeconfig) String() string { return "kubeconfig " + k.want.Context }
func (kubeconfig) Local()           {}

func (k kubeconfig) Observe(ctx context.Context) (plan.State, error) {
	config, err := k.kubeFiles().Load()
	if err != nil {
		return plan.State{}, err
	}
	v, err := k.entryOwner().Judge(ctx, config, k.want.Context)
	if err != nil {
		return plan.State{}, err
	}
	file := k.kubeFiles().Of(k.want.Context)
	if k.mode.removes { // whatever it points to, if it is ours
		if why := v.Foreign(k.want.Context, file); why != "" {
			k.mu.Lock()
			k.warn(why + "; that was left as it is")
			k.mu.Unlock()
		}
		if !v.Has(config, k.want.Context) {
			return plan.State{Is: plan.Absent}, nil
		}
		return exists(file)
	}
	if no := v.Refusal(k.want.Context, file); no != nil {
		return plan.State{}, no
	}
	if !kube.HasEntry(config, k.want.Context) {
		return plan.State{Is: plan.Absent}, nil
	}
	e, ok := kube.EntryOf(config, k.want.Context)
	if !ok {
		return plan.State{Is: plan.Partial, Why: "the entry is not complete"}, nil
	}
	ip, err := k.address(ctx)
	if err != nil {
		return plan.State{}, err
	}
	switch {
	case e.Server != "https://"+ip:
		return plan.State{Is: plan.Partial, Why: "the entry points to " + e.Server}, nil
	case e.Proxy != k.deps.ProxyURL:
		return plan.State{Is: plan.Partial, Why: "the entry's proxy is " + kube.WithoutPassword(e.Proxy)}, nil
	}
	client, err := k.clientOf(e)
	if err != nil {
		return plan.State{Is: plan.Partial, Why: "the entry: " + err.Error()}, nil
	}
	if _, err := client.Nodes().List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return plan.State{Is: plan.Partial, Why: "the entry does not open the API: " + kube.Plainly(err)}, nil
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
	e.Proxy = k.deps.ProxyURL
	return k.kubeFiles().Edit(ctx, k.poll, func(c *clientcmdapi.Config) error {
		v, err := k.entryOwner().Judge(ctx, c, k.want.Context)
		if err != nil {
			return err
		}
		if no := v.Refusal(k.want.Context, k.kubeFiles().Of(k.want.Context)); no != nil { // since it was looked at
			return no
		}
		k.put(c, e)
		return nil
	})
}

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

// Undo removes what is ours of the entry.
func (k kubeconfig) Undo(ctx context.Context) error {
	return k.kubeFiles().Edit(ctx, k.poll, func(c *clientcmdapi.Config) error {
		v, err := k.entryOwner().Judge(ctx, c, k.want.Context)
		if err == nil {
			v.Remove(c, k.want.Context)
		}
		return err
	})
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

// kubeconfigProblems is why the kubeconfig cannot take this cluster's entry, or
// lose it: a file that cannot be read, written or locked, an entry of the name
// that is not this cluster's. It writes nothing, and is asked before the first change.
func (r *run) kubeconfigProblems(ctx context.Context) (refusal.Unfit, error) {
	files, name := r.kubeFiles(), r.want.Context
	if no := files.Unreadable(); len(no) > 0 {
		return no, nil
	}
	config, err := files.Load()
	if err != nil {
		return nil, err
	}
	v, err := r.entryOwner().Judge(ctx, config, name)
	if err != nil {
		return nil, err
	}
	if no := v.Refusal(name, files.Of(name)); no != nil && !r.mode.removes {
		return refusal.Unfit{no}, nil
	}
	all, err := files.Unwritable(ctx, r.poll, lockPatience, func(c *clientcmdapi.Config) error {
		if r.mode.removes {
			v.Remove(c, name)
		} else {
			r.put(c, kube.Entry{})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(all) > 0 && !r.mode.removes {
		if s, err := (kubeconfig{r}).Observe(ctx); err == nil && s.Is == plan.Present {
			return nil, nil // it opens the API as it is: nobody is going to write
		}
	}
	return all, nil
}

// fit is the error about them.
func (r *run) fit(ctx context.Context) error {
	unfit, err := r.kubeconfigProblems(ctx)
	if err != nil {
		return err
	}
	return unfit.OrNil()
}

// lockPatience is how long a lock may be seen before anything is changed; a
// program that edits the file has it for milliseconds.
var lockPatience = 5 * time.Second
