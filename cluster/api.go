package cluster

import (
	"context"
	"errors"
	"time"

	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// api is the wait for the API server at the cluster's address.
func (r *run) api() plan.Step { return api{r, ""} }

// apiMoved is the same once more, after the address has moved.
func (r *run) apiMoved() plan.Step { return api{r, " through the balancer"} }

type api struct {
	*run
	where string
}

func (a api) String() string { return "API answers" + a.where }
func (api) Waits()           {}

func (a api) Observe(ctx context.Context) (plan.State, error) {
	ip, err := a.address(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if ip == "" {
		return plan.State{Is: plan.Absent, Why: "no address yet"}, nil
	}
	if why := a.ready(ctx, ip); why != "" {
		return plan.State{Is: plan.Absent, Why: why}, nil
	}
	return exists("https://" + ip)
}

// Do waits. While the API is silent the machine's own word says why.
func (a api) Do(ctx context.Context) error {
	ip, err := a.address(ctx)
	if err != nil {
		return err
	}
	if ip == "" {
		return errors.New("no address is reserved")
	}
	m := a.run.master()
	master := &guest{run: a.run, zone: m.Zone, name: m.Name}
	if !a.mode.whole { // it is another command's to restart
		master.other = new(cure.Up(m.Zone))
	}
	var through time.Time // since when its script is
	err = plan.Until(ctx, plan.Condition{
		For: "https://" + ip, Every: a.poll, Limit: a.want.Settings.InitTimeout.Duration(),
		Check: func(ctx context.Context) (bool, string, error) {
			why := a.ready(ctx, ip)
			if why == "" {
				return true, "", nil
			}
			phase, err := master.phase(ctx)
			switch {
			case phase != "" && phase != scripts.PhaseRunning:
				why, through = master.name+": "+phase, time.Time{}
			case through.IsZero() && phase != "":
				through = time.Now()
			case time.Since(through) > sickAfter && phase != "":
				err = plan.Permanent(errors.New(why))
			}
			return false, why, err
		},
	})
	if err != nil && ctx.Err() == nil && (!through.IsZero() || a.have.Has(m)) {
		return &sick{err}
	}
	return err
}

func (api) Undo(context.Context) error { return nil } // never unwanted

// sickAfter is how long an API server may take to be ready once its master's script
// is through. After that it is not slow, it fails, and waiting mends nothing.
const sickAfter = 5 * time.Minute

// ready asks the API server at an address whether it is ready, and returns why not.
func (r *env) ready(ctx context.Context, ip string) (why string) {
	return kube.Ready(ctx, r.deps.Dial, r.deps.Ready, ip)
}

// readyLimit is how long an API server may take to say whether it is ready.
const readyLimit = 5 * time.Second
