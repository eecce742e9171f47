package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/live"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/preflight"
	"hakube/cluster/refusal"
	"hakube/cluster/removal"
	"hakube/cluster/roll"
	"hakube/cluster/schedule"
	"hakube/cluster/settings"
	"hakube/cluster/snapshots"
	"hakube/cluster/status"
	"hakube/cluster/step"
	"hakube/cluster/sweep"
	"hakube/scripts/cure"
)

func (c *Cluster) runFor(verb settings.Verb, h hold) *run {
	aim := rowOf(c.settings.Mode(verb)).Aim
	aim.Several, aim.Zones, aim.Leaves = len(c.founds) > 0, c.founds, c.leaves.Zone
	r := newRun(env.New(c.settings, c.deps, h.gate), aim)
	r.unsettled, r.source, r.Mode.Roll = c.unsettled, c.source, c.note
	r.Mode.Upgrades = c.upgrades
	r.Lease = h.lease
	return r
}

// An action is what may be done before the list is known: nothing in a preview.
// It returns false when the list cannot be known without.
type action func(context.Context, *run) (ok bool, err error)

func doing(report func(plan.Event)) action {
	return func(ctx context.Context, r *run) (bool, error) { return true, step.Reach(ctx, r.Task, report) }
}

func looking(_ context.Context, r *run) (bool, error) { return len(step.Reachable(r.Task)) == 0, nil }

// up looks around and lists what is to be true. What comes first of all is left
// to act; if that may do nothing, it is the list.
func (c *Cluster) up(ctx context.Context, h hold, act action) (*run, []plan.Item, error) {
	x, err := c.listed(ctx, h, act)
	if err == nil && x.known {
		err = preflight.Foresee(ctx, x.Task, x.items, x.blockers)
	}
	return x.run, x.items, err
}

// A listing is a run with its list, before the objects of that are looked for.
type listing struct {
	*run
	items    []plan.Item
	blockers refusal.Blockers // what is in the way by now
	known    bool             // or the list is what comes first of all
}

// listed is up before the objects of the list are looked for.
func (c *Cluster) listed(ctx context.Context, h hold, act action) (listing, error) {
	r := c.runFor(settings.Up, h)
	x := listing{run: r}
	have, err := r.Look(ctx)
	if err != nil {
		return x, preflight.Misplaced(ctx, r.Task, err)
	}
	r.Have = have
	if r.Mode.Several { // others that are begun by now are neither behind the balancer yet nor Nodes
		r.without(func(name string) bool { return name != r.Want.Names.Master() })
		have = r.Have
	}
	r.SawMasters(r.Have)
	if err := errors.Join(r.midUpgrade(), r.midRestore()); err != nil {
		return x, err
	}
	if r.Want, err = r.nodesAsWanted(ctx); err != nil {
		return x, err
	}
	blockers, err := preflight.Named(ctx, r.Task)
	if err != nil {
		return x, blockers.Besides(err)
	}
	own, err := preflight.KubeconfigProblems(ctx, r.Task)
	if err != nil {
		return x, err
	}
	blockers = append(blockers, own...)
	for _, text := range r.Want.Settings.DNSProblems() { // the range is known now, also when nobody set it
		blockers = append(blockers, &refusal.Refused{Why: text, Cure: "leave KUBE_DNS_SERVER_IP out, or set that"})
	}
	byMasters, err := schedule.Ready(ctx, r.Env, r.Want.Settings, r.Mode.Whole && len(r.Have.Masters(r.Want.Names)) == 0)
	if blockers = slices.Concat(blockers, r.Want.Settings.AddonProblems(), byMasters); err != nil {
		return x, blockers.Besides(err)
	}
	blockers = append(blockers, live.Unbuilt(r.Task)...)
	blockers = append(blockers, snapshots.InTheWay(r.Task)...)
	if r.Mode.Nodes {
		blockers = append(blockers, r.Want.Settings.CountProblems()...)
	}
	off, err := live.SwitchedOff(ctx, r.Task)
	if err != nil {
		return x, blockers.Besides(err)
	}
	blockers = append(blockers, off...)
	if no := slices.Concat(blockers, preflight.InTheWayOfMasters(r.Task)); len(no) > 0 && len(step.Reachable(r.Task)) > 0 {
		return x, no // before the first change, which is to reach masters
	}
	if r.Mode.One {
		if no, err := preflight.LockedOut(ctx, r.Task); err != nil || len(no) > 0 {
			return x, no.Besides(err)
		}
	}
	r.tellOlder()
	if err := c.consent(ctx, r); err != nil {
		return x, err
	}
	r.Notes()
	if r.Mode.Masters {
		if ok, err := act(ctx, r); err != nil || !ok {
			x.items = step.Reachable(r.Task)
			return x, err
		}
	}
	r.Want, err = rowOf(r.Mode.Name).judge(r, ctx)
	if err == nil {
		err = have.SameNames(&r.Want)
	}
	if err == nil {
		step.DecideBalancer(r.Task)
		err = preflight.Groupable(r.Task)
	}
	if err == nil {
		err = preflight.Room(ctx, r.Task)
	}
	r.Grows()
	if err != nil {
		return x, blockers.Besides(err)
	}
	x.items, x.blockers, x.known = r.items(), blockers, true
	return x, nil
}

