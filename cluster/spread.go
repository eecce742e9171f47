package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/plan"
)

// spread is the fact that CoreDNS is on more than one machine. kubeadm starts
// all of its pods while the first master is the only node, and nothing moves
// them afterwards: with that machine halted no Service name would resolve. It
// is a courtesy: whatever is wrong with it never fails a run.
func (r *run) spread() plan.Step { return spread{r} }

type spread struct{ *run }

func (spread) String() string { return "CoreDNS is on several machines" }

// crowd is a pod to move, nil if there is none: one of several that are on one
// machine while another could take it.
func (s spread) crowd(ctx context.Context) (*corev1.Pod, error) {
	client, err := s.kube(ctx)
	if err != nil {
		return nil, err
	}
	pods, err := client.Pods("kube-system").List(ctx, metav1.ListOptions{LabelSelector: dnsPods})
	if err != nil {
		return nil, fmt.Errorf("listing CoreDNS: %w", err)
	}
	var first *corev1.Pod // one that is not ready yet if there is such a one: it serves nobody
	for i := range pods.Items {
		p := &pods.Items[i]
		switch {
		case p.DeletionTimestamp != nil || p.Spec.NodeName == "":
			return nil, nil // on its way
		case first != nil && p.Spec.NodeName != first.Spec.NodeName:
			return nil, nil
		case first == nil || !podReady(p):
			first = p
		}
	}
	if first == nil || len(pods.Items) < 2 {
		return nil, nil
	}
	nodes, err := client.Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	for i := range nodes.Items {
		if n := &nodes.Items[i]; n.Name != first.Spec.NodeName && notReady(n) == "" && !n.Spec.Unschedulable {
			return first, nil
		}
	}
	return nil, nil
}

const dnsPods = "k8s-app=kube-dns"

func (s spread) Observe(ctx context.Context) (plan.State, error) {
	s.mu.Lock()
	gaveUp := s.crowded
	s.mu.Unlock()
	if gaveUp != nil {
		return exists(*gaveUp)
	}
	p, err := s.crowd(ctx)
	switch {
	case err != nil:
		return exists("not looked at: " + plainly443(err))
	case p != nil:
		return plan.State{Is: plan.Partial, Why: "all pods are on " + p.Spec.NodeName}, nil
	}
	return exists("")
}

// Do deletes one pod; the scheduler prefers another machine for the one that
// replaces it (kubeadm's anti-affinity).
func (s spread) Do(ctx context.Context) error {
	p, err := s.crowd(ctx)
	if err == nil && p != nil {
		client, kubeErr := s.kube(ctx)
		if err = kubeErr; err == nil {
			err = client.Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(p.UID))})
		}
	}
	why := "one was moved"
	if err != nil {
		why = "it was left: " + plainly443(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crowded = &why
	return nil
}

func (spread) Undo(context.Context) error { return nil } // never unwanted
