package live

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/task"
)

// Drained is the fact that the nodes which are too many hold no pods that
// could run elsewhere nor their volumes, and that all others take pods. It is listed where there
// is a group that can have too many.
func Drained(r *task.Task) []plan.Step {
	for _, g := range r.PoolGroups() {
		if r.Have.Has(g.Object) {
			return []plan.Step{drain(r)}
		}
	}
	return nil
}

type drained struct {
	env    *env.Env
	groups []inventory.Object             // whose machines and Nodes are read
	goes   func(pool.Pool) []pool.Machine // which of the machines go
	last   bool                           // they go with their pool, so none of it takes pods again
	gaveUp map[string]string              // by node: why draining it was given up
	keeps  bool                           // a budget that does not give way ends it
	lets   bool                           // what is on nodes whose kubelets are silent is let be: no budget is about what does not run
	from   string                         // the template of machines that stay: nodes of others are left to whoever replaces them
}

func drain(r *task.Task) *drained {
	d := &drained{env: r.Env, groups: r.OwnGroups(), last: r.Mode.Removes && !r.Mode.One, gaveUp: map[string]string{}, keeps: r.Mode.Leaves != "" || r.Mode.Rolls, lets: r.Mode.Leaves != ""}
	switch {
	case r.Mode.One:
		master := pool.Machine{Name: r.Replica.Name, Zone: r.Replica.Zone}
		d.goes = func(pool.Pool) []pool.Machine { return []pool.Machine{master} }
	case r.Mode.Removes:
		var alone []pool.Machine // machines that have no group any more
		for _, o := range r.Or(inventory.Instance, inventory.Object{}) {
			alone = append(alone, pool.Machine{Name: o.Name, Zone: o.Zone})
		}
		d.goes = func(p pool.Pool) []pool.Machine { return slices.Concat(alone, p.Machines) }
	default:
		groups := r.PoolGroups()
		d.from = r.Want.NodeTemplate()
		d.goes = func(p pool.Pool) (goes []pool.Machine) {
			for _, g := range groups {
				goes = append(goes, p.Leavers(g.Name, g.Size-g.Wants)...)
			}
			return goes
		}
	}
	return d
}

func (*drained) String() string { return "nodes that go are drained" }

// Waits: each of its calls leaves the node as good as it was, and draining may
// take minutes; an interrupt ends it at once.
func (*drained) Waits() {}

// leftOn are the pods that have to leave the machines' nodes, and once there are none the
// volumes that are still attached to them.
func (d *drained) leftOn(ctx context.Context, p pool.Pool, goes []pool.Machine) (pods []corev1.Pod, volumes []string, err error) {
	client, err := d.env.Kube(ctx)
	if err != nil {
		return nil, nil, err
	}
	var nodes []*corev1.Node
	for _, m := range goes {
		if n := p.Node(m); n != nil && !(d.lets && kube.NotReady(n) != "") {
			nodes = append(nodes, n)
		}
	}
	if pods, err = client.PodsOn(ctx, nodes); err == nil && len(pods) == 0 && len(nodes) > 0 {
		volumes, err = client.AttachedTo(ctx, nodes)
	}
	return pods, volumes, err
}

// leavers reads the pool and says which of its machines go.
func (d *drained) leavers(ctx context.Context) (p pool.Pool, goes []pool.Machine, err error) {
	if p, err = pool.Read(ctx, d.env, d.groups); err != nil {
		return p, nil, err
	}
	return p, d.goes(p), nil
}

// regretted are the machines that were chosen to go and stay after all.
func (d *drained) regretted(p pool.Pool, goes []pool.Machine) []pool.Machine {
	return slices.DeleteFunc(p.Regretted(goes), func(m pool.Machine) bool { return d.from != "" && m.Template != "" && m.Template != d.from })
}

