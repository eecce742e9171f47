package span

import (
	"slices"

	"hakube/cluster/settings"
)

// The commands that together make a target of what is there, each about one zone: what
// somebody would type step by step.

// Single is the command for one zone.
func single(s settings.Settings, zone string, change func(*settings.Settings)) settings.Settings {
	s = s.Single().Said("NUM_NODES", false)
	s.Zone, s.UseExistingMaster, s.ReplicateMaster, s.DeleteNodes = settings.Zone(zone), false, false, true
	change(&s)
	return s
}

// First makes the cluster in its first zone, or brings it up to date, with the pool there
// if it is to have one.
func (x Target) First(s settings.Settings) settings.Settings {
	return single(s, x.Home, func(s *settings.Settings) {
		i := slices.IndexFunc(x.Pools, func(p Place) bool { return p.Zone == x.Home })
		if i >= 0 {
			sized(s, x.Pools[i])
		}
		if none := i < 0 || x.Pools[i].Is == Default && x.Pools[i].Wants == 0; none && !x.Lives {
			s.CreateNodes = false
			*s = s.Said("KUBE_CREATE_NODES", true)
		}
	})
}

// sized says how many nodes a pool is to have, where it is to grow.
func sized(s *settings.Settings, p Place) {
	if p.Wants > p.Is {
		s.NumNodes = settings.Count(p.Wants)
		*s = s.Said("NUM_NODES", true)
	}
}

// Master adds a master in the zone, or finishes one.
func (x Target) Master(s settings.Settings, zone string) settings.Settings {
	return single(s, zone, func(s *settings.Settings) { s.ReplicateMaster = true })
}

// Without removes a master of the zone by its name.
func (x Target) Without(s settings.Settings, zone, name string) settings.Settings {
	return single(s, zone, func(s *settings.Settings) { s.DeleteNodes, s.ReplicaName = false, settings.Name(name) })
}

// Others make the pools of the other zones.
func (x Target) Others(s settings.Settings) (list []settings.Settings) {
	for _, p := range x.Pools {
		done := p.Zone == x.Home || p.Wants == 0 && p.Is == Default
		if x.Wish.Leave.Zone != "" { // of a zone that is left only what it makes larger is of concern
			done = p.Wants <= p.Is
		}
		if done || x.unnamed(p) {
			continue
		}
		list = append(list, single(s, p.Zone, func(s *settings.Settings) {
			s.UseExistingMaster = true
			sized(s, p)
		}))
	}
	return list
}

// Smaller make pools smaller, if that is wished.
func (x Target) Smaller(s settings.Settings) (list []settings.Settings) {
	for _, p := range x.Pools {
		if !x.Wish.Prune || x.unnamed(p) || p.Wants == Default || p.Wants >= p.Is {
			continue
		}
		list = append(list, single(s, p.Zone, func(s *settings.Settings) {
			s.UseExistingMaster, s.NumNodes = true, settings.Count(p.Wants)
			*s = s.Said("NUM_NODES", true)
		}))
	}
	return list
}

// Removals are the commands of down that take masters and whole pools away, if that is
// wished.
func (x Target) Removals(s settings.Settings) (list []settings.Settings) {
	if !x.Wish.Prune {
		return nil
	}
	for _, p := range x.Masters {
		for range p.Is - p.Wants {
			list = append(list, single(s, p.Zone, func(s *settings.Settings) { s.DeleteNodes = false }))
		}
	}
	pool := func(zone string) {
		list = append(list, single(s, zone, func(s *settings.Settings) { s.UseExistingMaster = true }))
	}
	for _, p := range x.Pools {
		if x.unnamed(p) && p.Zone != x.Wish.Leave.Zone {
			pool(p.Zone)
		}
	}
	for _, b := range x.Besides {
		list = append(list, single(s, b.Zone, func(s *settings.Settings) { s.UseExistingMaster, s.Pool = true, settings.PoolName(b.Name) }))
	}
	if x.Wish.Leave.Zone != "" { // also when all that is left of one are machines and Nodes
		pool(x.Wish.Leave.Zone)
	}
	return list
}
