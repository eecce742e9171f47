package cluster

import (
	"context"
	"fmt"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/live"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/span"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/replicate"
)

// A cluster that is made by one command has all its machines made beside each other: those
// of the other masters boot, install and prepare themselves while the first one founds the
// rings, and the other pools' while masters join. What has an order is who joins a ring.
// All of it is what the commands for one master or pool make first, and is left to them
// where it fails: they find what is there by now, as after a cut.

// lookAhead says what the other masters and pools will be, and has noted with the first
// change what their runs note of them.
func (w *whole) lookAhead() {
	taken := map[string]bool{}
	for _, o := range w.base.Have.Objects {
		taken[o.Name] = true
	}
	master := func(zone, name string) {
		c := w.command(w.Master(w.settings, zone))
		r := w.at(c, rowOf(c.settings.Mode(settings.Up)).Aim)
		for i := 0; name == ""; i++ {
			if free := r.Want.Names.Replica(zone, i); !taken[free] && !taken[r.Want.Names.DiskOf(free)] {
				name = free
			}
		}
		taken[name] = true
		r.Replica = inventory.Object{Kind: inventory.Instance, Name: name, Zone: zone, Role: inventory.RoleMaster, Status: "RUNNING"}
		w.ahead = append(w.ahead, r)
	}
	for _, p := range w.Masters {
		n := p.Wants - p.Is
		if p.Zone == w.Home && len(w.base.Have.Homes(w.base.Want.Names)) == 0 {
			n-- // which is the first
		}
		for _, o := range w.base.MastersIn(p.Zone) {
			if w.founds && o.Name != w.base.Want.Names.Master() { // begun, and in no ring
				master(p.Zone, o.Name)
			}
		}
		for range max(0, n) {
			master(p.Zone, "")
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

// A founding is the list of the first master in its stages, with what the others make
// beside it.
type founding struct {
	base    []plan.Item // up to the first master's machine
	reached []plan.Item // up to where nodes are waited for
	others  []plan.Item // beside that: the other masters' machines
	rest    []plan.Item // but for the look at the whole
}

// staged is the first's list in its stages. Other masters' machines come after the first
// one's: what a cut leaves then is a cluster whose first master was begun.
func (w *whole) staged() (f founding) {
	items, at := w.first.items, w.first.stages
	f.base, f.reached, f.rest = items[:at[0]], slices.Clone(items[at[0]:at[1]]), items[at[1]:len(items)-1]
	var ground, own, machines, groups task.Lines
	for i, r := range w.ahead {
		r.Want = r.Want.OfMasterType(w.first.Want.MasterType)
		for _, it := range w.aheadItems[i] {
			s, is := it.Step.(task.Foreseeing)
			if !is || !it.Want {
				continue
			}
			switch s.Object().Kind {
			case inventory.Disk, inventory.OwnTemplate:
				ground.Want = true
				ground.Beside(earlier{s})
			case inventory.OwnGroup:
				own.Want = true
				own.Beside(earlier{s})
			case inventory.Instance:
				machines.Want = true
				machines.Beside(earlier{s})
			case inventory.ManagedGroup:
				groups.Want, groups.Open = true, true
				groups.Beside(earlier{s})
			}
		}
	}
	f.others = slices.Concat(ground.Items, own.Items, machines.Items)
	for i, it := range slices.Backward(f.reached) {
		if s, is := it.Step.(task.ObjectStep); is && s.Object().Kind == inventory.ManagedGroup {
			f.reached = slices.Insert(f.reached, i+1, groups.Items...)
			break
		}
	}
	return f
}

// foundAll makes a cluster of several masters: the first one's list up to where it waits for
// nodes, the masters, and the rest of it. What is last is that the whole is valid.
func (w *whole) foundAll(ctx context.Context, report func(plan.Event), all *Summary) error {
	f := w.staged()
	if err := w.first.walk(ctx, f.base, report); err != nil {
		return err
	}
	if err := plan.RunBeside(ctx, w.first.Gate, [][]plan.Item{f.reached, f.others}, report); err != nil {
		return w.first.stock(ctx, err, report)
	}
	if err := w.masters(ctx, report, all); err != nil {
		return err
	}
	home := w.First(w.settings)
	home.UseExistingMaster = true // for whoever is told: the masters are there
	w.begins(settings.Up, home)
	return w.first.walk(ctx, f.rest, report)
}

// masterZones are those that masters are to be in.
func (w *whole) masterZones() (zones []string) {
	for _, p := range w.Masters {
		if p.Wants > 0 {
			zones = task.WithZone(zones, p.Zone)
		}
	}
	return zones
}

// isToFound tells whether a cluster that is to have several masters is not founded yet: it
// is new, or the run that was making it was cut before another one than the first was in a
// ring. The address was on no machine then.
func (w *whole) isToFound(ctx context.Context) (bool, error) {
	if w.Lasting() < 2 {
		return false, nil
	}
	if !w.Lives {
		return true, nil
	}
	r := w.base
	begun, is := span.Parse(r.Have.Holder.Span, r.Region())
	if !is || begun.Masters < 2 || r.Have.Holder.Machine != "" {
		return false, nil
	}
	all := r.Have.Masters(r.Want.Names)
	if len(all) == 0 {
		return slices.Equal(r.Have.Homes(r.Want.Names), []string{w.Home}), nil
	}
	if first := all[0]; first.Name != r.Want.Names.Master() || !slices.Contains([]string{"PROVISIONING", "STAGING", "RUNNING"}, first.Status) {
		return false, nil
	}
	s := r.Survey(ctx, all)
	for _, ring := range rings.Names {
		x, _, _ := s.Ring(ring)
		if len(x.Members) > 1 || slices.ContainsFunc(s.Voters(ring), func(v replicate.Voter) bool { return v.Name != all[0].Name }) {
			return false, nil
		}
	}
	return true, ctx.Err()
}

// An earlier step is one of a command ahead. Where it fails that command tries again, with
// all its ways to take back what it cannot end.
type earlier struct{ task.Foreseeing }

// Change is that of the step: where it is sure of what it left nobody looks again.
func (e earlier) Change(ctx context.Context, want bool) (plan.State, error) {
	if t, is := e.Foreseeing.(plan.Telling); is {
		return t.Change(ctx, want)
	}
	return plan.State{}, e.Do(ctx)
}

func (earlier) Optional() {}

func (e earlier) About() plan.Thing { return task.Thing(e.Object()) }

// Evacuate has all that the cluster has in a zone go elsewhere: to its other zones, or to
// the one named. Masters come there and vote before those of the zone go, nodes are there
// before those of the zone are drained. What is dead in the zone is not waited for: its
// votes go first, while quorum holds. A zone that has nothing is none to change anything for.
func (c *Cluster) Evacuate(ctx context.Context, zone, to string, report func(plan.Event)) (s *Summary, err error) {
	one := c.leaving(zone, to)
	warning, err := one.withLease(ctx, settings.EvacuateVerb, report, func(ctx context.Context, h hold, report func(plan.Event)) (err error) {
		s, err = one.evacuate(ctx, h, report)
		return err
	})
	return s.warned(warning), err
}

func (c *Cluster) leaving(zone, to string) *Cluster {
	one := *c
	one.settings = one.settings.ToLeave(settings.Zone(zone))
	one.leaves = span.Leaving{Zone: zone, To: to}
	return &one
}

func (c *Cluster) evacuate(ctx context.Context, h hold, report func(plan.Event)) (*Summary, error) {
	all := &Summary{}
	w, err := c.judged(ctx, h, doing(report))
	if err == nil && w.empty {
		return &Summary{Nothing: true, Mode: settings.Evacuate, Context: w.base.Want.Context, Zone: c.leaves.Zone, Warnings: w.base.Warnings()}, nil
	}
	if w, err = w.mended(ctx, err, report, all); err != nil {
		return nil, err
	}
	if err := w.grown(ctx, report, all); err != nil {
		return nil, err
	}
	for _, s := range w.Removals(w.settings) {
		if err := w.remove(ctx, w.command(s), report, all); err != nil {
			return nil, fmt.Errorf("masters and nodes are elsewhere; what is left in zone %s goes by the same command, if need be when the zone answers again: %w", c.leaves.Zone, err)
		}
	}
	if err := w.settle(ctx, report, all); err != nil {
		return nil, err
	}
	return w.summary(ctx, all)
}

// settle looks at what there is when a zone is left.
func (w *whole) settle(ctx context.Context, report func(plan.Event), all *Summary) (err error) {
	r := w.command(w.settings.Single()).runFor(settings.EvacuateVerb, w.held)
	if r.Have, err = r.Look(ctx); err != nil {
		return err
	}
	r.SawMasters(r.Have)
	r.Learn(r.Have)
	l := task.Lines{Want: true}
	r.credentials(&l)
	l.Then(live.OrphanedNodes(r.Task))
	l.Then(live.Spread(r.Task))
	l.Then(live.Validate(r.Task, func(e *live.Evidence) { r.evidence = e }))
	if err := r.walk(ctx, l.Items, report); err != nil {
		return err
	}
	x := r.summary()
	all.with(x)
	all.Kubeconfig, all.Context, all.Address, all.URL, all.Version = x.Kubeconfig, x.Context, x.Address, x.URL, x.Version
	return nil
}

// PreviewEvacuate is the walk of Evacuate without acting.
func (c *Cluster) PreviewEvacuate(ctx context.Context, zone, to string, report func(plan.Event)) (changes int, err error) {
	return c.leaving(zone, to).previewAll(ctx, report)
}
