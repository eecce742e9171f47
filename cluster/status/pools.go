package status

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/pool"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// zonesWithPools are the zones with groups or with machines that are nodes.
func (s *Snapshot) zonesWithPools() []string {
	return s.have.Zones(func(o inventory.Object) bool {
		return o.Kind == inventory.ManagedGroup || o.Kind == inventory.Instance && o.Role == inventory.RoleNode
	})
}

// in is a zone's pool, with the Nodes of the whole cluster.
func (s *Snapshot) in(zone string) pool.Pool {
	p := s.zonePools[zone]
	p.Nodes = s.nodes.list
	return p
}

// size is how many machines the zone's groups are to have.
func (s *Snapshot) size(zone string) (n int) {
	for _, o := range s.have.Objects {
		if o.Kind == inventory.ManagedGroup && o.Zone == zone {
			n += o.Size
		}
	}
	return n
}

// pools are the zones' pools. Machines that could not be listed are counted by
// the sizes of their groups.
func (s *Snapshot) pools() []PoolStatus {
	list := []PoolStatus{}
	for _, zone := range s.zonesWithPools() {
		p := s.in(zone)
		x := PoolStatus{Zone: zone, Nodes: len(p.Machines), Leaving: len(p.Leaving)}
		if !s.listed {
			x.Nodes = s.size(zone)
		}
		missing := p.Missing()
		if s.nodes.read && s.listed {
			x.Ready = new(len(p.Machines) - len(missing))
			if len(missing) > 0 {
				x.Why = p.WhyMissing(missing)
			}
		}
		if len(p.Stuck) > 0 {
			x.Why = p.Stuck[0].Error()
		}
		list = append(list, x)
	}
	return list
}

func removePool(zone string) string {
	return cure.RemovePool(zone).String()
}

// unfinishedPools are pools that are not as their groups are to have them. The
// commands name NUM_NODES, so that they finish and do not resize.
func (s *Snapshot) unfinishedPools() (list []Unfinished) {
	if !s.listed {
		return nil
	}
	list = s.growing()
	for _, zone := range s.zonesWithPools() {
		p, size := s.in(zone), s.size(zone)
		if _, on := s.have.Growing(zone, s.Held.Growing); on {
			continue
		}
		if s.size(zone) == 0 && len(p.Machines) == 0 && !s.hasGroup(zone) {
			list = append(list, Unfinished{
				Step:    "machines of a pool in " + zone + " that have no group",
				Command: removePool(zone),
			})
			continue
		}
		finish := func(n int) string {
			return cure.FinishPool(zone, n).String()
		}
		if len(p.Leaving) > 0 {
			list = append(list, Unfinished{Step: fmt.Sprintf("pool of %s: %d machines are being removed", zone, len(p.Leaving)), Command: finish(size)})
		}
		if !s.nodes.read {
			continue
		}
		if step, is := replacing(zone, p, s.have.Objects); is { // its nodes that are cordoned are part of that
			list = append(list, Unfinished{Step: step, Command: finish(size)})
			continue
		}
		goes := p.Regretted(nil)
		if n := len(goes); n > 0 {
			x := Unfinished{
				Step:    fmt.Sprintf("pool of %s: nodes were cordoned to go and did not: %s", zone, pool.Few(goes)),
				Command: finish(size - n), Or: finish(size),
			}
			if slices.ContainsFunc(goes, func(m pool.Machine) bool { return kube.LeavesWithPool(p.Node(m)) }) {
				x.Command = removePool(zone)
			}
			list = append(list, x)
		}
		if missing := p.Missing(); len(missing) > 0 || len(p.Machines) < size {
			step := fmt.Sprintf("pool of %s: %d of %d nodes are Ready", zone, len(p.Machines)-len(missing), size)
			list = append(list, Unfinished{Step: step, Command: finish(size), waits: true})
		}
	}
	return list
}

// growing are the pools that a run was making larger and did not see to the end.
func (s *Snapshot) growing() (list []Unfinished) {
	for _, zone := range slices.Sorted(maps.Keys(s.Held.Growing)) {
		if w, on := s.have.Growing(zone, s.Held.Growing); on {
			list = append(list, Unfinished{Step: fmt.Sprintf("pool of %s: a run that brings it to %d nodes did not end", zone, w.To), Command: cure.FinishPool(zone, w.To).String(), waits: true})
		}
	}
	return list
}

