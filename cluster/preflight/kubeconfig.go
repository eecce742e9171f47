package preflight

import (
	"context"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/kube"
	"hakube/cluster/live"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
)

// KubeconfigProblems is why the kubeconfig cannot take this cluster's entry, or
// lose it: a file that cannot be read, written or locked, an entry of the name
// that is not this cluster's. It writes nothing, and is asked before the first change.
func KubeconfigProblems(ctx context.Context, r *task.Task) (refusal.Blockers, error) {
	files, name := r.KubeFiles(), r.Want.Context
	if no := files.Unreadable(); len(no) > 0 {
		return no, nil
	}
	config, err := files.Load()
	if err != nil {
		return nil, err
	}
	v, err := r.EntryOwner().Judge(ctx, config, name)
	if err != nil {
		return nil, err
	}
	if no := v.Refusal(name, files.Of(name)); no != nil && !r.Mode.Removes {
		return refusal.Blockers{no}, nil
	}
	all, err := files.Unwritable(ctx, r.Deps.Clock, r.Poll, LockPatience, func(c *clientcmdapi.Config) error {
		if r.Mode.Removes {
			v.Remove(c, name)
		} else {
			r.Put(c, kube.Entry{})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(all) > 0 && !r.Mode.Removes {
		if s, err := live.Kubeconfig(r).Observe(ctx); err == nil && s.Is == plan.Present {
			return nil, nil // it opens the API as it is: nobody is going to write
		}
	}
	return all, nil
}

// Fit is the error about them.
func Fit(ctx context.Context, r *task.Task) error {
	blockers, err := KubeconfigProblems(ctx, r)
	if err != nil {
		return err
	}
	return blockers.OrNil()
}

// LockPatience is how long a lock may be seen before anything is changed; a
// program that edits the file has it for milliseconds.
const LockPatience = 5 * time.Second
