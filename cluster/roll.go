package cluster

import (
	"context"
	"fmt"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/repair"
	"hakube/cluster/roll"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/cluster/upgrade"
	"hakube/scripts/cure"
)

// OnRoll has f called in a roll, or a preview of one, before anything is changed. An error of
// f ends the run.
func (c *Cluster) OnRoll(f func(Rolling) error) { c.rolls = f }

// RollMasters makes the machines of masters again that are not as the settings, or this
// hakube, would make them, or with all of them every one: one after the other, with the
// same data, name, votes and address in the network. All others have to be well, before each
// of them; one that does not come back ends it, with the others serving. Cut anywhere, the
// same again goes on.
func (c *Cluster) RollMasters(ctx context.Context, all bool, report func(plan.Event)) (*Summary, error) {
	return c.roll(ctx, inventory.RollOfMasters, all, report)
}

// RollPool makes the nodes of the zone's pool again, the one that the settings name, if they
// are not as these, or this hakube, would make them, or with all every one: HAKUBE_SURGE new
// ones come, and when they are Ready as many old ones are drained within their budgets and
// go. The pool keeps its size. At the first new one that does not get Ready, and at the first
// old one whose pods may not leave, it stops. Cut anywhere, the same again goes on.
func (c *Cluster) RollPool(ctx context.Context, zone string, all bool, report func(plan.Event)) (*Summary, error) {
	return c.roll(ctx, c.rollOf(zone), all, report)
}

// Roll is RollMasters, and then RollPool for each pool, zone by zone. What would be refused
// of any of them is refused before the first change.
func (c *Cluster) Roll(ctx context.Context, all bool, report func(plan.Event)) (*Summary, error) {
	return c.roll(ctx, inventory.RollOfAll, all, report)
}

// PreviewRollMasters is the walk of RollMasters without acting.
func (c *Cluster) PreviewRollMasters(ctx context.Context, all bool, report func(plan.Event)) (changes int, err error) {
	return c.previewRoll(ctx, inventory.RollOfMasters, all, report)
}

// PreviewRollPool is the walk of RollPool without acting.
func (c *Cluster) PreviewRollPool(ctx context.Context, zone string, all bool, report func(plan.Event)) (changes int, err error) {
	return c.previewRoll(ctx, c.rollOf(zone), all, report)
}

// PreviewRoll is the walk of Roll without acting.
func (c *Cluster) PreviewRoll(ctx context.Context, all bool, report func(plan.Event)) (changes int, err error) {
	return c.previewRoll(ctx, inventory.RollOfAll, all, report)
}

// rollOf is what a roll of the zone's pool is of.
func (c *Cluster) rollOf(zone string) string {
	return inventory.RollOfPool(settings.PoolID{Zone: zone, Name: string(c.settings.Pool)})
}

// A walkOfRoll is a roll that is under way, or previewed.
type walkOfRoll struct {
	*Cluster
	held hold
	of   string // what it is of, in the words of its note
	all  bool
	only bool // masters whose groups are not as they are said, or that a cut run has left half done
	// see looks around.
	see func(context.Context, *run) (*status.Snapshot, error)

	base    *run // who looked last
	note    inventory.Roll
	masters *roll.Plan // nil: it is of none
	behind  bool       // pools are judged once a master that a cut run has taken away is back
	pools   []listing  // of which the nodes are made again, or are as they are to be

	versions upgrade.Walk // of an upgrade
}

func (c *Cluster) roll(ctx context.Context, of string, all bool, report func(plan.Event)) (s *Summary, err error) {
	warning, err := c.withLease(ctx, c.rollVerb(), report, func(ctx context.Context, h hold, report func(plan.Event)) (err error) {
		w := &walkOfRoll{Cluster: c, held: h, of: of, all: all, see: func(ctx context.Context, r *run) (*status.Snapshot, error) {
			return repair.See(ctx, r.Task, report)
		}}
		s, err = w.perform(ctx, report)
		return err
	})
	return s.warned(warning), err
}

func (c *Cluster) previewRoll(ctx context.Context, of string, all bool, report func(plan.Event)) (changes int, err error) {
	return c.preview(ctx, &walkOfRoll{Cluster: c, of: of, all: all}, report)
}

