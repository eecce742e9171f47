package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/grouped"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/gce"
	"hakube/replicate"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// replicable judges whether a master may be added in the zone, and picks which
// one: a half-made one of an earlier run, or else the next. It changes nothing.
func (r *run) replicable(ctx context.Context) (_ settings.Spec, err error) {
	if r.Want, err = r.join(ctx); err != nil {
		return r.Want, err
	}
	s := r.SurveyToChange(ctx, r.Have.Masters(r.Want.Names))
	if err = r.pickReplica(ctx, s); err != nil {
		return r.Want, err
	}
	if err = r.comesAnew(ctx, s); err != nil {
		return r.Want, err
	}
	for _, ring := range rings.Names {
		voters := s.Voters(ring)
		if len(voters) == 0 {
			return r.Want, &refusal.Refused{
				Why:  fmt.Sprintf("no master tells who is in etcd ring %s, so none can be added:\n%v", ring, s.Why()),
				Cure: cure.Hints(cure.Hint("see each master", cure.Status()), cure.Hint("an operator whose ssh key they do not know yet has it added first", cure.Up(r.Want.Home))),
			}
		}
		if slices.ContainsFunc(voters, func(v replicate.Voter) bool { return v.Name == r.Replica.Name }) {
			continue // it votes already: nothing is added
		}
		if err = replicate.MayAdd(ring, voters); err != nil {
			return r.Want, err
		}
		if err = learnerBeside(s, ring, r.Replica); err != nil {
			return r.Want, err
		}
	}
	if err = s.MayChange(); err != nil {
		return r.Want, err
	}
	r.without(func(name string) bool { // begun beside this one, and not joined yet: no balancer sends to it
		return name != r.Replica.Name && !slices.ContainsFunc(rings.Names, func(ring string) bool {
			return slices.ContainsFunc(s.Voters(ring), func(v replicate.Voter) bool { return v.Name == name })
		})
	})
	return r.copySource(ctx)
}

// without leaves masters out of what was found, with their disks: those whose name says so.
func (r *run) without(out func(name string) bool) {
	own := *r.Have
	own.Objects = slices.DeleteFunc(slices.Clone(r.Have.Objects), func(o inventory.Object) bool {
		switch {
		case o.Kind == inventory.Instance && o.Role == inventory.RoleMaster:
			return out(o.Name)
		case o.Kind == inventory.Disk && o.Role == inventory.RoleMasterDisk:
			return out(strings.TrimSuffix(o.Name, settings.DiskSuffix))
		}
		return false
	})
	r.Have = &own
}

// learnerBeside refuses to add a master while a ring has somebody else as a
// learner: etcd takes one at a time, and who that is may be nobody of ours.
func learnerBeside(s *rings.Survey, ring string, replica inventory.Object) error {
	x, _, _ := s.Ring(ring)
	for _, m := range x.Members {
		name, zone := rings.MachineOf(m)
		if !m.Learner || name == replica.Name && zone == replica.Zone {
			continue
		}
		return &refusal.Refused{
			Why: fmt.Sprintf("etcd ring %s has %s in %s as a learner, and takes one at a time", ring, name, zone),
			Cure: cure.Hints(cure.Hint("finish it, if it is a master that is half made", cure.AddMaster(zone)),
				cure.Hint(fmt.Sprintf("if nobody knows it, remove member %s from the ring by etcdctl; see the rings", m.ID), cure.Status())),
		}
	}
	return nil
}

// pickReplica sets the master this run is about.
func (r *run) pickReplica(ctx context.Context, s *rings.Survey) error {
	for _, o := range r.MastersIn(r.Want.Zone) {
		whole, err := r.isWhole(ctx, o, s)
		if err != nil {
			return err
		}
		if !whole {
			r.Replica = o
			r.Replica.Status = "RUNNING" // once the list is through with it
			return nil
		}
	}
	taken := r.Have.Taken()
	for _, ring := range rings.Names { // whose machine may be gone
		for _, v := range s.Voters(ring) {
			taken[v.Name] = true
		}
	}
	for i := 0; ; i++ {
		name := r.Want.Names.Replica(r.Want.Zone, i)
		if !taken[name] && !taken[r.Want.Names.DiskOf(name)] {
			r.Replica = inventory.Object{Kind: inventory.Instance, Name: name, Zone: r.Want.Zone, Role: inventory.RoleMaster, Status: "RUNNING"}
			return nil
		}
	}
}

