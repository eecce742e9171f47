package cluster

import (
	"context"

	// clientcmd: the kubeconfig format, read and written as kubectl does it.
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
)

// kubeconfig is the cluster's entry in the operator's kubeconfig: cluster,
// user and context of one name. It holds only when its credentials work.
func (r *run) kubeconfig() kubeconfig { return kubeconfig{r.env, r.master(), r.mode.removes} }

type kubeconfig struct {
	env  *env
	from inventory.Object // the master that gives credentials
	goes bool
}

func (k kubeconfig) String() string { return "kubeconfig " + k.env.want.Context }
func (kubeconfig) Local()           {}

func (k kubeconfig) Observe(ctx context.Context) (plan.State, error) {
	config, err := k.env.kubeFiles().Load()
	if err != nil {
		return plan.State{}, err
	}
	v, err := k.env.entryOwner().Judge(ctx, config, k.env.want.Context)
	if err != nil {
		return plan.State{}, err
	}
	file := k.env.kubeFiles().Of(k.env.want.Context)
	if k.goes { // whatever it points to, if it is ours
		if why := v.Foreign(k.env.want.Context, file); why != "" {
			k.env.warned(why + "; that was left as it is")
		}
		if !v.Has(config, k.env.want.Context) {
			return plan.State{Is: plan.Absent}, nil
		}
		return plan.Exists(file)
	}
	if no := v.Refusal(k.env.want.Context, file); no != nil {
		return plan.State{}, no
	}
	if !kube.HasEntry(config, k.env.want.Context) {
		return plan.State{Is: plan.Absent}, nil
	}
	e, ok := kube.EntryOf(config, k.env.want.Context)
	if !ok {
		return plan.State{Is: plan.Partial, Why: "the entry is not complete"}, nil
	}
	ip, err := k.env.address(ctx)
	if err != nil {
		return plan.State{}, err
	}
	switch {
	case e.Server != "https://"+ip:
		return plan.State{Is: plan.Partial, Why: "the entry points to " + e.Server}, nil
	case e.Proxy != k.env.deps.ProxyURL:
		return plan.State{Is: plan.Partial, Why: "the entry's proxy is " + kube.WithoutPassword(e.Proxy)}, nil
	}
	client, err := k.env.clientOf(e)
	if err != nil {
		return plan.State{Is: plan.Partial, Why: "the entry: " + err.Error()}, nil
	}
	if _, err := client.Nodes().List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return plan.State{Is: plan.Partial, Why: "the entry does not open the API: " + kube.Plainly(err)}, nil
	}
	if why := k.env.asKubectl(ctx); why != "" {
		return plan.State{Is: plan.Partial, Why: why}, nil
	}
	k.env.sawOpen()
	return plan.Exists(file)
}

// Do fetches the administrator's credentials from the master and merges them.
func (k kubeconfig) Do(ctx context.Context) error {
	ip, err := k.env.address(ctx)
	if err != nil {
		return err
	}
	e, err := k.env.lend(ctx, k.from, ip)
	if err != nil {
		return err
	}
	e.Proxy = k.env.deps.ProxyURL
	return k.env.kubeFiles().Edit(ctx, k.env.poll, func(c *clientcmdapi.Config) error {
		v, err := k.env.entryOwner().Judge(ctx, c, k.env.want.Context)
		if err != nil {
			return err
		}
		if no := v.Refusal(k.env.want.Context, k.env.kubeFiles().Of(k.env.want.Context)); no != nil { // since it was looked at
			return no
		}
		k.env.put(c, e)
		return nil
	})
}

// Undo removes what is ours of the entry.
func (k kubeconfig) Undo(ctx context.Context) error {
	return k.env.kubeFiles().Edit(ctx, k.env.poll, func(c *clientcmdapi.Config) error {
		v, err := k.env.entryOwner().Judge(ctx, c, k.env.want.Context)
		if err == nil {
			v.Remove(c, k.env.want.Context)
		}
		return err
	})
}