func (d *drained) Observe(ctx context.Context) (plan.State, error) {
	p, goes, err := d.leavers(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	if stay := d.regretted(p, goes); len(stay) > 0 {
		return plan.State{Is: plan.Partial, Why: "to stay, and cordoned: " + pool.Few(stay)}, nil
	}
	open := slices.DeleteFunc(slices.Clone(goes), func(m pool.Machine) bool {
		n := p.Node(m)
		return n == nil || kube.IsLeaving(n) && n.Spec.Unschedulable
	})
	if len(open) > 0 {
		return plan.State{Is: plan.Partial, Why: "to go, and takes pods: " + pool.Few(open)}, nil
	}
	left, volumes, err := d.leftOn(ctx, p, goes)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	for _, pod := range left {
		if d.gaveUp[pod.Spec.NodeName] == "" {
			return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d pods are on nodes that go", len(left))}, nil
		}
	}
	switch {
	case len(left) > 0:
		return plan.Exists(d.gaveUp[left[0].Spec.NodeName])
	case len(volumes) > 0 && d.gaveUp[everyNode] != "":
		return plan.Exists(d.gaveUp[everyNode])
	case len(volumes) > 0:
		return plan.State{Is: plan.Partial, Why: "volumes are attached to nodes that go: " + kube.Some(volumes)}, nil
	case len(goes) == 0:
		return plan.Exists("none goes")
	}
	return plan.Exists("drained: " + pool.Few(goes))
}

// Do cordons what goes, opens again what stays after all, and evicts until
// no pod and no attached volume is left, or the limit is over. Then it goes on, and says so.
func (d *drained) Do(ctx context.Context) error {
	p, goes, err := d.leavers(ctx)
	if err != nil {
		return err
	}
	client, err := d.env.Kube(ctx)
	if err != nil {
		return err
	}
	for _, m := range d.regretted(p, goes) {
		if err := client.Uncordon(ctx, p.Node(m)); err != nil {
			return err
		}
	}
	err = kube.Each(len(goes), func(i int) error { return client.Cordon(ctx, p.Node(goes[i]), d.last) })
	if err != nil {
		return err
	}
	asked := goes // all of them once, and then those that are not empty: of many nodes most are soon
	err = d.env.Until(ctx, plan.Condition{
		For: fmt.Sprintf("pods and volumes to leave %d nodes", len(goes)), Every: d.env.Poll, Limit: d.env.Want.Settings.DrainTimeout.Duration(),
		Check: func(ctx context.Context) (ok bool, missing string, err error) {
			left, volumes, err := d.leftOn(ctx, p, asked)
			if err == nil && len(left) == 0 && len(asked) < len(goes) { // one may have been put there as its node was cordoned
				left, volumes, err = d.leftOn(ctx, p, goes)
			}
			if err != nil {
				return false, "", err
			}
			asked = holding(goes, left)
			if len(left) == 0 && len(volumes) > 0 {
				return false, "volumes are attached: " + kube.Some(volumes), nil
			}
			return len(left) == 0, client.Evict(ctx, left, d.env.Warn), nil
		},
	})
	if err == nil || ctx.Err() != nil || d.keeps {
		return err
	}
	d.giveUp(pool.NamesOf(goes), errors.Unwrap(err))
	return nil
}

// holding are the machines that pods are on.
func holding(machines []pool.Machine, pods []corev1.Pod) (list []pool.Machine) {
	on := map[string]bool{}
	for _, pod := range pods {
		on[pod.Spec.NodeName] = true
	}
	for _, m := range machines {
		if on[m.Name] {
			list = append(list, m)
		}
	}
	return list
}

func (*drained) Undo(context.Context) error { return nil } // never unwanted

// giveUp notes that nodes go with what is still on them.
func (d *drained) giveUp(names []string, last error) {
	why := fmt.Sprintf("not drained to the end, went on after %s: %v", d.env.Want.Settings.DrainTimeout.Duration(), last)
	for _, n := range append(names, everyNode) {
		d.gaveUp[n] = why
	}
	d.env.Warn(why)
}

// everyNode stands in drained.gaveUp for all that were to be drained.
const everyNode = ""

// Busy is the opposite fact, which is undone before a pool is removed: that
// its nodes hold pods. A cluster that cannot be asked keeps nothing from being
// removed; that it went undrained is said.
func Busy(r *task.Task) plan.Step {
	b := busy{opener: openerOf(r), drain: drain(r), name: "pods on nodes of " + r.Want.Pool().Short()}
	if r.Mode.One {
		b.name = "pods on node " + r.Replica.Name
		if r.Have.StatusOf(r.Replica) != "RUNNING" {
			b.stopped = "its machine does not run: no kubelet would end them"
		}
	}
	return b
}

type busy struct {
	opener
	drain   *drained
	name    string
	stopped string // why no pod has to leave
}

func (b busy) String() string         { return b.name }
func (busy) Waits()                   {}
func (busy) Do(context.Context) error { return nil } // never wanted

func (b busy) Observe(ctx context.Context) (plan.State, error) {
	if b.stopped != "" {
		return plan.State{Is: plan.Absent, Why: b.stopped}, nil
	}
	if why := b.env.Unreachable(ctx, b.lives); why != "" {
		b.giveUp(why)
	}
	if why := b.drain.gaveUp[everyNode]; why != "" {
		return plan.State{Is: plan.Absent, Why: why}, nil
	}
	if _, err := b.env.Kube(ctx); err != nil {
		return plan.State{Is: plan.Partial, Why: kube.Plainly(err)}, nil
	}
	s, err := b.drain.Observe(ctx)
	if s.Is == plan.Present {
		return plan.State{Is: plan.Absent, Why: s.Why}, err
	}
	return plan.State{Is: plan.Present, Why: s.Why}, err
}

// giveUp notes that there is nobody to drain with.
func (b busy) giveUp(why string) {
	why = "draining is not possible: " + why
	b.drain.gaveUp[everyNode] = why
	b.env.Warn(why)
}

// Undo drains all nodes of the pool, with credentials fetched for it if this
// operator has none that work.
func (b busy) Undo(ctx context.Context) error {
	err := b.open(ctx)
	if err == nil {
		if err = b.drain.Do(ctx); err != nil && b.drain.keeps {
			return err
		}
	}
	if err != nil && ctx.Err() == nil {
		b.giveUp(kube.Plainly(err))
		return nil
	}
	return err
}