// preview is the walk of it without acting.
func (c *Cluster) preview(ctx context.Context, w *walkOfRoll, report func(plan.Event)) (changes int, err error) {
	w.see = func(ctx context.Context, r *run) (*status.Snapshot, error) {
		seen, err := status.Read(ctx, r.Task)
		if err == nil {
			repair.Placed(r.Task, seen)
		}
		return seen, err
	}
	if err := w.judge(ctx); err != nil {
		return 0, err
	}
	var lists [][]plan.Item
	runs := []*run{w.base}
	if w.masters != nil {
		if len(w.masters.Rolls) > 0 {
			lists = append(lists, w.versions.Kept(w.base.Task))
		}
		for i, m := range w.masters.Rolls {
			lists = append(lists, roll.Preview(roll.Of(w.base.Task, m), m, i == 0))
		}
		lists = append(lists, w.versions.Ahead(w.base.Task, len(w.masters.Rolls)))
	}
	for _, x := range w.pools {
		if runs = append(runs, x.run); x.again != "" {
			lists = append(lists, x.items)
		}
	}
	changes, err = plan.PreviewStages(ctx, lists, report)
	c.warn(runs...)
	return changes, err
}

// judge looks around, refuses what would be refused on the way, and tells what there is to do.
func (w *walkOfRoll) judge(ctx context.Context) error {
	if err := w.judgeMasters(ctx); err != nil {
		return err
	}
	if p := w.masters; p != nil && len(p.Rolls) > 0 && p.Rolls[0].Half && w.of == inventory.RollOfAll {
		w.behind = true // nobody tells of nodes while the only master is away
		return w.tell()
	}
	return w.judgePools(ctx)
}

// judgePools judges what it comes to of the pools, and tells what there is to do.
func (w *walkOfRoll) judgePools(ctx context.Context) error {
	ids, err := roll.Pools(w.base.Task, w.of, string(w.settings.Pool))
	if err == nil {
		err = w.enter(ctx)
	}
	if err != nil {
		return err
	}
	for _, id := range ids {
		x, err := w.ofPool(id).listed(ctx, hold{}, looking)
		w.keepsSize(x.run)
		if err == nil && x.again != "" {
			err = preflight.Foresee(ctx, x.Task, x.items, x.blockers)
		}
		if err != nil {
			return err
		}
		w.pools = append(w.pools, x)
	}
	return w.tell()
}

// judgeMasters looks around, and judges what it comes to of the masters.
func (w *walkOfRoll) judgeMasters(ctx context.Context) (err error) {
	w.base, w.masters = w.runFor(w.rollVerb(), w.held), nil
	var seen *status.Snapshot
	masters := w.of == inventory.RollOfMasters || w.of == inventory.RollOfAll
	if masters {
		seen, err = w.see(ctx, w.base)
	} else {
		err = status.Find(ctx, w.base.Task)
	}
	if err == nil && w.upgrades {
		err = w.judgeVersion(ctx, seen)
	}
	if err != nil {
		return err
	}
	if w.note, err = roll.Noted(w.base.Task, w.of, w.settings, w.all); err != nil {
		return err
	}
	if !masters {
		return roll.Stays(w.base.Task, w.note.Over(w.settings))
	}
	p, err := roll.Judge(ctx, w.base.Task, seen, w.settings, w.note, w.versions.Seen.Runs())
	if err != nil {
		return err
	}
	if w.only {
		p.OnlyGroups()
	}
	w.masters = p
	return p.Fit(ctx, w.base.Task, w.settings.Says(settings.OfSchedule[0]))
}

// enter has its parts look into the region of the cluster, which no setting need name.
func (w *walkOfRoll) enter(ctx context.Context) (err error) {
	region := w.base.GCE.Region()
	if w.deps.InRegion == nil || w.deps.GCE.Region() == region {
		return nil
	}
	there := *w.Cluster
	there.deps.GCE, err = w.deps.InRegion(ctx, region)
	w.Cluster = &there
	return err
}

// ofPool is the command for one pool.
func (w *walkOfRoll) ofPool(id settings.PoolID) *Cluster {
	one := *w.Cluster
	one.settings, one.note = w.note.Over(w.settings).ToRoll(id), &w.note
	return &one
}

// tell says what there is to do, before anything is changed.
func (w *walkOfRoll) tell() error {
	if w.rolls == nil {
		return nil
	}
	x := Rolling{Masters: []Rolled{}, Pools: []RolledPool{}}
	if w.versions.Seen != nil {
		x.To, x.From = w.note.Version(), w.versions.Seen.Lowest()
	}
	if w.masters != nil {
		x.Dark = w.masters.Dark() && len(w.masters.Rolls) > 0
		for _, m := range slices.Concat(w.masters.Rolls, w.masters.Stays) {
			x.Masters = append(x.Masters, Rolled{m.Name, m.Zone, m.Why})
		}
	}
	for _, p := range w.pools {
		x.Pools = append(x.Pools, p.rolledPool())
	}
	return w.rolls(x)
}

// rolledPool is what is told of a pool.
func (r *run) rolledPool() RolledPool {
	return RolledPool{Zone: r.Want.Zone, Pool: r.Want.Names.Pool, Nodes: int(r.Want.Settings.NumNodes), Why: r.again}
}

