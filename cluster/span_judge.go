package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/live"
	"hakube/cluster/preflight"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/span"
	"hakube/cluster/status"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/replicate"
	"hakube/scripts/cure"
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
	if c.leaves.Zone != "" {
		return w, w.leave(ctx, act)
	}
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
		if err := c.span(Spanning{Crossings: w.Crossings(), Surplus: w.Surplus(), Prune: w.Wish.Prune}); err != nil {
			return w, err
		}
	}
	h.lease.Note(inventory.SpanKey, w.Wish.String())
	w.base.Notes()
	if w.founds, err = w.isToFound(ctx); err != nil {
		return w, err
	}
	if w.founds && !c.settings.Says("HAKUBE_MASTER_GROUPS") { // of masters that are there it is as it is
		w.Cluster = w.command(c.settings)
		w.settings.MasterGroups = true
	}
	w.lookAhead()
	first := w.command(w.First(w.settings))
	if w.founds {
		first.founds = w.masterZones()
	}
	if w.first, err = first.listed(ctx, h, act); err != nil || !w.first.known {
		return w, err
	}
	parts := []preflight.Part{{Task: w.first.Task, Items: w.first.items}}
	w.aheadItems = nil
	for _, r := range w.ahead {
		items := w.itemsOf(r)
		w.aheadItems = append(w.aheadItems, items)
		parts = append(parts, preflight.Part{Task: r.Task, Items: items})
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
	aim.Leaves = w.leaves.Zone
	r := newRun(w.base.Anew(settings.SpecOf(c.settings, c.deps.Operator())), aim)
	r.Have = w.base.Have
	r.Learn(r.Have)
	r.Want = r.Want.At(w.Home, r.Want.Mark.Multizone)
	return r
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
	if w.founds || len(w.base.Have.Masters(w.base.Want.Names)) == 0 {
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
		if w.leaves.Zone != "" && w.goes.Name == "" && !bool(s.DeleteNodes) {
			continue // by then there are others, of which each makes it easier
		}
		if _, _, err := w.command(s).down(ctx, w.held, looking, true); err != nil {
			return err
		}
	}
	return nil
}

// leave judges an evacuation: what the zone has, where it is to go, and what would be
// refused on the way. It changes nothing but what masters cannot be asked without.
func (w *whole) leave(ctx context.Context, act action) error {
	r, zone := w.base, w.leaves.Zone
	if err := status.Find(ctx, r.Task); err != nil {
		return err
	}
	if homes := r.Have.Homes(r.Want.Names); len(homes) > 0 && settings.Zone(homes[0]).Region() != settings.Zone(zone).Region() {
		return r.Have.LivesHere(&r.Want)
	}
	no, err := preflight.ZoneProblems(ctx, r.Env)
	if err != nil || len(no) > 0 && !r.inZone(zone) { // one that is down may still be left
		return no.Besides(err)
	}
	if no, err := preflight.LockedOut(ctx, r.Task); err != nil || len(no) > 0 {
		return no.Besides(err)
	}
	wish := span.ToLeave(zone, w.leaves.To)
	begun, is := span.Parse(r.Have.Holder.Span, settings.Zone(zone).Region())
	switch same := begun.Leave.Zone == zone; {
	case is && same && (w.leaves.To == "" || w.leaves.To == begun.Leave.To):
		wish = begun
	case is && begun.Leave.Zone != "" && !same:
		return &refusal.Refused{
			Why:  fmt.Sprintf("the evacuation of zone %s is not done, and what is there by now would be counted twice", begun.Leave.Zone),
			Cure: cure.Hints(cure.Hint("finish it first", begun.Command()), cure.Hint("or leave it at what there is", cure.Up(r.Have.Homes(r.Want.Names)[0]))),
		}
	case !r.inZone(zone) && len(r.Have.Homes(r.Want.Names)) == 0:
		w.empty = true
		return nil
	}
	r.Notes()
	if ok, err := act(ctx, r); err != nil || !ok {
		w.first.items = step.Reachable(r.Task)
		return err
	}
	s := r.SurveyToChange(ctx, r.Have.Masters(r.Want.Names))
	there := thereOf(r)
	if n := len(r.ofZone(s, zone)); n > 0 {
		there.Masters[zone] = n
	}
	if w.empty = there.Masters[zone] == 0 && !r.inZone(zone) && !is; w.empty {
		return nil
	}
	for id := range there.Besides {
		if id.Zone == zone {
			return &refusal.Refused{
				Why:  fmt.Sprintf("zone %s has pool %s, and pools of other names than the command's are not moved", zone, id.Name),
				Cure: cure.Hint("make one elsewhere, take it away here, and run this again", cure.RemovePool(zone).With("HAKUBE_POOL", id.Name)),
			}
		}
	}
	if err := w.quorate(s); err != nil {
		return err
	}
	if err := w.allVote(s); err != nil && !is {
		return err
	}
	if err := w.somewhere(ctx, wish.Leave, there); err != nil {
		return err
	}
	if w.Target, err = wish.TargetOf(there); err != nil {
		return err
	}
	if err := w.zonesFit(ctx); err != nil {
		return err
	}
	if err := w.told(ctx, s); err != nil {
		return err
	}
	w.held.lease.Note(inventory.SpanKey, w.Wish.String())
	w.lookAhead()
	w.first.known = true
	var parts []preflight.Part
	for _, x := range w.ahead {
		parts = append(parts, preflight.Part{Task: x.Task, Items: w.itemsOf(x)})
	}
	if err := preflight.ForeseeAll(ctx, parts, nil); err != nil {
		return err
	}
	return w.membersFit(ctx, act)
}

