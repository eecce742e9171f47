package live

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/env"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/task"
)

// Spread is the fact that CoreDNS is on more than one machine. kubeadm starts
// all of its pods while the first master is the only node, and nothing moves
// them afterwards: with that machine halted no Service name would resolve. It
// is a courtesy: whatever is wrong with it never fails a run.
func Spread(r *task.Task) plan.Step { return &spread{env: r.Env} }

type spread struct {
	env     *env.Env
	crowded string // why it was left on one machine, once that was tried
}

func (*spread) String() string { return "CoreDNS is on several machines" }

// crowd is a pod to move, nil if there is none.
func (s *spread) crowd(ctx context.Context) (*corev1.Pod, error) {
	client, err := s.env.Kube(ctx)
	if err != nil {
		return nil, err
	}
	return client.CrowdedDNS(ctx)
}

func (s *spread) Observe(ctx context.Context) (plan.State, error) {
	if s.crowded != "" {
		return plan.Exists(s.crowded)
	}
	p, err := s.crowd(ctx)
	switch {
	case err != nil:
		return plan.Exists("not looked at: " + kube.Plainly(err))
	case p != nil:
		return plan.State{Is: plan.Partial, Why: "all pods are on " + p.Spec.NodeName}, nil
	}
	return plan.Exists("")
}

// Do deletes one pod; the scheduler prefers another machine for the one that
// replaces it (kubeadm's anti-affinity).
func (s *spread) Do(ctx context.Context) error {
	p, err := s.crowd(ctx)
	if err == nil && p != nil {
		client, kubeErr := s.env.Kube(ctx)
		if err = kubeErr; err == nil {
			err = client.MovePod(ctx, p)
		}
	}
	s.crowded = "one was moved"
	if err != nil {
		s.crowded = "it was left: " + kube.Plainly(err)
	}
	return nil
}

func (*spread) Undo(context.Context) error { return nil } // never unwanted
