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

// Kept are snapshots of both rings beside each master's data, taken and tried before the
// first of the masters goes. fresh takes new ones where some of the same version are: of an
// upgrade that begins; one that goes on keeps what was there before it began.
func Kept(r *task.Task, seen *Seen, fresh bool) []plan.Item {
	l := task.Lines{Want: true}
	to := string(r.Want.Settings.KubeVersion)
	for _, m := range r.Have.Masters(r.Want.Names) {
		if v, is := seen.Masters[m.Name]; is && (fresh || v.Kubernetes != to) {
			l.Then(&kept{env: r.Env, of: m, to: to, again: fresh})
		}
	}
	return l.Items
}

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

// Settled is that what kubeadm keeps in the cluster is of the version which all masters run:
// what kubelets that join are given, kube-proxy, CoreDNS, and its own configuration.
func Settled(r *task.Task) *Settling {
	return &Settling{env: r.Env, via: r.Master(), to: string(r.Want.Settings.KubeVersion)}
}

// Ahead is that as a preview shows it, before masters or after them.
func Ahead(r *task.Task, masters bool) plan.Step {
	if masters {
		return plan.Later(Settled(r))
	}
	return Settled(r)
}

// A Settling is that fact.
type Settling struct {
	env  *env.Env
	via  inventory.Object
	to   string
	Done bool // by this run
}

func (s *Settling) String() string {
	return "CoreDNS, kube-proxy and kubeadm's configuration are of " + s.to
}
func (s *Settling) About() plan.Thing { return task.Thing(s.via) }

func (s *Settling) Observe(ctx context.Context) (plan.State, error) {
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

func (s *Settling) Do(ctx context.Context) error {
	err := s.env.OverSSH(ctx, s.via, s.env.Want.Settings.InitTimeout.Duration(), func(ctx context.Context, h replicate.Host) error {
		if err := s.env.Gate.Ask(ctx); err != nil {
			return err
		}
		return replicate.SettleVersion(ctx, s.env.Deps.SSH, h, s.to)
	})
	s.Done = s.Done || err == nil
	return err
}

func (*Settling) Undo(context.Context) error { return nil } // never unwanted
