package cluster

import (
	"context"
	"fmt"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/span"
	"hakube/cluster/status"
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

	Leaves string   // the zone, of an evacuation
	Words  []string // what of it goes where
	Claims []string // whose disks stay in the zone, so that their pods cannot follow
	Only   bool     // the zone has the only master: the address goes to a balancer and back
}

// OnSpan has f called in an up of the whole cluster, or a preview of one, before
// anything is changed. An error of f ends the run.
func (c *Cluster) OnSpan(f func(Spanning) error) { c.span = f }

// OnPart has f called in an up of the whole cluster before each of its parts but the
// first, with the command that would do that alone.
func (c *Cluster) OnPart(f func(settings.Verb, settings.Settings)) { c.part = f }

// A whole is an up of the whole cluster, judged.
type whole struct {
	*Cluster
	held hold
	span.Target
	base       *run          // who looked around
	first      listing       // the cluster with its first master
	ahead      []*run        // of the other masters and pools, as far as can be said now
	aheadItems [][]plan.Item // their lists
	founds     bool          // its rings are to be founded yet
	lack                     // of masters
	empty      bool          // a zone to be left has nothing of the cluster
}

// A lack is what is to be done about masters next: one that is to be made, or one that is
// not whole and comes before all else, since the cluster is not valid with it, which the
// first of the commands waits for.
type lack struct {
	next string           // the zone in which a master is to be made; "" if there are enough
	half bool             // or finished
	goes inventory.Object // is to go and is not whole: half removed, stopped
}

// command is the one for a step.
func (w *whole) command(s settings.Settings) *Cluster {
	one := *w.Cluster
	one.settings = s
	return &one
}

// short looks for what is lacking.
func (w *whole) short(ctx context.Context) (x lack, err error) {
	r := w.command(w.Master(w.settings, w.Home)).runFor(settings.Up, w.held)
	if r.Have, err = r.Look(ctx); err != nil {
		return x, err
	}
	r.SawMasters(r.Have)
	all := r.Have.Masters(r.Want.Names)
	if len(all) == 1 && w.Lasting() == 1 && w.leaves.Zone == "" {
		return x, nil
	}
	s := r.SurveyToChange(ctx, all)
	for _, o := range r.ofZone(s, w.leaves.Zone) {
		if deadVoter(s, o.Name) {
			return lack{goes: o}, nil // a ring takes nobody while one of its voters is dead
		}
	}
	for _, p := range w.Masters {
		here, halves := r.MastersIn(p.Zone), 0
		if p.Zone == w.leaves.Zone {
			here = r.ofZone(s, p.Zone)
		}
		for _, o := range here {
			is, err := r.isWhole(ctx, o, s)
			if err != nil {
				return lack{}, err
			}
			if !is {
				halves++
			}
			if w.Wish.Prune && !is && len(here) > p.Wants {
				x.goes = o
			}
		}
		switch {
		case halves > 0 && len(here)-halves < p.Wants:
			return lack{next: p.Zone, half: true}, nil // before any other: a ring takes one learner at a time
		case x.next == "" && len(here) < p.Wants:
			x.next = p.Zone
		}
	}
	return x, nil
}

// upAll is Up of the whole cluster.
func (c *Cluster) upAll(ctx context.Context, h hold, report func(plan.Event)) (*Summary, error) {
	all := &Summary{}
	w, err := c.judged(ctx, h, doing(report))
	if w, err = w.mended(ctx, err, report, all); err != nil {
		return nil, err
	}
	if w.founds {
		err = w.foundAll(ctx, report, all)
	} else {
		err = w.first.walk(ctx, w.first.items, report)
	}
	if err != nil {
		return nil, err
	}
	before := all
	all = w.first.summary()
	all.with(before)
	h.lease.Done(inventory.GrowthKey(w.poolIn(w.Home)))
	if err := w.grown(ctx, report, all); err != nil {
		return nil, err
	}
	removals := w.Removals(w.settings)
	for _, s := range removals {
		if err := w.remove(ctx, w.command(s), report, all); err != nil {
			return nil, err
		}
	}
	if len(removals) > 0 || w.founds && len(w.Others(w.settings)) == 0 { // of which each ends with that
		if err := w.validate(ctx, report, all); err != nil {
			return nil, err
		}
	}
	return w.summary(ctx, all)
}

// mended has the masters finished that are half made, and those go that are to and are not
// whole, one by one; after each all is judged anew.
func (w *whole) mended(ctx context.Context, err error, report func(plan.Event), all *Summary) (*whole, error) {
	gone := "" // whose removal finds nothing to do is not tried for ever
	for ; err == nil && (w.half || w.goes.Name != gone); w, err = w.judged(ctx, w.held, doing(report)) {
		if gone = w.goes.Name; w.half {
			err = w.add(ctx, w.command(w.Master(w.settings, w.next)), report, all)
		} else {
			err = w.remove(ctx, w.command(w.Without(w.settings, w.goes.Zone, w.goes.Name)), report, all)
		}
		if err != nil {
			return nil, err
		}
	}
	return w, err
}

// grown makes the other masters one by one, then the other pools.
func (w *whole) grown(ctx context.Context, report func(plan.Event), all *Summary) error {
	if !w.founds {
		if err := w.masters(ctx, report, all); err != nil {
			return err
		}
	}
	others := slices.Concat(w.Others(w.settings), w.Smaller(w.settings))
	for i, s := range others {
		c := w.command(s)
		c.unsettled = w.founds && i+1 < len(others) // the last one looks at all of it
		if err := w.add(ctx, c, report, all); err != nil {
			return err
		}
		w.held.lease.Done(inventory.GrowthKey(w.poolIn(string(s.Zone))))
	}
	return nil
}