// inZone tells whether anything of the cluster is in the zone.
func (r *run) inZone(zone string) bool {
	return slices.ContainsFunc(r.Have.Objects, func(o inventory.Object) bool { return o.Zone == zone && o.Kind != inventory.InstanceGroup })
}

// ofZone are the masters of a zone, with those of which nothing is left but a vote.
func (r *run) ofZone(s *rings.Survey, zone string) []inventory.Object {
	list := r.MastersIn(zone)
	for _, ring := range rings.Names {
		for _, v := range s.Voters(ring) {
			if v.Zone == zone && !slices.ContainsFunc(list, func(o inventory.Object) bool { return o.Name == v.Name }) {
				list = append(list, inventory.Object{Kind: inventory.Instance, Name: v.Name, Zone: zone, Role: inventory.RoleMaster})
			}
		}
	}
	return list
}

// deadVoter tells that a master votes in a ring that goes on without it: then no other can
// be added before it is out.
func deadVoter(s *rings.Survey, name string) bool {
	return slices.ContainsFunc(rings.Names, func(ring string) bool {
		return slices.ContainsFunc(s.Voters(ring), func(v replicate.Voter) bool { return v.Name == name && !v.Alive })
	})
}

// quorate refuses to go on where a ring cannot agree on who is in it.
func (w *whole) quorate(s *rings.Survey) error {
	for _, ring := range rings.Names {
		voters := s.Voters(ring)
		if replicate.QuorumOf(voters).Holds() {
			continue
		}
		hints := []string{cure.Hint("bring masters back first, as far as their data are there", cure.Repair())}
		for _, v := range voters {
			if v.Zone != w.leaves.Zone && s.Silent[v.Name] == nil {
				hints = append(hints, cure.Hint("or, if zone "+w.leaves.Zone+" does not come back, go on with what a master elsewhere has", cure.FromSurvivor(v.Name)))
				break
			}
		}
		return &refusal.Refused{
			Why:  fmt.Sprintf("etcd ring %s has no quorum, so nobody can be taken into it or out of it (%s):\n%v", ring, s.QuorumText(ring), s.Why()),
			Cure: cure.Hints(append(hints, cure.Hint("then run it again", cure.Same()))...),
		}
	}
	return nil
}

// allVote refuses to begin while a master elsewhere is half made or half removed: it would be
// counted as one of those that stay, and one whose member the rings have removed does not come
// back by being asked to join.
func (w *whole) allVote(s *rings.Survey) error {
	names := w.base.Want.Names
	ofOthers := func(o inventory.Object) bool { return o.Role != inventory.RoleMasterDisk } // volumes
	for _, o := range slices.Concat(w.base.Have.Masters(names), slices.DeleteFunc(w.base.Have.Of(inventory.Disk), ofOthers)) {
		in := func(ring string) bool {
			return slices.ContainsFunc(s.Voters(ring), func(v replicate.Voter) bool { return v.Name == o.Name || names.DiskOf(v.Name) == o.Name })
		}
		if o.Zone != w.leaves.Zone && !slices.ContainsFunc(rings.Names, in) {
			return &refusal.Refused{
				Why:  fmt.Sprintf("%s in %s is of a master that votes in no etcd ring: it is half made or half removed, and would be counted as one that stays", o.Name, o.Zone),
				Cure: cure.Hints(cure.Hint("see what ends that", cure.Status()), cure.Hint("then run it again", cure.Same())),
			}
		}
	}
	return nil
}

// somewhere refuses a zone to go to that is none, and asks for one where the cluster has no
// other.
func (w *whole) somewhere(ctx context.Context, l span.Leaving, there span.There) error {
	if len(l.Others(there)) > 0 || l.Masters != nil {
		return nil
	}
	all, err := w.base.GCE.Zones().List(ctx)
	if err != nil {
		return err
	}
	var cures []string
	for _, z := range all {
		if name := z.GetName(); name != l.Zone && settings.Zone(name).Region() == settings.Zone(l.Zone).Region() {
			cures = append(cures, cure.Hint("", cure.Evacuate(l.Zone, name)))
		}
	}
	return &refusal.Refused{
		Why:  fmt.Sprintf("cluster %s has no zone but %s: name one of its region to go to", w.base.Want.Names.Prefix, l.Zone),
		Cure: strings.Join(append([]string{"its region has these:"}, cures...), "\n"),
	}
}

// told tells of what moves, and of what cannot, before anything is changed.
func (w *whole) told(ctx context.Context, s *rings.Survey) error {
	if w.span == nil {
		return nil
	}
	x := Spanning{Crossings: w.Crossings(), Surplus: w.Surplus(), Prune: true, Leaves: w.leaves.Zone, Words: w.Words()}
	x.Only = w.Lasting() == 1 && len(w.base.ofZone(s, w.leaves.Zone)) == 1
	claims, err := live.ClaimsIn(ctx, w.base.Task, w.leaves.Zone)
	if err != nil {
		claims = []string{"which could not be asked: " + kube.Plainly(err)}
	}
	x.Claims = claims
	return w.span(x)
}
