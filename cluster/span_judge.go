package cluster

import (
	"context"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/span"
	"hakube/cluster/step"
	"hakube/cluster/task"
)

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
			t.Add(o.PoolID(), o.Size, r.Want.Names.Pool)
		}
	}
	return t
}

// judged looks around and refuses what would be refused in the middle. It changes
// nothing but what masters cannot be asked without.
func (c *Cluster) judged(ctx context.Context, h hold, act action) (w *whole, err error) {
	w = &whole{Cluster: c, held: h, base: c.runFor(settings.Up, h)}
	if w.base.Have, err = w.base.Look(ctx); err != nil {
		return w, preflight.Misplaced(ctx, w.base.Task, err)
	}
	there := thereOf(w.base)
	if named := c.settings.Named(); len(named) > 0 && len(there.Homes) > 0 && settings.Zone(there.Homes[0]).Region() != named[0].Region() {
		return w, w.base.Have.LivesHere(&w.base.Want)
	}
	wish := span.Of(&c.settings)
	wish.Autosized = bool(w.base.Want.Settings.Autoscaler)
	if no := w.base.Want.Settings.CountProblems(); len(no) > 0 {
		return w, no
	}
	if w.Target, err = wish.TargetOf(there); err != nil {
		return w, err
	}
	if err := w.zonesFit(ctx); err != nil {
		return w, err
	}
	if c.span != nil {
		if err := c.span(Spanning{w.Crossings(), w.Surplus(), w.Wish.Prune}); err != nil {
			return w, err
		}
	}
	h.lease.Note(inventory.SpanKey, w.Wish.String())
	w.base.Notes()
	w.lookAhead()
	first := w.command(w.First(w.settings))
	first.several = !w.Lives && w.Lasting() > 1
	if w.first, err = first.listed(ctx, h, act); err != nil || !w.first.known {
		return w, err
	}
	parts := []preflight.Part{{Task: w.first.Task, Items: w.first.items}}
	for _, r := range w.ahead {
		parts = append(parts, preflight.Part{Task: r.Task, Items: w.itemsOf(r)})
	}
	if err := preflight.ForeseeAll(ctx, parts, w.first.blockers); err != nil {
		return w, err
	}
	return w, w.membersFit(ctx, act)
}

// zonesFit asks for the zones that get something new, and for the types there.
func (w *whole) zonesFit(ctx context.Context) error {
	var all refusal.Blockers
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
}

// itemsOf is the list of a run that is ahead: beside the first master, which is there by
// then.
func (w *whole) itemsOf(r *run) []plan.Item {
	found := r.Have
	defer func() { r.Have = found }()
	if first := w.base.Master(); len(found.Masters(r.Want.Names)) == 0 {
		then := *found
		first.Zone, first.Status = w.Home, "RUNNING"
		then.Objects = append(slices.Clone(found.Objects), first)
		r.Have = &then
	}
	step.DecideBalancer(r.Task)
	return r.items()
}

// removalsNow are those that can be judged by what there is. After one of a master that is
// not whole the rings are others, and all is judged again.
func (w *whole) removalsNow() []settings.Settings {
	if w.goes.Name != "" {
		return []settings.Settings{w.Without(w.settings, w.goes.Zone, w.goes.Name)}
	}
	return w.Removals(w.settings)
}

// membersFit refuses what the rings say no to, of masters that come and of what goes.
func (w *whole) membersFit(ctx context.Context, act action) error {
	if len(w.base.Have.Masters(w.base.Want.Names)) == 0 {
		return nil
	}
	var err error
	if w.lack, err = w.short(ctx); err != nil {
		return err
	}
	if w.next != "" {
		if _, err := w.command(w.Master(w.settings, w.next)).listed(ctx, w.held, act); err != nil {
			return err
		}
	}
	for _, s := range w.removalsNow() {
		if _, _, err := w.command(s).down(ctx, w.held, looking, true); err != nil {
			return err
		}
	}
	return nil
}
