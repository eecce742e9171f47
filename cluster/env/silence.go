package env

import (
	"context"
	"time"

	"hakube/cluster/kube"
)

// Ready asks the API server at an address whether it is ready, and returns why not.
func (r *Env) Ready(ctx context.Context, ip string) (why string) {
	return kube.Ready(ctx, r.Deps.Clock, r.Deps.Dial, r.Deps.Ready, ip)
}

// Unreachable is why a removal cannot ask the cluster, "" if it can. One
// answer out of a few is enough; it is found out once a run. lives tells whether its
// master ran when the run began.
func (r *Env) Unreachable(ctx context.Context, lives bool) string {
	r.mu.Lock()
	known := r.silent
	r.mu.Unlock()
	if known != nil {
		return *known
	}
	why := "no master of the cluster runs"
	if lives {
		why = r.whySilent(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = &why
	return why
}

func (r *Env) whySilent(ctx context.Context) string {
	ip, err := r.Address(ctx)
	if err != nil {
		return err.Error()
	}
	if ip == "" {
		return "the cluster has no address"
	}
	why := ""
	for range 3 {
		if why = r.Ready(ctx, ip); why == "" {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(r.Poll):
		}
	}
	if why != "" {
		why = "the API is silent: " + why
	}
	return why
}