// comesAnew refuses to add what was a master and whose member a ring has removed: its etcd does
// not start with the data of that, on which the disk's machine waits in vain, and they are not
// thrown away by the way.
func (r *run) comesAnew(ctx context.Context, s *rings.Survey) error {
	m, names := r.Replica, r.Want.Names
	var out []string
	for _, ring := range rings.Names {
		x, _, known := s.Ring(ring)
		in := func(y replicate.Member) bool {
			name, zone := rings.MachineOf(y)
			return name == m.Name && zone == m.Zone
		}
		if known && x.Healthy && !slices.ContainsFunc(x.Members, in) {
			out = append(out, ring)
		}
	}
	was := ""
	switch {
	case len(out) == 0:
		return nil
	case !r.Have.Has(m):
		if r.Have.DiskOf(names, m).Filled {
			was = "disk " + names.DiskOf(m.Name)
		}
	case r.Have.Runs(m):
		phase, err := r.Phase(ctx, m)
		if err != nil {
			return err
		}
		if phase == scripts.PhaseRunning {
			was = "machine " + m.Name
		}
	}
	if was == "" {
		return nil
	}
	return &refusal.Refused{
		Why:  fmt.Sprintf("%s in %s was of a master, which is no member of ring %s: if it was taken out, the data it has keep it from joining", was, m.Zone, strings.Join(out, " and ")),
		Cure: cure.Hints(cure.Hint("have it join again, what it has of the rings put aside", cure.Repair(m.Name)), cure.Hint("or remove what is left of it, and then add one", cure.RemoveMaster(m.Zone, m.Name), cure.Same())),
	}
}

// isWhole tells whether nothing is left to do on a master: it runs, votes in both
// rings, its script is through, and the balancer has it.
func (r *run) isWhole(ctx context.Context, o inventory.Object, s *rings.Survey) (bool, error) {
	if o.Status != "RUNNING" {
		return false, nil
	}
	if len(r.Have.Masters(r.Want.Names)) == 1 {
		return true, nil // the one to replicate, wherever the address is just now
	}
	for _, ring := range rings.Names {
		if !slices.ContainsFunc(s.Voters(ring), func(v replicate.Voter) bool { return v.Name == o.Name && v.Zone == o.Zone }) {
			return false, nil
		}
	}
	if !slices.ContainsFunc(rings.Names, func(ring string) bool { return len(s.Voters(ring)) > 1 }) {
		return true, nil // the one to replicate, whose startup may go on after its API answers
	}
	phase, err := r.Phase(ctx, o)
	if err != nil || phase != scripts.PhaseRunning {
		return false, err
	}
	if r.Have.Holder.Machine == o.Name {
		return true, nil // the only one: there is no balancer
	}
	for _, last := range append(grouped.TrafficTo(r.Task, o), grouped.Watched(r.Task, o)...) {
		if st, err := last.Observe(ctx); err != nil || st.Is != plan.Present {
			return false, err
		}
	}
	return true, nil
}

// copySource reads the master the new one is to be like: what it was made with
// counts, not what this operator's variables happen to say (D23).
func (r *run) copySource(ctx context.Context) (want settings.Spec, err error) {
	want = r.Want
	m := r.Master()
	i := r.Seen.Machines[m.Zone+"/"+m.Name] // each master was asked for by its name
	if i == nil {
		return want, fmt.Errorf("reading the master to replicate: %s in %s was not found", m.Name, m.Zone)
	}
	if _, err := step.CheckMaster(r.Env, r.Mode, "machine "+m.Name, i); err != nil {
		return want, err
	}
	if err := sameDisks(ctx, r.Env, m, i); err != nil {
		return want, err
	}
	if !r.Want.Settings.IsGiven("MASTER_SIZE") {
		want = want.OfMasterType(gce.Base(i.GetMachineType()))
	}
	r.Source = i
	return want, nil
}

