package upgrade

import (
	"context"
	"time"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/task"
	"hakube/replicate"
)

// keepLimit is how long a master may take to keep its rings, which it tries, or to look for a
// version at places that do not answer.
const keepLimit = 30 * time.Minute

type kept struct {
	env         *env.Env
	of          inventory.Object
	to          string
	again, done bool
}

func (k *kept) String() string    { return "rings of before " + k.to + " on " + k.of.Name }
func (k *kept) About() plan.Thing { return task.Thing(k.of) }

// Observe knows of none but those of this run: whether they are there their master knows,
// when it is asked to keep them.
func (k *kept) Observe(context.Context) (plan.State, error) {
	if !k.done {
		return plan.State{Is: plan.Absent}, nil
	}
	return plan.Exists("tried")
}

func (k *kept) Do(ctx context.Context) error {
	err := k.env.OverSSH(ctx, k.of, keepLimit, func(ctx context.Context, h replicate.Host) error {
		if err := k.env.Gate.Ask(ctx); err != nil {
			return err
		}
		return replicate.KeepRings(ctx, k.env.Deps.SSH, h, k.to, k.again)
	})
	k.done = err == nil
	return err
}

func (*kept) Undo(context.Context) error { return nil } // never unwanted

// A settling is that what kubeadm keeps in the cluster is of the version which all masters run:
// what kubelets that join are given, kube-proxy, CoreDNS, and its own configuration.
type settling struct {
	env  *env.Env
	via  inventory.Object
	to   string
	done bool // by this run
}

func (s *settling) String() string {
	return "CoreDNS, kube-proxy and kubeadm's configuration are of " + s.to
}
func (s *settling) About() plan.Thing { return task.Thing(s.via) }

func (s *settling) Observe(ctx context.Context) (plan.State, error) {
	client, err := s.env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	has, err := client.SettledVersion(ctx)
	switch {
	case err != nil:
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	case has != s.to:
		return plan.State{Is: plan.Partial, Why: "they are of " + has}, nil
	}
	return plan.Exists("")
}

func (s *settling) Do(ctx context.Context) error {
	err := s.env.OverSSH(ctx, s.via, s.env.Want.Settings.InitTimeout.Duration(), func(ctx context.Context, h replicate.Host) error {
		if err := s.env.Gate.Ask(ctx); err != nil {
			return err
		}
		return replicate.SettleVersion(ctx, s.env.Deps.SSH, h, s.to)
	})
	s.done = s.done || err == nil
	return err
}

func (*settling) Undo(context.Context) error { return nil } // never unwanted