// masters makes or finishes those that are lacking, one after the other: a ring takes one
// learner at a time.
func (w *whole) masters(ctx context.Context, report func(plan.Event), all *Summary) error {
	for range w.lastMaster() {
		x, err := w.short(ctx)
		if err != nil || x.next == "" {
			return err
		}
		c := w.command(w.Master(w.settings, x.next))
		c.unsettled = w.founds
		if err := w.add(ctx, c, report, all); err != nil {
			return err
		}
	}
	return nil
}

// lastMaster is how many masters may have to be made or finished.
func (w *whole) lastMaster() (n int) {
	for _, p := range w.Masters {
		n += p.Wants
	}
	return n
}

func (w *whole) add(ctx context.Context, c *Cluster, report func(plan.Event), all *Summary) error {
	w.begins(settings.Up, c.settings)
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

// poolIn is the pool of the command in a zone.
func (w *whole) poolIn(zone string) settings.PoolID {
	return settings.PoolID{Zone: zone, Name: string(w.settings.Pool)}
}

func (w *whole) begins(verb settings.Verb, s settings.Settings) {
	if w.part != nil {
		w.part(verb, s)
	}
}

func (w *whole) remove(ctx context.Context, c *Cluster, report func(plan.Event), all *Summary) error {
	r, items, err := c.down(ctx, w.held, doing(report), false)
	if err != nil || len(items) == 0 {
		return err
	}
	w.begins(settings.Down, c.settings)
	if err := r.walk(ctx, items, report); err != nil {
		return err
	}
	all.with(r.summary())
	return nil
}

// validate looks at what is left after removals: what was seen before is about what is gone.
func (w *whole) validate(ctx context.Context, report func(plan.Event), all *Summary) error {
	left := w.Target
	if i := slices.IndexFunc(left.Masters, func(p span.Place) bool { return p.Wants > 0 }); i >= 0 {
		left.Home = left.Masters[i].Zone // the first-born may have gone
	}
	r, items, err := w.command(left.First(w.settings)).up(ctx, w.held, doing(report))
	if err != nil {
		return err
	}
	if err := r.walk(ctx, items[len(items)-1:], report); err != nil {
		return err
	}
	all.with(r.summary())
	return nil
}

// summary ends the run: nothing is to speak of it any more.
func (w *whole) summary(ctx context.Context, all *Summary) (*Summary, error) {
	all.Mode, all.Zone = settings.Span, w.Home
	if w.leaves.Zone != "" {
		all.Mode, all.Zone = settings.Evacuate, w.leaves.Zone
	}
	if !w.Wish.Prune {
		all.Surplus = w.Surplus()
	}
	if w.Lasting() == 2 {
		all.Warnings = append(all.Warnings, status.TwoMasters)
	}
	unfinished := w.held.lease.Done(inventory.SpanKey)
	for _, p := range w.Pools {
		unfinished = w.held.lease.Done(inventory.GrowthKey(w.poolIn(p.Zone))) || unfinished
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
	changes, err = plan.PreviewStages(ctx, lists, report)
	c.warn(append([]*run{w.base, w.first.run}, w.ahead...)...)
	return changes, err
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
		if w.next != "" {
			_, items, err := w.command(w.Master(w.settings, w.next)).up(ctx, hold{}, looking)
			if err != nil {
				return nil, err
			}
			add(items, asItIs)
		}
		for _, s := range w.Others(w.settings) {
			_, items, err := w.command(s).up(ctx, hold{}, looking)
			if err != nil {
				return nil, err
			}
			add(items, asItIs)
		}
		for _, s := range w.Smaller(w.settings) {
			r, _, err := w.command(s).up(ctx, hold{}, looking)
			if err != nil {
				return nil, err
			}
			var l task.Lines
			l.Want = true
			r.resized(&l)
			lists = append(lists, l.Items) // also what is shown by now, as the pool is before it gets smaller
		}
	}
	for _, r := range w.ahead {
		add(w.itemsOf(r), plan.Later)
	}
	for _, o := range w.base.MastersIn(w.leaves.Zone) {
		if o.Name != w.goes.Name {
			add(w.goesLater(o), plan.LaterGone)
		}
	}
	for _, s := range w.removalsNow() {
		if w.leaves.Zone != "" && w.goes.Name == "" && !bool(s.DeleteNodes) {
			continue // by then other masters are there: see below
		}
		_, items, err := w.command(s).down(ctx, hold{}, looking, true)
		if err != nil {
			return nil, err
		}
		add(items, asItIs)
	}
	return lists, nil
}

// goesLater is the list of a master's removal that comes after others.
func (w *whole) goesLater(o inventory.Object) []plan.Item {
	r := w.at(w.command(w.Without(w.settings, o.Zone, o.Name)), rowOf(settings.RemoveReplica).Aim)
	r.Replica = o
	r.Balanced = w.Lasting() > 1
	then := *r.Have
	then.Objects = slices.Clone(then.Objects)
	for _, x := range w.ahead {
		if x.Mode.One {
			then.Objects = append(then.Objects, x.Replica)
		}
	}
	r.Have = &then
	return slices.DeleteFunc(r.items(), func(i plan.Item) bool { return i.Want })
}
