package live

import (
	"context"
	"errors"

	"hakube/cluster/addons"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
)

// Unscaled is the fact that no cluster autoscaler runs, while hakube changes or resizes a
// pool that is there: pods of nodes that are drained wait for a node, and it would add some;
// nodes that were just made have no pods, and it would take them. Addons has it run again.
// Where nobody ever spoke of it, or no machine of the pool comes or goes, there is no step.
func Unscaled(r *task.Task) []plan.Step {
	if !r.Autoscales() {
		return nil
	}
	changes := r.Replaces()
	for _, g := range r.PoolGroups() {
		changes = changes || r.Have.Has(g.Object) && (g.Size != g.Wants || g.Wants != g.Ends)
	}
	if !changes {
		return nil
	}
	return []plan.Step{&unscaled{writers: autoscalers(r)}}
}

// Scaled is the opposite before a pool is removed, whose nodes are drained: there it is
// undone. The pool is none of the autoscaler's when it runs again, by [Rescaled].
func Scaled(r *task.Task) []plan.Step {
	if !r.Autoscales() {
		return nil
	}
	w := autoscalers(r)
	w.name = "cluster autoscaler while the " + r.Want.Pool().String() + " goes"
	return []plan.Step{w}
}

// Rescaled is the fact that the cluster autoscaler runs again, without the pool that is gone.
func Rescaled(r *task.Task) []plan.Step {
	if !bool(r.Want.Settings.Autoscaler) {
		return nil
	}
	sets, _, err := r.Addons()
	for _, s := range sets {
		if s.Name == settings.ClusterAutoscaler {
			return []plan.Step{&rescaled{opener: openerOf(r), addon: withAddons{env: r.Env, sets: []addons.Set{s}, err: err}}}
		}
	}
	return nil
}

// autoscalers are the cluster autoscaler's programs.
func autoscalers(r *task.Task) *Writers {
	a, _ := addons.Named(settings.ClusterAutoscaler)
	return &Writers{opener: openerOf(r), list: a.Workloads, name: settings.ClusterAutoscaler}
}

type unscaled struct{ writers *Writers }

func (unscaled) String() string             { return "cluster autoscaler is stopped while nodes come or go" }
func (unscaled) Waits()                     {}
func (unscaled) Undo(context.Context) error { return nil } // never unwanted

func (u unscaled) Observe(ctx context.Context) (plan.State, error) {
	client, err := u.writers.env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	running, err := u.writers.running(ctx, client)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	if len(running) > 0 {
		return plan.State{Is: plan.Absent, Why: "it runs"}, nil
	}
	return plan.Exists("none runs")
}

func (u unscaled) Do(ctx context.Context) error { return u.writers.stop(ctx) }

// A rescaled step has manifests applied where the API can be asked: what a removal cannot
// do is said, and keeps nothing from going.
type rescaled struct {
	opener
	addon  withAddons
	gaveUp string
}

func (*rescaled) String() string             { return "cluster autoscaler runs for the pools that stay" }
func (*rescaled) Waits()                     {}
func (*rescaled) Undo(context.Context) error { return nil } // never unwanted

func (x *rescaled) Observe(ctx context.Context) (plan.State, error) {
	if why := x.env.Unreachable(ctx, x.lives); why != "" && x.gaveUp == "" {
		x.giveUp(why)
	}
	if x.gaveUp != "" {
		return plan.Exists(x.gaveUp)
	}
	client, err := x.env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Partial, Why: kube.Plainly(err)}, nil
	}
	todo, err := x.addon.todo(ctx, client)
	if err == nil && len(todo.apply) == 0 {
		var there bool
		if there, err = client.There(ctx, x.addon.sets[0].Workloads[0].Path()); err == nil && there {
			return plan.Exists("")
		}
	}
	if err != nil {
		return plan.State{Is: plan.Partial, Why: kube.Plainly(err)}, nil
	}
	return plan.State{Is: plan.Partial, Why: "it was stopped, or has another list of pools"}, nil
}

func (x *rescaled) Do(ctx context.Context) error {
	err := x.open(ctx)
	if err == nil {
		err = x.apply(ctx)
	}
	if err != nil && ctx.Err() == nil {
		x.giveUp(kube.Plainly(err))
		return nil
	}
	return err
}

func (x *rescaled) apply(ctx context.Context) error {
	client, err := x.env.Kube(ctx)
	if err != nil {
		return err
	}
	todo, err := x.addon.todo(ctx, client)
	if err != nil {
		return err
	}
	set := x.addon.sets[0]
	return x.addon.apply(ctx, client, set, todo.was[set.Name])
}

func (x *rescaled) giveUp(why string) {
	x.gaveUp = "not started again: " + why
	x.env.Warn("the cluster autoscaler was " + x.gaveUp + "; the next up starts it")
}

// Relics of a cluster autoscaler that has gone, beside taints of Nodes: it would bring them
// up to date if it ran.
var relics = []string{
	"/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status",
	"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cluster-autoscaler",
}

// unscale takes away what the cluster autoscaler leaves when it is switched off: nobody
// would take its taints from Nodes, which get no pods with them. The programs end first.
func (s *withAddons) unscale(ctx context.Context, client *kube.Client, was kube.Applied) error {
	if err := begin(ctx, client, was); err != nil {
		return err
	}
	a, _ := addons.Named(settings.ClusterAutoscaler)
	w := &Writers{opener: opener{env: s.env}, list: a.Workloads, name: settings.ClusterAutoscaler}
	if err := w.stop(ctx); err != nil {
		return err
	}
	nodes, err := client.ListNodes(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for i := range nodes {
		errs = append(errs, client.ForgetAutoscaler(ctx, &nodes[i]))
	}
	for _, path := range relics {
		errs = append(errs, client.Delete(ctx, path))
	}
	return errors.Join(errs...)
}

// Unbuilt are addons of which machines that fetch from the embedded GCE's own mirror get no
// image: pods of theirs would never start.
func Unbuilt(r *task.Task) (u refusal.Blockers) {
	s := r.Want.Settings
	if s.Provider != settings.Local || s.Mirror != "" || r.Want.Mirror == "" {
		return nil
	}
	for _, name := range s.AddonsOn() {
		if a, ok := addons.Named(name); ok && a.Unbuilt {
			u = append(u, &refusal.Refused{
				Why:  "KUBERNETES_PROVIDER=local: real machines of the embedded GCE fetch from its own mirror, which has no image of " + name + ": its source is no module that could be built",
				Cure: "leave KUBE_ENABLE_CLUSTER_AUTOSCALER out, or set KUBE_MIRROR to a mirror that has the official image; model machines need none",
			})
		}
	}
	return u
}
