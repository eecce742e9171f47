package cluster

import (
	"context"
	"fmt"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/span"
	"hakube/cluster/status"
	"hakube/cluster/step"
	"hakube/cluster/task"
)

// An up of the whole cluster is the commands of which each is about one zone, in their
// order and under one lease: the cluster with its first master, the other masters one by
// one, the other pools, and then what is to go. What any of them would be refused for is
// asked before the first change, with what all of them take added up; each keeps its own
// rules. What there is says where to go on after a cut.

// Spanning is what such a run is about, before anything is changed.
type Spanning struct {
	Crossings []string // what goes from zone to zone once it is done
	Surplus   []string // what is more than was named
	Prune     bool     // and goes
}

// OnSpan has f called in an up of the whole cluster, or a preview of one, before
// anything is changed.
func (c *Cluster) OnSpan(f func(Spanning)) { c.span = f }

// A whole is an up of the whole cluster, judged.
type whole struct {
	*Cluster
	held hold
	span.Target
	base  *run    // who looked around
	first listing // the cluster with its first master
	ahead []*run  // of the other masters and pools, as far as can be said now
}

// command is the one for a step.
func (w *whole) command(s settings.Settings) *Cluster {
	one := *w.Cluster
	one.settings = s
	return &one
}

// thereOf is what a cluster has, by zone.
func thereOf(r *run) span.There {
	t := span.There{Homes: r.Have.Homes(r.Want.Names), Masters: map[string]int{}, Pools: map[string]int{}}
	for _, z := range r.Have.Zones(func(inventory.Object) bool { return true }) {
		if n := len(r.MastersIn(z)); n > 0 {
			t.Masters[z] = n
		}
	}
	for _, o := range r.Have.Objects {
		if o.Kind == inventory.ManagedGroup && o.Zone != "" {
			t.Pools[o.Zone] += o.Size
		}
	}
	return t
}

// judged looks around and refuses what would be refused in the middle. It changes
// nothing but what masters cannot be asked without.
func (c *Cluster) judged(ctx context.Context, h hold, act action) (w *whole, err error) {
	w = &whole{Cluster: c, held: h, base: c.run(settings.Up, h)}
	if w.base.Have, err = w.base.Look(ctx); err != nil {
		return w, preflight.Misplaced(ctx, w.base.Task, err)
	}
	there := thereOf(w.base)
	if named := c.settings.Named(); len(named) > 0 && len(there.Homes) > 0 && settings.Zone(there.Homes[0]).Region() != named[0].Region() {
		return w, w.base.Have.LivesHere(&w.base.Want)
	}
	if w.Target, err = span.Of(&c.settings).TargetOf(there); err != nil {
		return w, err
	}
	if err := w.zonesFit(ctx); err != nil {
		return w, err
	}
	if c.span != nil {
		c.span(Spanning{w.Crossings(), w.Surplus(), w.Wish.Prune})
	}
	h.lease.Note(inventory.SpanKey, w.Wish.String())
	w.base.Notes()
	w.lookAhead()
	if w.first, err = w.command(w.First(w.settings)).listed(ctx, h, act); err != nil || !w.first.known {
		return w, err
	}
	parts := []preflight.Part{{Task: w.first.Task, Items: w.first.items}}
	for _, r := range w.ahead {
		parts = append(parts, preflight.Part{Task: r.Task, Items: r.items()})
	}
	if err := preflight.ForeseeAll(ctx, parts, w.first.unfit); err != nil {
		return w, err
	}
	return w, w.membersFit(ctx, act)
}

// zonesFit asks for the zones that get something new, and for the types there.
func (w *whole) zonesFit(ctx context.Context) error {
	var all refusal.Unfit
	masters, nodes := map[string]bool{}, map[string]bool{}
	var zones []string
	add := func(in map[string]bool, p span.Place) {
		in[p.Zone] = true
		if !slices.Contains(zones, p.Zone) {
			zones = append(zones, p.Zone)
		}
	}
	machines := 0
	for _, p := range w.Masters {
		if p.Wants > p.Is {
			add(masters, p)
		}
	}
	for _, p := range w.Pools {
		size := max(p.Is, p.Wants)
		if p.Is == span.Default || p.Wants > p.Is {
			add(nodes, p)
		}
		if size == span.Default {
			size = int(w.settings.NumNodes)
		}
		machines += size
	}
	for _, z := range zones {
		there := *w.Cluster
		there.settings.Zone = settings.Zone(z)
		r := w.at(&there, task.Aim{Name: settings.Span, Masters: masters[z], Nodes: nodes[z]})
		no, err := preflight.Named(ctx, r.Task)
		if wrong := no.Besides(err); wrong != nil {
			return wrong
		}
		all = append(all, no...)
	}
	if len(zones) > 0 {
		if err := preflight.RoomForAll(ctx, w.base.Task, w.Lasting(), machines); err != nil {
			return all.Besides(err)
		}
	}
	return all.OrNil()
}

