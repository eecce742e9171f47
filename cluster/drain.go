package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
)

// drained is the fact that the nodes which are too many hold no pods that
// could run elsewhere, and that all others take pods. It is listed where there
// is a group that can have too many.
func (r *run) drained() []plan.Step {
	for _, g := range r.poolGroups() {
		if r.have.Has(g.Object) {
			return []plan.Step{drained{r}}
		}
	}
	return nil
}

type drained struct{ *run }

func (drained) String() string { return "nodes that go are drained" }

// Waits: each of its calls leaves the node as good as it was, and draining may
// take minutes; an interrupt ends it at once.
func (drained) Waits() {}

// podsOn are the pods that have to leave the machines' nodes.
func (r *env) podsOn(ctx context.Context, p pool, goes []member) ([]corev1.Pod, error) {
	client, err := r.kube(ctx)
	if err != nil {
		return nil, err
	}
	var nodes []*corev1.Node
	for _, m := range goes {
		if n := p.node(m); n != nil {
			nodes = append(nodes, n)
		}
	}
	return client.PodsOn(ctx, nodes)
}

// leavers reads the pool and says which of its machines go.
func (d drained) leavers(ctx context.Context) (p pool, goes []member, err error) {
	if p, err = d.pool(ctx); err != nil {
		return p, nil, err
	}
	if d.mode.one {
		return p, []member{{name: d.replica.Name, zone: d.replica.Zone}}, nil
	}
	if d.mode.removes {
		for _, o := range d.or(inventory.Instance, inventory.Object{}) { // that have no group any more
			goes = append(goes, member{name: o.Name, zone: o.Zone})
		}
		return p, append(goes, p.machines...), nil
	}
	for _, g := range d.poolGroups() {
		goes = append(goes, p.leavers(g.Name, g.Size-g.wants)...)
	}
	return p, goes, nil
}

func (d drained) Observe(ctx context.Context) (plan.State, error) {
	p, goes, err := d.leavers(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	if stay := p.regretted(goes); len(stay) > 0 {
		return plan.State{Is: plan.Partial, Why: "to stay, and cordoned: " + few(stay)}, nil
	}
	open := slices.DeleteFunc(slices.Clone(goes), func(m member) bool {
		n := p.node(m)
		return n == nil || kube.IsLeaving(n) && n.Spec.Unschedulable
	})
	if len(open) > 0 {
		return plan.State{Is: plan.Partial, Why: "to go, and takes pods: " + few(open)}, nil
	}
	left, err := d.podsOn(ctx, p, goes)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	for _, pod := range left {
		if d.gaveUpOn(pod.Spec.NodeName) == "" {
			return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d pods are on nodes that go", len(left))}, nil
		}
	}
	switch {
	case len(left) > 0:
		return exists(d.gaveUpOn(left[0].Spec.NodeName))
	case len(goes) == 0:
		return exists("none goes")
	}
	return exists("drained: " + few(goes))
}

// Do cordons what goes, opens again what stays after all, and evicts until
// nothing is left or the limit is over. Then it goes on, and says so.
func (d drained) Do(ctx context.Context) error {
	p, goes, err := d.leavers(ctx)
	if err != nil {
		return err
	}
	client, err := d.kube(ctx)
	if err != nil {
		return err
	}
	for _, m := range p.regretted(goes) {
		if err := client.Uncordon(ctx, p.node(m)); err != nil {
			return err
		}
	}
	err = kube.Each(len(goes), func(i int) error { return client.Cordon(ctx, p.node(goes[i]), d.mode.removes && !d.mode.one) })
	if err != nil {
		return err
	}
	err = plan.Until(ctx, plan.Condition{
		For: fmt.Sprintf("pods to leave %d nodes", len(goes)), Every: d.poll, Limit: d.want.Settings.DrainTimeout.Duration(),
		Check: func(ctx context.Context) (ok bool, missing string, err error) {
			left, err := d.podsOn(ctx, p, goes)
			if err != nil {
				return false, "", err
			}
			return len(left) == 0, client.Evict(ctx, left, d.warned), nil
		},
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	d.giveUp(namesOf(goes), errors.Unwrap(err))
	return nil
}

func (drained) Undo(context.Context) error { return nil } // never unwanted

// giveUp notes that nodes go with what is still on them.
func (r *run) giveUp(names []string, last error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	why := fmt.Sprintf("not drained to the end, went on after %s: %v", r.want.Settings.DrainTimeout.Duration(), last)
	for _, n := range append(names, everyNode) {
		r.gaveUp[n] = why
	}
	r.warn(why)
}

// everyNode stands in run.gaveUp for all that were to be drained.
const everyNode = ""

// warn adds a warning, once. The lock is held.
func (r *env) warn(text string) {
	if !slices.Contains(r.warnings, text) {
		r.warnings = append(r.warnings, text)
	}
}

// warned adds a warning, once.
func (r *env) warned(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warn(text)
}

func (r *run) gaveUpOn(node string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gaveUp[node]
}

// busy is the opposite fact, which is undone before a pool is removed: that
// its nodes hold pods. A cluster that cannot be asked keeps nothing from being
// removed; that it went undrained is said.
func (r *run) busy() plan.Step { return busy{r} }

type busy struct{ *run }

func (b busy) String() string {
	if b.mode.one {
		return "pods on node " + b.replica.Name
	}
	return "pods on nodes of " + b.want.Zone
}
func (busy) Waits()                   {}
func (busy) Do(context.Context) error { return nil } // never wanted

func (b busy) Observe(ctx context.Context) (plan.State, error) {
	if b.mode.one && b.have.StatusOf(b.replica) != "RUNNING" {
		return plan.State{Is: plan.Absent, Why: "its machine does not run: no kubelet would end them"}, nil
	}
	if why := b.unreachable(ctx); why != "" {
		b.giveUp(why)
	}
	if why := b.gaveUpOn(everyNode); why != "" {
		return plan.State{Is: plan.Absent, Why: why}, nil
	}
	if _, err := b.kube(ctx); err != nil {
		return plan.State{Is: plan.Partial, Why: kube.Plainly(err)}, nil
	}
	s, err := drained(b).Observe(ctx)
	if s.Is == plan.Present {
		return plan.State{Is: plan.Absent, Why: s.Why}, err
	}
	return plan.State{Is: plan.Present, Why: s.Why}, err
}

// giveUp notes that there is nobody to drain with.
func (b busy) giveUp(why string) {
	why = "draining is not possible: " + why
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gaveUp[everyNode] = why
	b.warn(why)
}

// Undo drains all nodes of the pool, with credentials fetched for it if this
// operator has none that work.
func (b busy) Undo(ctx context.Context) error {
	err := b.credentials(ctx)
	if err == nil {
		err = drained(b).Do(ctx)
	}
	if err != nil && ctx.Err() == nil {
		b.giveUp(kube.Plainly(err))
		return nil
	}
	return err
}

// credentials does what it takes to speak to the cluster that has a living API.
// A removal writes no kubeconfig: what a master lends is kept nowhere.
func (b busy) credentials(ctx context.Context) error {
	for _, s := range b.access() {
		now, err := s.Observe(ctx)
		if err == nil && now.Is != plan.Present {
			err = s.Do(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	if _, err := b.kube(ctx); err == nil {
		return nil
	}
	ip, err := b.address(ctx)
	if err != nil {
		return err
	}
	e, err := b.lend(ctx, b.master(), ip)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.lent = &e
	b.mu.Unlock()
	return nil
}
