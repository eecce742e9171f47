package cluster

import (
	"cmp"
	"context"
	"slices"

	"hakube/cluster/env"
	"hakube/cluster/kube"
	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/sweep"
)

func (c *Cluster) run(verb settings.Verb) *run {
	return newRun(env.New(c.settings, c.deps), rowOf(c.settings.Mode(verb)).aim)
}

// An action is what may be done before the list is known: nothing in a preview.
// It returns false when the list cannot be known without.
type action func(context.Context, *run) (ok bool, err error)

func doing(report func(plan.Event)) action {
	return func(ctx context.Context, r *run) (bool, error) { return true, Reach(ctx, r.task, report) }
}

func looking(_ context.Context, r *run) (bool, error) { return len(reachable(r.task)) == 0, nil }

// up looks around and lists what is to be true. What comes first of all is left
// to act; if that may do nothing, it is the list.
func (c *Cluster) up(ctx context.Context, l *lease.Lease, act action) (*run, []plan.Item, error) {
	r := c.run(settings.Up)
	r.Lease = l
	have, err := r.look(ctx)
	if err != nil {
		return r, nil, misplaced(ctx, r.task, err)
	}
	r.have = have
	r.SawMasters(r.have)
	unfit, err := preflight(ctx, r.task)
	if err != nil {
		return r, nil, unfit.Besides(err)
	}
	own, err := kubeconfigProblems(ctx, r.task)
	if err != nil {
		return r, nil, err
	}
	unfit = append(unfit, own...)
	for _, text := range r.Want.Settings.DNSProblems() { // the range is known now, also when nobody set it
		unfit = append(unfit, &refusal.Refused{Why: text, Cure: "leave KUBE_DNS_SERVER_IP out, or set that"})
	}
	if no := slices.Concat(unfit, inTheWay(r.task)); len(no) > 0 && len(reachable(r.task)) > 0 {
		return r, nil, no // before the first change, which is to reach masters
	}
	if err := c.consent(ctx, r); err != nil {
		return r, nil, err
	}
	r.notes()
	if r.mode.masters {
		if ok, err := act(ctx, r); err != nil || !ok {
			return r, reachable(r.task), err
		}
	}
	err = rowOf(r.mode.name).judge(r, ctx)
	if err == nil {
		err = have.SameNames(&r.Want)
	}
	if err == nil {
		decideBalancer(r.task)
		err = room(ctx, r.task)
	}
	r.grows()
	if err != nil {
		return r, nil, unfit.Besides(err)
	}
	items := r.items()
	return r, items, foresee(ctx, r.task, items, unfit)
}

// down looks for what is to go, and lists it; nothing found is an empty list.
func (c *Cluster) down(ctx context.Context, l *lease.Lease, act action, preview bool) (r *run, items []plan.Item, err error) {
	r = c.run(settings.Down)
	r.Lease = l
	first, any, err := rowOf(r.mode.name).find(r, ctx, c, act, preview)
	if err != nil || !any {
		return r, first, err
	}
	items, err = r.removal(ctx)
	return r, items, err
}

// twoMasters is the warning at the one number of masters that is worse than both
// its neighbours.
const twoMasters = "two masters survive the loss of neither: both must live for a quorum of two; add a third, or remove one"

func (r *run) summary() *Summary {
	if r.mode.one && len(r.masters()) == 2 {
		r.Warn(twoMasters)
	}
	s := &Summary{
		Mode: r.mode.name, Context: r.Want.Context, Kubeconfig: r.KubeFiles().Of(r.Want.Context), Zone: r.Want.Zone,
		Evidence: r.evidence, Warnings: r.Warnings(), Replica: r.replica.Name, Dark: r.dark, Outages: r.outages,
	}
	s.Leftovers, s.Perhaps = staying(r.task), told(r.perhaps)
	if !r.mode.removes {
		s.Smaller = r.smaller
		s.Version = string(r.Want.Settings.KubeVersion)
		s.Address = r.IP()
		s.URL = "https://" + r.IP()
	}
	return s
}

// OnSmaller has f called in an up, or a preview of one, that removes nodes, before
// anything is changed. An error of f ends the run.
func (c *Cluster) OnSmaller(f func(context.Context, Smaller) error) { c.smaller = f }

// consent tells of nodes that go, and asks whether they may.
func (c *Cluster) consent(ctx context.Context, r *run) error {
	if !r.mode.name.Pool() {
		return nil
	}
	s := Smaller{Zone: r.Want.Zone, Nodes: []string{}}
	groups := r.poolGroups()
	for _, g := range groups {
		s.From += g.Size
		s.To += g.wants
	}
	if s.To >= s.From {
		return nil
	}
	p, err := pool.Read(ctx, r.Env, r.ownGroups())
	if err != nil {
		s.Why = kube.Plainly(err)
	} else {
		for _, g := range groups {
			s.Nodes = append(s.Nodes, pool.NamesOf(p.Leavers(g.Name, g.Size-g.wants))...)
		}
	}
	r.smaller = &s
	if c.smaller == nil {
		return nil
	}
	return c.smaller(ctx, s)
}

// strayed looks for what is left behind and has it decided whether it goes too.
func (c *Cluster) strayed(ctx context.Context, r *run, preview bool) (err error) {
	if r.strays, r.perhaps, err = sweep.Find(ctx, r.Reader, &r.Want, r.have); err != nil {
		return err
	}
	r.sweeping = bool(c.settings.Sweep)
	if c.leftovers != nil && len(r.strays)+len(r.perhaps) > 0 {
		f := sweep.Found{Ours: told(r.strays), Perhaps: told(r.perhaps), Sweep: r.sweeping, Preview: preview}
		for _, s := range append(f.Ours, f.Perhaps...) {
			f.Network = cmp.Or(f.Network, s.Network)
		}
		yes, err := c.leftovers(ctx, f)
		if err != nil {
			return err
		}
		r.sweeping = r.sweeping || yes && !preview
	}
	keep(r.task)
	return nil
}

// removal lists what a removal takes away, once nothing of it is refused.
func (r *run) removal(ctx context.Context) ([]plan.Item, error) {
	items := r.items()
	return items, foreseeRemoval(ctx, r.task, items)
}
