package task

import (
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/gce"
)

// Masters are those there are once the run is through, as far as it is: with
// what its steps have seen of them.
func (r *Task) Masters() []inventory.Object {
	var list []inventory.Object
	for _, m := range r.Have.Masters(r.Want.Names) {
		if m.Name != r.Replica.Name {
			list = append(list, m)
		}
	}
	switch {
	case r.Mode.One && !r.Mode.Removes:
		list = append(list, r.Replica)
	case r.Mode.Repairs:
		for _, p := range r.Failing {
			if !slices.ContainsFunc(list, func(m inventory.Object) bool { return m.Name == p.Name }) {
				list = append(list, p)
			}
		}
	case len(list) == 0: // this run makes it
		list = append(list, r.Master())
	}
	return r.AsSeen(list)
}

// MastersBut are all but the one of the name.
func (r *Task) MastersBut(name string) []inventory.Object {
	return slices.DeleteFunc(r.Masters(), func(m inventory.Object) bool { return m.Name == name })
}

// Master is the master that is spoken to: a running one, the first-born if it
// runs, or the one that is being made.
func (r *Task) Master() inventory.Object {
	if r.Have != nil {
		all := r.Have.Masters(r.Want.Names)
		for _, m := range all {
			if m.Status == "RUNNING" && m.Name != r.Replica.Name {
				return m
			}
		}
		if len(all) > 0 {
			return all[0]
		}
	}
	return inventory.FirstMaster(r.Want.Names, r.Want.Home)
}

// ZonesOf are the zones of objects, sorted.
func ZonesOf(list []inventory.Object) (zones []string) {
	for _, o := range list {
		if !slices.Contains(zones, o.Zone) {
			zones = append(zones, o.Zone)
		}
	}
	slices.Sort(zones)
	return zones
}

// WithZone are zones with one more, if it is not among them.
func WithZone(zones []string, zone string) []string {
	if slices.Contains(zones, zone) {
		return zones
	}
	return append(slices.Clone(zones), zone)
}

// Others are the masters but the one that comes or goes.
func (r *Task) Others() []inventory.Object { return r.MastersBut(r.Replica.Name) }

// ToBe are the masters whose machine and disk the run is about: the zone's, the
// first one when there is none anywhere, or the one that comes or goes.
func (r *Task) ToBe() []inventory.Object {
	switch {
	case r.Mode.One:
		return []inventory.Object{r.Replica}
	case r.Mode.Repairs:
		return r.Failing
	}
	if here := r.MastersIn(r.Want.Zone); len(here) > 0 {
		return here
	}
	return []inventory.Object{inventory.FirstMaster(r.Want.Names, r.Want.Zone)}
}

// MastersIn are the masters of a zone: the machines, and what is left of others
// by their disks.
func (r *Task) MastersIn(zone string) (list []inventory.Object) {
	for _, o := range r.Have.Masters(r.Want.Names) {
		if o.Zone == zone {
			list = append(list, o)
		}
	}
	for _, o := range r.Have.Objects {
		name, ok := strings.CutSuffix(o.Name, settings.DiskSuffix)
		if ok && o.Kind == inventory.Disk && o.Role == inventory.RoleMasterDisk && o.Zone == zone &&
			!slices.ContainsFunc(list, func(m inventory.Object) bool { return m.Name == name }) {
			list = append(list, inventory.Object{Kind: inventory.Instance, Name: name, Zone: zone, Role: inventory.RoleMaster})
		}
	}
	return list
}

// Grouped tells whether a master's machine is, or is to be made, in a group of its own, which
// makes it again: as it is, or while it has none as the settings say.
func (r *Task) Grouped(m inventory.Object) bool {
	if made, is := r.Have.Made(m); is {
		return made
	}
	return r.Have.OwnGroupOf(m).Name != "" || !r.Mode.Removes && bool(r.Want.Settings.MasterGroups)
}

// LikeMaster is what a master would be made with now: what these settings say, and else what
// it was made with itself, whatever the others were. One that has no machine is like the
// first of them.
func (r *Task) LikeMaster(o inventory.Object, said settings.Settings) settings.Spec {
	said.Zone = settings.Zone(o.Zone)
	x, one := *r, *r.Have
	x.Env = r.Anew(settings.SpecOf(said, r.Deps.Operator()))
	if r.Have.Has(o) {
		one.Objects = slices.DeleteFunc(slices.Clone(one.Objects), func(y inventory.Object) bool {
			return y.Kind == inventory.Instance && y.Role == inventory.RoleMaster && y.Id() != o.Id() ||
				y.Kind == inventory.Disk && y.Role == inventory.RoleMasterDisk && y.Name != r.Want.Names.DiskOf(o.Name)
		})
	}
	return x.AsItIs(&one).At(r.Want.Home, r.Want.Mark.Multizone)
}

// BootOf is a master's boot disk as it was listed, nil if it was not.
func (r *Task) BootOf(m inventory.Object) *computepb.Disk {
	for _, d := range r.Seen.Machines[m.Zone+"/"+m.Name].GetDisks() {
		if d.GetBoot() {
			return r.Seen.Disks[m.Zone+"/"+gce.Base(d.GetSource())]
		}
	}
	return nil
}

// Outlook is what may be hoped of the masters, as they are when it is made.
func (r *Task) Outlook() Outlook {
	return Outlook{r.Verdicts, r.Want, r.Masters(), r.AsSeen}
}