// midUpgrade refuses to make or change anything beside masters of two versions: which of them
// a new machine would be like is for the upgrade to say, that was begun.
func (r *run) midUpgrade() error {
	x := r.Have.Rolling(r.Want.Names)
	if r.Mode.Rolls || x.Version() == "" || !x.OfMasters() {
		return nil
	}
	return &refusal.Refused{
		Why:  fmt.Sprintf("%s of the %s was begun and is not done: masters may be of two versions", x.What(), x),
		Cure: cure.Hints(cure.Hint("end that first", x.Command()), cure.Hint("then", cure.Same())),
	}
}

// nodesAsWanted is what the nodes of the pool are to be made from.
func (r *run) nodesAsWanted(ctx context.Context) (want settings.Spec, err error) {
	if !r.Mode.Rolls {
		return r.Changed(ctx)
	}
	want, r.again, err = roll.Nodes(ctx, r.Task)
	return want, err
}

// down looks for what is to go, and lists it; nothing found is an empty list.
func (c *Cluster) down(ctx context.Context, h hold, act action, preview bool) (r *run, items []plan.Item, err error) {
	r = c.runFor(settings.Down, h)
	first, any, err := rowOf(r.Mode.Name).find(r, ctx, c, act, preview)
	if err != nil || !any {
		return r, first, err
	}
	items, err = r.removal(ctx)
	return r, items, err
}

