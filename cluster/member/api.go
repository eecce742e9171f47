package member

import (
	"context"
	"errors"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/plan"
	"hakube/cluster/task"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// API is the wait for the API server at the cluster's address.
func API(r *task.Task) plan.Step { return apiAt(r, "") }

// APIMoved is the same once more, after the address has moved.
func APIMoved(r *task.Task) plan.Step { return apiAt(r, " through the balancer") }

func apiAt(r *task.Task, where string) plan.Step {
	a := api{r.Env, r.Guest(r.Master()), where}
	if !r.Mode.Whole { // it is another command's to restart
		a.master.Other = new(cure.Up(a.master.Zone))
	}
	return a
}

type api struct {
	env    *env.Env
	master env.Guest // that makes it
	where  string
}

func (a api) String() string { return "API answers" + a.where }
func (api) Waits()           {}

func (a api) Observe(ctx context.Context) (plan.State, error) {
	ip, err := a.env.Address(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if ip == "" {
		return plan.State{Is: plan.Absent, Why: "no address yet"}, nil
	}
	if why := a.env.Ready(ctx, ip); why != "" {
		return plan.State{Is: plan.Absent, Why: why}, nil
	}
	return plan.Exists("https://" + ip)
}

// Do waits. While the API is silent the machine's own word says why.
func (a api) Do(ctx context.Context) error {
	ip, err := a.env.Address(ctx)
	if err != nil {
		return err
	}
	if ip == "" {
		return errors.New("no address is reserved")
	}
	master := a.master
	var through time.Time // since when its script is
	err = a.env.Until(ctx, plan.Condition{
		For: "https://" + ip, Every: a.env.Poll, Limit: a.env.Want.Settings.InitTimeout.Duration(),
		Check: func(ctx context.Context) (bool, string, error) {
			why := a.env.Ready(ctx, ip)
			if why == "" {
				return true, "", nil
			}
			phase, err := master.Phase(ctx)
			switch {
			case phase != "" && phase != scripts.PhaseRunning:
				why, through = master.Name+": "+phase, time.Time{}
			case through.IsZero() && phase != "":
				through = time.Now()
			case time.Since(through) > sickAfter && phase != "":
				err = plan.Permanent(errors.New(why))
			}
			return false, why, err
		},
	})
	if err != nil && ctx.Err() == nil && (!through.IsZero() || a.master.There) {
		return &env.Sick{Err: err}
	}
	return err
}

func (api) Undo(context.Context) error { return nil } // never unwanted

// sickAfter is how long an API server may take to be ready once its master's script
// is through. After that it is not slow, it fails, and waiting mends nothing.
const sickAfter = 5 * time.Minute