// at is a run of a command beside what was found, without another look.
func (w *whole) at(c *Cluster, aim task.Aim) *run {
	r := newRun(w.base.Anew(settings.SpecOf(c.settings, c.deps.Operator())), aim)
	r.Have = w.base.Have
	r.Learn(r.Have)
	r.Want = r.Want.At(w.Home, r.Want.Mark.Multizone)
	return r
}

// lookAhead says what the other masters and pools will be, and has noted with the first
// change what their runs note of them.
func (w *whole) lookAhead() {
	taken := map[string]bool{}
	for _, o := range w.base.Have.Objects {
		taken[o.Name] = true
	}
	for _, p := range w.Masters {
		n := p.Wants - p.Is
		if p.Zone == w.Home && len(w.base.Have.Homes(w.base.Want.Names)) == 0 {
			n-- // which is the first
		}
		for range max(0, n) {
			c := w.command(w.Master(w.settings, p.Zone))
			r := w.at(c, rowOf(c.settings.Mode(settings.Up)).Aim)
			for i := 0; r.Replica.Name == ""; i++ {
				if name := r.Want.Names.Replica(p.Zone, i); !taken[name] && !taken[r.Want.Names.DiskOf(name)] {
					r.Replica = inventory.Object{Kind: inventory.Instance, Name: name, Zone: p.Zone, Role: inventory.RoleMaster, Status: "RUNNING"}
					taken[name] = true
				}
			}
			w.ahead = append(w.ahead, r)
		}
	}
	for _, s := range w.Others(w.settings) {
		c := w.command(s)
		r := w.at(c, rowOf(c.settings.Mode(settings.Up)).Aim)
		r.Notes()
		r.Grows()
		w.ahead = append(w.ahead, r)
	}
	for _, r := range w.ahead {
		step.DecideBalancer(r.Task)
	}
}

// membersFit refuses what the rings say no to, of masters that come and of what goes.
func (w *whole) membersFit(ctx context.Context, act action) error {
	if len(w.base.Have.Masters(w.base.Want.Names)) == 0 {
		return nil
	}
	zone, err := w.short(ctx)
	if err != nil {
		return err
	}
	if zone != "" {
		if _, err := w.command(w.Master(w.settings, zone)).listed(ctx, w.held, act); err != nil {
			return err
		}
	}
	for _, s := range w.Removals(w.settings) {
		if _, _, err := w.command(s).down(ctx, w.held, looking, true); err != nil {
			return err
		}
	}
	return nil
}

// short is the zone in which the next master is to be made, or one is to be finished; ""
// when there are enough.
func (w *whole) short(ctx context.Context) (zone string, err error) {
	r := w.command(w.Master(w.settings, w.Home)).run(settings.Up, w.held)
	if r.Have, err = r.Look(ctx); err != nil {
		return "", err
	}
	r.SawMasters(r.Have)
	all := r.Have.Masters(r.Want.Names)
	if len(all) == 1 && w.Lasting() == 1 {
		return "", nil
	}
	s := r.SurveyWrites(ctx, all)
	for _, p := range w.Masters {
		here, half := r.MastersIn(p.Zone), 0
		for _, o := range here {
			is, err := r.isWhole(ctx, o, s)
			if err != nil {
				return "", err
			}
			if !is {
				half++
			}
		}
		switch {
		case half > 0 && len(here)-half < p.Wants:
			return p.Zone, nil // before any other: a ring takes one learner at a time
		case zone == "" && len(here) < p.Wants:
			zone = p.Zone
		}
	}
	return zone, nil
}

