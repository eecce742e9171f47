package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/task"
	"hakube/gce"
)

// OrphanedNodes are Nodes of a pool whose machine is gone, as after a smaller
// NUM_NODES: of the zone's, and when the whole cluster is brought up of all
// zones'. With no cloud controller in the cluster nobody else removes them,
// and their pods would wait for them.
func OrphanedNodes(r *task.Task) orphanedNodes {
	g := orphanedNodes{env: r.Env, groups: r.OwnGroups(), whole: r.Mode.Whole, goes: r.Mode.Removes, lives: r.Have.Runs(r.Master())}
	for _, o := range slices.Concat(r.Have.Objects, r.Masters()) {
		if o.Kind == inventory.Instance && (!o.OfPool(r.Want.Pool()) || o.Role == inventory.RoleMaster) {
			g.elsewhere = append(g.elsewhere, o)
		}
	}
	return g
}

type orphanedNodes struct {
	env    *env.Env
	groups []inventory.Object // of the pools it is about
	whole  bool               // all zones' Nodes, and masters'
	goes   bool               // the pool does
	lives  bool               // a master, when the run began
	// elsewhere are machines of other pools as they were found, and the masters there are.
	elsewhere []inventory.Object
}

func (orphanedNodes) String() string { return "each node has its machine" }

// Find names the Nodes without a machine. A Node is listed before its machine is asked
// for by name: one that joins in between must not look like one without.
func (g orphanedNodes) Find(ctx context.Context) (names []string, err error) {
	p, err := pool.Recent(ctx, g.env, g.groups)
	if err != nil {
		return nil, err
	}
	grouped := slices.Concat(pool.NamesOf(p.Machines), p.Leaving) // one may be made again just now
	for _, n := range p.Nodes {
		zone := n.Labels[corev1.LabelTopologyZone]
		if !g.mayBeOf(n.Name, zone) || zone == "" || slices.Contains(grouped, n.Name) || g.found(n.Name, zone) {
			continue
		}
		// Lists lag, and somebody may have joined a machine by hand.
		_, err := g.env.GCE.Instances(zone).Get(ctx, n.Name)
		switch {
		case gce.IsNotFound(err):
			names = append(names, n.Name)
		case err != nil:
			return nil, err
		}
	}
	return names, nil
}

// found tells of machines that this command does not touch, or makes, that they are there.
func (g orphanedNodes) found(name, zone string) bool {
	return slices.ContainsFunc(g.elsewhere, func(o inventory.Object) bool { return o.Name == name && o.Zone == zone })
}

// mayBeOf tells whether a Node of that name is one that this command answers for.
// A master that goes takes its Node with it; what a cut left of that goes when the
// whole cluster is brought up.
func (g orphanedNodes) mayBeOf(name, zone string) bool {
	if pool, is := g.env.Want.Names.PoolOf(name); is {
		return pool == g.env.Want.Names.Pool && zone == g.env.Want.Zone || g.whole
	}
	return g.whole && g.env.Want.Names.IsMaster(name)
}

func (g orphanedNodes) Observe(ctx context.Context) (plan.State, error) {
	if g.goes {
		if why := g.env.Unreachable(ctx, g.lives); why != "" { // whoever removes a pool of a dead cluster wants no more
			return plan.Exists("not looked at: " + why)
		}
	}
	names, err := g.Find(ctx)
	if g.goes && err != nil {
		return plan.Exists("not looked at: " + kube.Plainly(err))
	}
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	if len(names) > 0 {
		return plan.State{Is: plan.Partial, Why: "without one: " + strings.Join(names, " ")}, nil
	}
	return plan.Exists("")
}

func (g orphanedNodes) Do(ctx context.Context) error {
	names, err := g.Find(ctx)
	if err != nil {
		return err
	}
	client, err := g.env.Kube(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if err := client.DeleteNode(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("deleting node %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (orphanedNodes) Undo(context.Context) error { return nil } // never unwanted
