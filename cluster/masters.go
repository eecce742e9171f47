package cluster

import (
	"slices"
	"strings"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
)

// masters are those there are once the run is through, as far as it is: with
// what its steps have seen of them.
func (r *task) masters() []inventory.Object {
	var list []inventory.Object
	for _, m := range r.have.Masters(r.Want.Names) {
		if m.Name != r.replica.Name {
			list = append(list, m)
		}
	}
	switch {
	case r.mode.one && !r.mode.removes:
		list = append(list, r.replica)
	case r.mode.repairs:
		for _, p := range r.patients {
			if !slices.ContainsFunc(list, func(m inventory.Object) bool { return m.Name == p.Name }) {
				list = append(list, p)
			}
		}
	case len(list) == 0: // this run makes it
		list = append(list, r.master())
	}
	return r.AsSeen(list)
}

// mastersBut are all but the one of the name.
func (r *task) mastersBut(name string) []inventory.Object {
	return slices.DeleteFunc(r.masters(), func(m inventory.Object) bool { return m.Name == name })
}

// master is the master that is spoken to: a running one, the first-born if it
// runs, or the one that is being made.
func (r *task) master() inventory.Object {
	if r.have != nil {
		all := r.have.Masters(r.Want.Names)
		for _, m := range all {
			if m.Status == "RUNNING" && m.Name != r.replica.Name {
				return m
			}
		}
		if len(all) > 0 {
			return all[0]
		}
	}
	return inventory.Object{Kind: inventory.Instance, Name: r.Want.Names.Master(), Zone: r.Want.Home, Role: inventory.RoleMaster}
}

// zonesOf are the zones of objects, sorted.
func zonesOf(list []inventory.Object) (zones []string) {
	for _, o := range list {
		if !slices.Contains(zones, o.Zone) {
			zones = append(zones, o.Zone)
		}
	}
	slices.Sort(zones)
	return zones
}

func withZone(zones []string, zone string) []string {
	if slices.Contains(zones, zone) {
		return zones
	}
	return append(slices.Clone(zones), zone)
}

// others are the masters but the one that comes or goes.
func (r *task) others() []inventory.Object { return r.mastersBut(r.replica.Name) }

// toBe are the masters whose machine and disk the run is about: the zone's, the
// first one when there is none anywhere, or the one that comes or goes.
func (r *task) toBe() []inventory.Object {
	switch {
	case r.mode.one:
		return []inventory.Object{r.replica}
	case r.mode.repairs:
		return r.patients
	}
	if here := r.mastersIn(r.Want.Zone); len(here) > 0 {
		return here
	}
	return []inventory.Object{{Kind: inventory.Instance, Name: r.Want.Names.Master(), Zone: r.Want.Zone, Role: inventory.RoleMaster}}
}

// mastersIn are the masters of a zone: the machines, and what is left of others
// by their disks.
func (r *task) mastersIn(zone string) (list []inventory.Object) {
	for _, o := range r.have.Masters(r.Want.Names) {
		if o.Zone == zone {
			list = append(list, o)
		}
	}
	for _, o := range r.have.Objects {
		name, ok := strings.CutSuffix(o.Name, settings.DiskSuffix)
		if ok && o.Kind == inventory.Disk && o.Role == inventory.RoleMasterDisk && o.Zone == zone &&
			!slices.ContainsFunc(list, func(m inventory.Object) bool { return m.Name == name }) {
			list = append(list, inventory.Object{Kind: inventory.Instance, Name: name, Zone: zone, Role: inventory.RoleMaster})
		}
	}
	return list
}

func (r *task) outlook() outlook {
	return outlook{r.verdicts, r.Want, r.masters(), r.AsSeen}
}