func (w *walkOfRoll) perform(ctx context.Context, report func(plan.Event)) (*Summary, error) {
	if err := w.judge(ctx); err != nil {
		return nil, err
	}
	s := &Summary{Mode: w.settings.Mode(w.rollVerb()), Warnings: w.base.Warnings()} // of the first look, which is the one before anything is done
	if w.masters != nil {
		if err := w.rollMasters(ctx, report, s); err != nil {
			return nil, err
		}
	}
	if w.behind {
		if err := w.judgePools(ctx); err != nil {
			return nil, err
		}
	}
	for _, x := range w.pools {
		if x.again == "" {
			continue
		}
		if err := w.rollPool(ctx, x.Want.Pool(), report, s); err != nil {
			return nil, err
		}
	}
	x := w.base.summary()
	x.with(s)
	x.Mode, x.Zone, x.Rolled, x.RolledPools = s.Mode, "", s.Rolled, s.RolledPools
	x.Nothing = len(s.Rolled)+len(s.RolledPools) == 0 && !w.versions.Settled
	return x, w.done(ctx)
}

// begin writes down what it is of, with the first change.
func (w *walkOfRoll) begin() {
	for key, value := range w.note.Labels() {
		w.held.lease.Note(key, value)
	}
}

// rollMasters makes masters again, and looks around before each.
func (w *walkOfRoll) rollMasters(ctx context.Context, report func(plan.Event), s *Summary) error {
	for {
		if err := w.masters.Without(s.Rolled); err != nil {
			return err
		}
		if len(w.masters.Rolls) == 0 {
			return w.versions.Settle(ctx, w.base.Task, len(s.Rolled), w.begin, report)
		}
		w.begin()
		if len(s.Rolled) == 0 {
			if err := plan.Run(ctx, w.base.Gate, w.versions.Kept(w.base.Task), report); err != nil {
				return err
			}
		}
		m := w.masters.Rolls[0]
		x := newRunOf(roll.Of(w.base.Task, m))
		if err := x.rollOne(ctx, m, report); err != nil {
			return err
		}
		s.with(x.summary())
		s.Rolled = append(s.Rolled, m.Name)
		if err := w.judgeMasters(ctx); err != nil {
			return err
		}
	}
}

// rollOne makes one master again, and probes the API meanwhile.
func (r *run) rollOne(ctx context.Context, m roll.Master, report func(plan.Event)) error {
	err := r.metered(ctx, func(report func(plan.Event)) error {
		return plan.RunStages(ctx, r.Gate, roll.List(r.Task, m), report)
	}, report)
	if err == nil || lease.IsOusted(err) {
		return err
	}
	return fmt.Errorf("%w\n%s", err, cure.Hint("no other master was touched; this goes on from here, and with the values of before it goes back", cure.Same()))
}

// rollPool makes a pool's nodes again.
func (w *walkOfRoll) rollPool(ctx context.Context, id settings.PoolID, report func(plan.Event), s *Summary) error {
	w.begin()
	r, items, err := w.ofPool(id).up(ctx, w.held, doing(report))
	if err != nil {
		return err
	}
	w.keepsSize(r)
	if err := r.walk(ctx, items, report); err != nil {
		if lease.IsOusted(err) {
			return err
		}
		return fmt.Errorf("%w\n%s", err, cure.Hint("no further node was touched; this goes on from here, and with the values of before it goes back", cure.Same()))
	}
	w.held.lease.Done(inventory.GrowthKey(id)) // written with what follows
	s.with(r.summary())
	s.RolledPools = append(s.RolledPools, r.rolledPool())
	return nil
}

// keepsSize warns of a size that is said, and is none of a roll's.
func (w *walkOfRoll) keepsSize(r *run) {
	if n := w.settings.NumNodes; w.settings.Says("NUM_NODES") && n != r.Want.Settings.NumNodes {
		r.Warn(fmt.Sprintf("NUM_NODES=%d has no effect on the %s: a roll makes as many nodes as there are, %d", n, r.Want.Pool(), r.Want.Settings.NumNodes))
	}
}

// done has nothing speak of the roll any more, unless it is a part of one.
func (w *walkOfRoll) done(ctx context.Context) error {
	left := false
	for _, key := range inventory.RollKeys() {
		left = w.note.Of == w.of && w.held.lease.Done(key) || left
	}
	for _, p := range w.pools {
		left = w.held.lease.Done(inventory.GrowthKey(p.Want.Pool())) || left
	}
	if left {
		return w.held.gate(ctx)
	}
	return nil
}

// judgeVersion settles which version an upgrade is to, and refuses what may not come to it.
func (w *walkOfRoll) judgeVersion(ctx context.Context, s *status.Snapshot) error {
	to := *w.Cluster
	to.settings = upgrade.To(w.base.Task, w.settings)
	w.Cluster = &to
	return w.versions.Judge(ctx, w.base.Task, s, w.of)
}