// sameDisks refuses to give the new master other disks than the one it is to be
// like: those are made from the settings.
func sameDisks(ctx context.Context, r *env.Env, m inventory.Object, i *computepb.Instance) error {
	s := r.Want.Settings
	read := func(name string) (*computepb.Disk, error) { // what matters of it does not change
		if d := r.Seen.Disks[m.Zone+"/"+name]; d != nil {
			return d, nil
		}
		return r.GCE.Disks(m.Zone).Get(ctx, name)
	}
	data, err := read(r.Want.Names.DiskOf(m.Name))
	if err != nil {
		return fmt.Errorf("reading the disk of the master to replicate: %w", err)
	}
	var boot *computepb.Disk
	for _, d := range i.GetDisks() {
		if d.GetBoot() {
			if boot, err = read(gce.Base(d.GetSource())); err != nil {
				return fmt.Errorf("reading the boot disk of the master to replicate: %w", err)
			}
		}
	}
	image, want := gce.Base(boot.GetSourceImage()), string(s.MasterImage)
	if want == "" && strings.HasPrefix(image, settings.ImageFamily) {
		want = image // the newest of the family may be newer now
	}
	return r.Want.Drift("master "+m.Name,
		settings.Difference{Variable: "MASTER_DISK_TYPE", Was: gce.Base(data.GetType()), Want: string(s.MasterDiskType)},
		settings.Difference{Variable: "MASTER_DISK_SIZE", Was: settings.Gigabytes(data.GetSizeGb()), Want: settings.Gigabytes(int64(s.MasterDiskSize))},
		settings.Difference{Variable: "MASTER_ROOT_DISK_SIZE", Was: settings.Gigabytes(boot.GetSizeGb()), Want: settings.Gigabytes(int64(s.MasterRootSize))},
		settings.Difference{Variable: "KUBE_GCE_MASTER_IMAGE", Was: image, Want: want},
	)
}

// removable picks the master of the zone that goes and judges whether it may;
// any is false when there is none.
func (r *run) removable(ctx context.Context) (any bool, err error) {
	all := r.Have.Masters(r.Want.Names)
	s := r.SurveyToChange(ctx, all)
	candidates := r.leaving(s)
	name := string(r.Want.Settings.ReplicaName)
	if name != "" {
		candidates = slices.DeleteFunc(candidates, func(o inventory.Object) bool { return o.Name != name })
		if elsewhere := slices.IndexFunc(all, func(o inventory.Object) bool { return o.Name == name }); len(candidates) == 0 && elsewhere >= 0 {
			return false, &refusal.Refused{
				Why:  fmt.Sprintf("master %s is in zone %s, not in %s", name, all[elsewhere].Zone, r.Want.Zone),
				Cure: cure.Hint("remove it there", cure.RemoveMaster(all[elsewhere].Zone, name)),
			}
		}
	}
	if len(candidates) == 0 {
		return false, nil
	}
	r.Replica = candidates[0]
	others := slices.DeleteFunc(slices.Clone(all), func(o inventory.Object) bool { return o.Name == r.Replica.Name })
	if len(others) == 0 {
		return false, &refusal.Refused{
			Why:  fmt.Sprintf("%s is the last master of cluster %s: without it the cluster is gone and its nodes are left", r.Replica.Name, r.Want.Names.Prefix),
			Cure: cure.Hint("remove the whole cluster", cure.Down()),
		}
	}
	for _, ring := range rings.Names {
		if err := replicate.MayRemove(ring, s.Voters(ring), r.Replica.Name); err != nil {
			return false, err
		}
	}
	if _, ok := s.Healthy(r.Replica.Name); !ok {
		return false, &refusal.Refused{
			Why:  fmt.Sprintf("no master but %s has quorum in both rings, so nobody can take it out of them:\n%v", r.Replica.Name, s.Why()),
			Cure: cure.Hint("bring the other masters back first", cure.Repair()),
		}
	}
	if err := s.MayChange(r.Replica.Name); err != nil {
		return false, err
	}
	return true, nil
}

// leaving are the zone's masters in the order in which they would go: dead ones
// first, and the leader of a ring last.
func (r *run) leaving(s *rings.Survey) []inventory.Object {
	list := r.MastersIn(r.Want.Zone)
	for _, o := range r.Have.Of(inventory.OwnGroup) { // of one that lacks both
		if o.Zone == r.Want.Zone && !slices.ContainsFunc(list, func(m inventory.Object) bool { return m.Name == o.Name }) {
			list = append(list, inventory.Object{Kind: inventory.Instance, Name: o.Name, Zone: o.Zone, Role: inventory.RoleMaster})
		}
	}
	for _, ring := range rings.Names { // members whose machine and disk are gone
		for _, v := range s.Voters(ring) {
			if v.Zone == r.Want.Zone && !slices.ContainsFunc(list, func(o inventory.Object) bool { return o.Name == v.Name }) {
				list = append(list, inventory.Object{Kind: inventory.Instance, Name: v.Name, Zone: v.Zone, Role: inventory.RoleMaster})
			}
		}
	}
	rank := func(o inventory.Object) int {
		n := 0
		for _, ring := range rings.Names {
			own, heard := s.Answers[o.Name][ring]
			switch {
			case !heard || !own.Healthy:
			case own.Leader == own.ID:
				n += 3
			default:
				n++
			}
		}
		return n
	}
	slices.SortStableFunc(list, func(a, b inventory.Object) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(b.Name, a.Name) // a replica before the first-born
	})
	return list
}