// upAll is Up of the whole cluster.
func (c *Cluster) upAll(ctx context.Context, h hold, report func(plan.Event)) (*Summary, error) {
	w, err := c.judged(ctx, h, doing(report))
	if err != nil {
		return nil, err
	}
	if err := w.first.walk(ctx, w.first.items, report); err != nil {
		return nil, err
	}
	all := w.first.summary()
	h.lease.Done(inventory.GrowthKey + w.Home)
	for range w.lastMaster() {
		zone, err := w.short(ctx)
		if err != nil {
			return nil, err
		}
		if zone == "" {
			break
		}
		if err := w.add(ctx, w.command(w.Master(w.settings, zone)), report, all); err != nil {
			return nil, err
		}
	}
	for _, s := range slices.Concat(w.Others(w.settings), w.Smaller(w.settings)) {
		if err := w.add(ctx, w.command(s), report, all); err != nil {
			return nil, err
		}
		h.lease.Done(inventory.GrowthKey + string(s.Zone))
	}
	for _, s := range w.Removals(w.settings) {
		if err := w.remove(ctx, w.command(s), report, all); err != nil {
			return nil, err
		}
	}
	return w.summary(ctx, all)
}

// lastMaster is how many masters may have to be made or finished.
func (w *whole) lastMaster() (n int) {
	for _, p := range w.Masters {
		n += p.Wants
	}
	return n
}

func (w *whole) add(ctx context.Context, c *Cluster, report func(plan.Event), all *Summary) error {
	r, items, err := c.up(ctx, w.held, doing(report))
	if err != nil {
		return err
	}
	if err := r.walk(ctx, items, report); err != nil {
		return err
	}
	all.with(r.summary())
	return nil
}

func (w *whole) remove(ctx context.Context, c *Cluster, report func(plan.Event), all *Summary) error {
	r, items, err := c.down(ctx, w.held, doing(report), false)
	if err != nil || len(items) == 0 {
		return err
	}
	if err := r.walk(ctx, items, report); err != nil {
		return err
	}
	all.with(r.summary())
	return nil
}

// summary ends the run: nothing is to speak of it any more.
func (w *whole) summary(ctx context.Context, all *Summary) (*Summary, error) {
	all.Mode, all.Zone = settings.Span, w.Home
	if !w.Wish.Prune {
		all.Surplus = w.Surplus()
	}
	if w.Lasting() == 2 {
		all.Warnings = append(all.Warnings, status.TwoMasters)
	}
	unfinished := w.held.lease.Done(inventory.SpanKey)
	for _, p := range w.Pools {
		unfinished = w.held.lease.Done(inventory.GrowthKey+p.Zone) || unfinished
	}
	if unfinished {
		return all, w.held.gate(ctx)
	}
	return all, nil
}

// previewAll is the walk of upAll without acting. What is in several of its lists is shown once.
func (c *Cluster) previewAll(ctx context.Context, report func(plan.Event)) (changes int, err error) {
	w, err := c.judged(ctx, hold{}, looking)
	if err != nil {
		return 0, err
	}
	lists := [][]plan.Item{w.first.items}
	if w.first.known {
		if lists, err = w.lists(ctx); err != nil {
			return 0, err
		}
	}
	return plan.PreviewStages(ctx, lists, report)
}

// lists are those of all its commands.
func (w *whole) lists(ctx context.Context) (lists [][]plan.Item, err error) {
	shown := map[string]bool{}
	add := func(items []plan.Item, wrap func(plan.Step) plan.Step) {
		var list []plan.Item
		for _, it := range items {
			key := fmt.Sprint(it.Want, it.Step)
			if shown[key] {
				continue
			}
			shown[key] = true
			it.Step, it.Beside = wrap(it.Step), false
			list = append(list, it)
		}
		lists = append(lists, list)
	}
	asItIs := func(s plan.Step) plan.Step { return s }
	add(w.first.items, asItIs)
	if len(w.base.Have.Masters(w.base.Want.Names)) > 0 {
		zone, err := w.short(ctx)
		if err != nil {
			return nil, err
		}
		if zone != "" {
			_, items, err := w.command(w.Master(w.settings, zone)).up(ctx, hold{}, looking)
			if err != nil {
				return nil, err
			}
			add(items, asItIs)
		}
		for _, s := range slices.Concat(w.Others(w.settings), w.Smaller(w.settings)) {
			_, items, err := w.command(s).up(ctx, hold{}, looking)
			if err != nil {
				return nil, err
			}
			add(items, asItIs)
		}
	}
	for _, r := range w.ahead {
		add(r.items(), plan.Later)
	}
	for _, s := range w.Removals(w.settings) {
		_, items, err := w.command(s).down(ctx, hold{}, looking, true)
		if err != nil {
			return nil, err
		}
		add(items, asItIs)
	}
	return lists, nil
}
