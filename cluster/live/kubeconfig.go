package live

import (
	"context"
	"fmt"
	"slices"
	"time"

	// clientcmd: the kubeconfig format, read and written as kubectl does it.
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/task"
)

// Kubeconfig is the cluster's entry in the operator's kubeconfig: cluster,
// user and context of one name. It holds only when its credentials work.
func Kubeconfig(r *task.Task) kubeconfig {
	return kubeconfig{env: r.Env, from: r.Master(), goes: r.Mode.Removes}
}

// RenewKubeconfig makes this operator's credentials anew, whatever the entry is, and
// sees that they open the API.
func RenewKubeconfig(ctx context.Context, r *task.Task) (kube.Entry, error) {
	k := kubeconfig{env: r.Env, from: r.Master(), anew: true}
	if err := k.Do(ctx); err != nil {
		return kube.Entry{}, err
	}
	s, err := k.Observe(ctx)
	if err != nil {
		return kube.Entry{}, err
	}
	if s.Is != plan.Present {
		return kube.Entry{}, fmt.Errorf("%s was written, but it does not hold: %s", k, s.Why)
	}
	return k.env.Entry()
}

type kubeconfig struct {
	env  *env.Env
	from inventory.Object // the master that gives credentials
	goes bool
	anew bool // somebody asks for new credentials
}

func (k kubeconfig) String() string { return "kubeconfig " + k.env.Want.Context }
func (k kubeconfig) About() plan.Thing {
	return plan.Thing{Kind: "kubeconfig", Name: k.env.Want.Context}
}
func (kubeconfig) Local() {}

func (k kubeconfig) Observe(ctx context.Context) (plan.State, error) {
	config, err := k.env.KubeFiles().Load()
	if err != nil {
		return plan.State{}, err
	}
	v, err := k.env.EntryOwner().Judge(ctx, config, k.env.Want.Context)
	if err != nil {
		return plan.State{}, err
	}
	file := k.env.KubeFiles().Of(k.env.Want.Context)
	if k.goes { // whatever it points to, if it is ours
		if why := v.Foreign(k.env.Want.Context, file); why != "" {
			k.env.Warn(why + "; that was left as it is")
		}
		if !v.Has(config, k.env.Want.Context) {
			return plan.State{Is: plan.Absent}, nil
		}
		return plan.Exists(file)
	}
	if no := v.Refusal(k.env.Want.Context, file); no != nil {
		return plan.State{}, no
	}
	if !kube.HasEntry(config, k.env.Want.Context) {
		return plan.State{Is: plan.Absent}, nil
	}
	e, ok := kube.EntryOf(config, k.env.Want.Context)
	if !ok {
		return plan.State{Is: plan.Partial, Why: "the entry is not complete"}, nil
	}
	ip, err := k.env.Address(ctx)
	if err != nil {
		return plan.State{}, err
	}
	switch {
	case e.Server != "https://"+ip:
		return plan.State{Is: plan.Partial, Why: "the entry points to " + e.Server}, nil
	case e.Proxy != k.env.Deps.ProxyURL:
		return plan.State{Is: plan.Partial, Why: "the entry's proxy is " + kube.WithoutPassword(e.Proxy)}, nil
	}
	if why := k.unlike(e); why != "" {
		return plan.State{Is: plan.Partial, Why: why}, nil
	}
	client, err := k.env.ClientOf(e)
	if err != nil {
		return plan.State{Is: plan.Partial, Why: "the entry: " + err.Error()}, nil
	}
	if _, err := client.Nodes().List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return plan.State{Is: plan.Partial, Why: "the entry does not open the API: " + kube.Plainly(err)}, nil
	}
	if why := k.env.AsKubectl(ctx); why != "" {
		return plan.State{Is: plan.Partial, Why: why}, nil
	}
	told := client.Published(ctx)
	if have := kube.CAHashes(e.CA); len(told) > 0 && !slices.Contains(have, told[0]) {
		return plan.State{Is: plan.Partial, Why: "the entry knows the authority of before alone"}, nil
	}
	k.env.SawOpen(told)
	return plan.Exists(file)
}

// unlike says why an entry's certificate is not of the life that is asked for.
func (k kubeconfig) unlike(e kube.Entry) string {
	s := k.env.Want.Settings
	switch said := s.IsGiven("HAKUBE_CERTIFICATE_DAYS"); {
	case e.OfDays() && e.Over(time.Now()) != "":
		return "the entry: " + e.Over(time.Now())
	case said && s.CertDays > 0 && !e.OfDays():
		return "the entry has the masters' own certificate, which lives ten years"
	case said && s.CertDays == 0 && e.OfDays():
		return "the entry has a certificate that lives days"
	}
	return ""
}

// days is how long credentials live that are made now; 0 is for the masters' own.
func (k kubeconfig) days() int {
	if s := k.env.Want.Settings; s.IsGiven("HAKUBE_CERTIFICATE_DAYS") {
		return int(s.CertDays)
	}
	if config, err := k.env.KubeFiles().Load(); err == nil && !k.anew { // an error the writing will say
		if e, ok := kube.EntryOf(config, k.env.Want.Context); !ok || !e.OfDays() {
			return 0
		}
	}
	return kube.UsualDays
}

// Do fetches the administrator's credentials from the master and merges them.
func (k kubeconfig) Do(ctx context.Context) error {
	ip, err := k.env.Address(ctx)
	if err != nil {
		return err
	}
	e, err := k.env.Lend(ctx, k.from, ip, k.days())
	if err != nil {
		return err
	}
	e.Proxy = k.env.Deps.ProxyURL
	return k.env.KubeFiles().Edit(ctx, k.env.Deps.Clock, k.env.Poll, func(c *clientcmdapi.Config) error {
		v, err := k.env.EntryOwner().Judge(ctx, c, k.env.Want.Context)
		if err != nil {
			return err
		}
		if no := v.Refusal(k.env.Want.Context, k.env.KubeFiles().Of(k.env.Want.Context)); no != nil { // since it was looked at
			return no
		}
		k.env.Put(c, e)
		return nil
	})
}

// Undo removes what is ours of the entry.
func (k kubeconfig) Undo(ctx context.Context) error {
	return k.env.KubeFiles().Edit(ctx, k.env.Deps.Clock, k.env.Poll, func(c *clientcmdapi.Config) error {
		v, err := k.env.EntryOwner().Judge(ctx, c, k.env.Want.Context)
		if err == nil {
			v.Remove(c, k.env.Want.Context)
		}
		return err
	})
}
