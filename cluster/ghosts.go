package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/plan"
)

// ghosts are Nodes of the zone's pool whose machine is gone, as after a smaller
// NUM_NODES. With no cloud controller in the cluster nobody else removes them,
// and their pods would wait for them.
func (r *run) ghosts() plan.Step { return ghosts{r} }

type ghosts struct{ *run }

func (ghosts) String() string { return "each node has its machine" }

func (g ghosts) find(ctx context.Context) (names []string, err error) {
	p, err := g.pool(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range p.nodes {
		if strings.HasPrefix(n.Name, g.want.names.Group()+"-") &&
			n.Labels["topology.kubernetes.io/zone"] == g.want.zone &&
			!slices.Contains(p.machines, n.Name) && !slices.Contains(p.leaving, n.Name) {
			names = append(names, n.Name)
		}
	}
	return names, nil
}

func (g ghosts) Observe(ctx context.Context) (plan.State, error) {
	names, err := g.find(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: plainly443(err)}, nil
	}
	if len(names) > 0 {
		return plan.State{Is: plan.Partial, Why: "without one: " + strings.Join(names, " ")}, nil
	}
	return exists("")
}

func (g ghosts) Do(ctx context.Context) error {
	names, err := g.find(ctx)
	if err != nil {
		return err
	}
	client, err := g.kube(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if err := client.Nodes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("deleting node %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (ghosts) Undo(context.Context) error { return nil } // never unwanted