// spareTemplates are those that no group makes machines from, by a run that was cut: the
// next up of any pool takes them away.
func (s *Snapshot) spareTemplates() []Unfinished {
	var names []string
	for _, o := range task.SpareTemplates(s.have.Objects, s.Names) {
		names = append(names, o.Name)
	}
	zones := s.zonesWithPools()
	if len(names) == 0 || len(zones) == 0 {
		return nil
	}
	return []Unfinished{{
		Step:    "templates that no group makes nodes from: " + strings.Join(names, " "),
		Command: cure.FinishPool(zones[0], s.size(zones[0])).String(),
	}}
}

// withoutPool is a cluster that the settings want nodes for, and that has none in
// any zone: its making was cut between the master and them, or its removal behind
// them, or all pools were removed.
func (s *Snapshot) withoutPool() []Unfinished {
	if !s.wantsNodes || len(s.zonesWithPools()) > 0 {
		return nil
	}
	return []Unfinished{{Step: "no zone has a pool of nodes", Command: cure.FinishPool(s.home(), s.numNodes).String(), Or: downAll, waits: true}}
}

func (s *Snapshot) hasGroup(zone string) bool {
	return slices.ContainsFunc(s.have.Objects, func(o inventory.Object) bool { return o.Kind == inventory.ManagedGroup && o.Zone == zone })
}

// unfinishedNodes are Nodes without a machine: nobody else takes them away.
func (s *Snapshot) unfinishedNodes() (list []Unfinished) {
	if !s.nodes.read || !s.listed {
		return nil
	}
	orphaned := map[string][]string{} // by zone
	for i := range s.nodes.list {
		n := &s.nodes.list[i]
		zone := n.Labels[corev1.LabelTopologyZone]
		switch {
		case zone == "", s.hasMachine(n.Name, zone): // without a zone it is no machine of this cloud's
		case strings.HasPrefix(n.Name, s.Names.Group(0)+"-"):
			orphaned[zone] = append(orphaned[zone], n.Name)
		case s.Names.IsMaster(n.Name):
			if !slices.ContainsFunc(s.Masters, func(m ObservedMaster) bool { return m.Name == n.Name }) { // or it is that master's story
				list = append(list, Unfinished{Step: "node " + n.Name + " has no machine", Command: s.create()})
			}
		}
	}
	for zone, names := range orphaned {
		command := removePool(zone)
		if s.hasGroup(zone) {
			command = cure.FinishPool(zone, s.size(zone)).String()
		}
		list = append(list, Unfinished{Step: "nodes without machines: " + pool.Few(machinesNamed(names)), Command: command})
	}
	slices.SortFunc(list, func(a, b Unfinished) int { return strings.Compare(a.Step, b.Step) })
	return list
}

// hasMachine tells whether a Node's machine was seen, or is one of a group that
// may be making it again just now.
func (s *Snapshot) hasMachine(name, zone string) bool {
	for z, p := range s.zonePools {
		if (zone == "" || z == zone) && (slices.Contains(pool.NamesOf(p.Machines), name) || slices.Contains(p.Leaving, name)) {
			return true
		}
	}
	return slices.ContainsFunc(s.have.Objects, func(o inventory.Object) bool {
		return o.Kind == inventory.Instance && o.Name == name && (zone == "" || o.Zone == zone)
	})
}

func machinesNamed(names []string) (list []pool.Machine) {
	for _, n := range names {
		list = append(list, pool.Machine{Name: n})
	}
	return list
}

// askGroups lists the machines of all managed groups.
func askGroups(ctx context.Context, r *env.Env, s *Snapshot) {
	groups := map[string][]inventory.Object{}
	for _, o := range s.have.Of(inventory.ManagedGroup) {
		groups[o.Zone] = append(groups[o.Zone], o)
	}
	zones := slices.Sorted(maps.Keys(groups))
	found := make([]pool.Pool, len(zones))
	var reads []func() error
	for i, zone := range zones {
		reads = append(reads, func() (err error) { found[i], err = pool.MachinesOf(ctx, r, groups[zone]); return err })
	}
	err := gce.Parallel(reads...)
	if err != nil {
		s.missed("the machines of the pools could not be listed", err)
	}
	s.zonePools, s.listed = map[string]pool.Pool{}, err == nil
	for i, zone := range zones {
		s.zonePools[zone] = found[i]
	}
}