func (r *run) summary() *Summary {
	if r.Mode.One && len(r.Masters()) == 2 {
		r.Warn(status.TwoMasters)
	}
	s := &Summary{
		Mode: r.Mode.Name, Context: r.Want.Context, Kubeconfig: r.KubeFiles().Of(r.Want.Context), Zone: r.Want.Zone,
		Evidence: r.evidence, Warnings: r.Warnings(), Replica: r.Replica.Name, Dark: r.dark, Outages: r.outages,
	}
	s.Orphans, s.Perhaps = removal.Staying(r.Task), removal.Told(r.Perhaps)
	if !r.Mode.Removes {
		if s.Smaller = r.smaller; s.Smaller != nil {
			s.Reduced = []Smaller{*s.Smaller}
		}
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
	if !r.Mode.Name.Pool() {
		return nil
	}
	s := Smaller{Zone: r.Want.Zone, Pool: r.Want.Names.Pool, Nodes: []string{}}
	groups := r.PoolGroups()
	for _, g := range groups {
		s.From += g.Size
		s.To += g.Wants
	}
	if s.To >= s.From {
		return nil
	}
	p, err := pool.Read(ctx, r.Env, r.OwnGroups())
	if err != nil {
		s.Why = kube.Plainly(err)
	} else {
		for _, g := range groups {
			s.Nodes = append(s.Nodes, pool.NamesOf(p.Leavers(g.Name, g.Size-g.Wants))...)
		}
	}
	r.smaller = &s
	if c.smaller == nil {
		return nil
	}
	return c.smaller(ctx, s)
}

// findOrphans looks for what is left behind and has it decided whether it goes too.
func (c *Cluster) findOrphans(ctx context.Context, r *run, preview bool) (err error) {
	if r.Orphans, r.Perhaps, err = sweep.Find(ctx, r.Reader, &r.Want, r.Have); err != nil {
		return err
	}
	r.Sweeping = bool(c.settings.Sweep)
	if err := snapshots.Leave(ctx, r.Task); err != nil {
		return err
	}
	if c.orphans != nil && len(r.Orphans)+len(r.Perhaps) > 0 {
		f := sweep.Found{Ours: removal.Told(r.Orphans), Perhaps: removal.Told(r.Perhaps), Sweep: r.Sweeping, Preview: preview}
		for _, s := range append(f.Ours, f.Perhaps...) {
			f.Network = cmp.Or(f.Network, s.Network)
		}
		yes, err := c.orphans(ctx, f)
		if err != nil {
			return err
		}
		r.Sweeping = r.Sweeping || yes && !preview
	}
	removal.Keep(r.Task)
	return nil
}

// quieted ends the programs that make Google's objects before what is to go is listed
// for good: what they made since the first look is found by a second one. Nothing is
// refused any more when it is called.
func (c *Cluster) quieted(ctx context.Context, r *run, items []plan.Item, report func(plan.Event)) ([]plan.Item, error) {
	w := live.WritersOf(r.Task)
	if w == nil {
		return items, nil
	}
	if err := plan.Run(ctx, r.Gate, []plan.Item{{Step: w}}, report); err != nil || !w.Stopped {
		return items, err
	}
	have, err := r.LookForMarks(ctx)
	if err != nil {
		return nil, err
	}
	told := r.Orphans
	if r.Orphans, r.Perhaps, err = sweep.Find(ctx, r.Reader, &r.Want, have); err != nil {
		return nil, err
	}
	removal.TellNew(r.Task, told)
	removal.Keep(r.Task)
	return r.removal(ctx)
}

// removal lists what a removal takes away, once nothing of it is refused.
func (r *run) removal(ctx context.Context) ([]plan.Item, error) {
	items := r.items()
	return items, preflight.ForeseeRemoval(ctx, r.Task, items)
}

// tellOlder warns of machines that another hakube's startup script made: what this one would
// make otherwise comes with a roll, and not with an up.
func (r *run) tellOlder() {
	if !r.Mode.Whole || r.Mode.Removes {
		return
	}
	var names, pools []string
	var each []cure.Command
	why := ""
	for _, m := range r.Have.Masters(r.Want.Names) {
		i := r.Seen.Machines[m.Zone+"/"+m.Name]
		if i == nil {
			continue
		}
		if x := step.OfAnother(step.UnlikeMaster(i, nil, &r.Want)); x != "" {
			names, why = append(names, m.Name), x
		}
	}
	if len(names) > 0 {
		r.Warn(cure.Hint(fmt.Sprintf("%s: %s; up uses them as they are, and this makes them again as this hakube does, one after the other and with their data", strings.Join(names, ", "), why), cure.Roll("masters")))
	}
	for _, id := range r.Have.Pools() {
		for _, g := range r.Have.Pool(r.Want.Names, id).Of(inventory.ManagedGroup) {
			t := r.Seen.Templates[g.Template]
			if t == nil || slices.Contains(pools, id.Short()) {
				continue
			}
			if x := step.OfAnother(step.UnlikeNodes(t, &r.Want)); x != "" {
				pools, why = append(pools, id.Short()), x
				each = append(each, cure.Roll("pool", id.Zone).OfPool(id.Name))
			}
		}
	}
	if len(pools) > 0 {
		r.Warn(cure.Hint(fmt.Sprintf("nodes of %s: %s; up uses them as they are, and this makes them again as this hakube does, some at a time and drained", strings.Join(pools, "; "), why), each...))
	}
}
