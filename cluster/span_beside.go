package cluster

import (
	"context"
	"fmt"
	"slices"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/live"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/span"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/replicate"
	"hakube/scripts"
)

// A cluster that is made by one command has all its machines made beside each other: those
// of the other masters come with the first one's, boot, install and prepare themselves while
// that founds the rings, and the other pools' while masters join. What has an order is who
// joins a ring.
// All of it is what the commands for one master or pool make first, and is left to them
// where it fails: they find what is there by now, as after a cut.

// lookAhead says what the other masters and pools will be, and has noted with the first
// change what their runs note of them.
func (w *whole) lookAhead() {
	taken := w.base.Have.Taken()
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
	names := r.Want.Names
	all := found.Masters(names)
	if first := inventory.FirstMaster(names, w.Home); len(all) == 0 || w.founds && all[0].Name != first.Name {
		then := *found
		first.Status = "RUNNING"
		then.Objects = append(slices.Clone(found.Objects), first)
		r.Have = &then
	}
	step.DecideBalancer(r.Task)
	return r.items()
}

// A founding is the list of the first master in its stages, with what the others make
// beside it.
type founding struct {
	base    []plan.Item   // the address, with which the cluster is begun
	ground  [][]plan.Item // the network, and what the balancer and the first machine stand on, beside each other
	reached []plan.Item   // from the first master's machine to where nodes are waited for
	others  []plan.Item   // beside that: the other masters' machines
	rest    []plan.Item   // but for the look at the whole
}

// staged is the first's list in its stages. What another master's machine is made from may be
// there before the first one's, and the machine only once that is begun: what a cut leaves then
// is a cluster whose first master was begun.
func (w *whole) staged() (f founding) {
	items, at := w.first.items, w.first.stages
	f.base, f.ground = items[:at.network], [][]plan.Item{items[at.network:at.balancer], items[at.balancer:at.machine]}
	f.reached, f.rest = slices.Clone(items[at.machine:at.nodes]), items[at.nodes:len(items)-1]
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
	f.others = slices.Concat(ground.Items, own.Items, []plan.Item{{Step: beginning{w.first.Env}, Want: true}}, machines.Items)
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
	if err := plan.RunBeside(ctx, w.first.Gate, f.ground, report); err != nil {
		return w.first.stock(ctx, err, report)
	}
	if err := plan.RunBeside(ctx, w.first.Gate, [][]plan.Item{f.reached, f.others}, report); err != nil {
		return w.unfounded(ctx, err, report)
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

// unfounded is the end of a run that could not found the cluster. Where it has no machine for
// the first master, those of the others that it has made go again before the first's disk does:
// no ring has ever heard of them. Of another run's nothing is taken back, nor the disk without
// which they would be masters of nothing.
func (w *whole) unfounded(ctx context.Context, failed error, report func(plan.Event)) error {
	first := inventory.FirstMaster(w.base.Want.Names, w.Home)
	if _, _, is := gce.NoStock(failed); !is || ctx.Err() != nil {
		return failed
	}
	if _, err := w.base.GCE.Instances(first.Zone).Get(ctx, first.Name); !gce.IsNotFound(err) {
		return w.first.stock(ctx, failed, report)
	}
	var lists [][]plan.Item
	for _, r := range w.ahead {
		switch {
		case !r.Mode.One:
			continue
		case len(w.base.Have.Master(r.Want.Names, r.Replica).Objects) > 0:
			return failed
		}
		back := r.reversed()
		var err error
		if back.Have, err = back.Look(ctx); err != nil {
			return fmt.Errorf("%w\nnothing was taken back: %w", failed, err)
		}
		back.SawMasters(back.Have)
		var l task.Lines
		back.instances(&l)
		lists = append(lists, l.Items)
	}
	if err := plan.RunBeside(ctx, w.first.Gate, lists, report); err != nil {
		return fmt.Errorf("%w\ntaking back the machines of other masters failed too: %w", failed, err)
	}
	return w.first.stock(ctx, failed, report)
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
	comes := func(m inventory.Object) bool {
		return slices.Contains([]string{"PROVISIONING", "STAGING", "RUNNING"}, m.Status)
	}
	if first := all[0]; first.Name != r.Want.Names.Master() {
		return w.isBegun(ctx, all, comes)
	} else if !comes(first) {
		return false, nil
	}
	return w.noneJoined(ctx, all)
}

// isBegun tells whether masters are of a cluster of which the first one's machine was begun and
// could not be made: its disk is there, and none of them has ever been in a ring.
func (w *whole) isBegun(ctx context.Context, all []inventory.Object, comes func(inventory.Object) bool) (bool, error) {
	r := w.base
	if !r.Have.Has(inventory.Object{Kind: inventory.Disk, Name: r.Want.Names.MasterDisk(), Zone: w.Home}) {
		return false, nil
	}
	for _, m := range all {
		phase, err := r.Phase(ctx, m)
		if err != nil || !comes(m) || phase == scripts.PhaseRunning || env.Joins(phase) {
			return false, err
		}
	}
	return w.noneJoined(ctx, all)
}

// noneJoined tells that no ring has another member than the first master.
func (w *whole) noneJoined(ctx context.Context, all []inventory.Object) (bool, error) {
	s := w.base.Survey(ctx, all)
	for _, ring := range rings.Names {
		x, _, _ := s.Ring(ring)
		if len(x.Members) > 1 || slices.ContainsFunc(s.Voters(ring), func(v replicate.Voter) bool { return v.Name != w.base.Want.Names.Master() }) {
			return false, nil
		}
	}
	return true, ctx.Err()
}

// A beginning is the wait for the first master's machine to be asked for, as Compute Engine tells.
type beginning struct{ env *env.Env }

func (b beginning) String() string { return b.env.Want.Names.Master() + " is begun" }
func (beginning) Waits()           {}

func (b beginning) Observe(ctx context.Context) (plan.State, error) {
	i, err := b.env.GCE.Instances(b.env.Want.Home).Get(ctx, b.env.Want.Names.Master())
	switch {
	case gce.IsNotFound(err):
		return plan.State{Is: plan.Absent, Why: "there is no machine yet"}, nil
	case err != nil:
		return plan.State{}, err
	}
	return plan.Exists(i.GetStatus())
}

func (b beginning) Do(ctx context.Context) error {
	return b.env.Until(ctx, plan.Condition{
		For: b.String(), Every: b.env.Poll, Limit: b.env.Want.Settings.InitTimeout.Duration(),
		Check: func(ctx context.Context) (bool, string, error) {
			s, err := b.Observe(ctx)
			return s.Is == plan.Present, s.Why, err
		},
	})
}

func (beginning) Undo(context.Context) error { return nil } // never unwanted

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
