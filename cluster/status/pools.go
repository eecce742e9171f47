package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/pool"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// in is a pool, with the Nodes of the whole cluster.
func (s *Snapshot) in(id settings.PoolID) pool.Pool {
	return s.machines[id].Beside(s.nodes.list)
}

// size is how many machines the pool's groups are to have.
func (s *Snapshot) size(id settings.PoolID) (n int) {
	for _, o := range s.have.Objects {
		if o.Kind == inventory.ManagedGroup && o.OfPool(id) {
			n += o.Size
		}
	}
	return n
}

// pools are those there are. Machines that could not be listed are counted by
// the sizes of their groups.
func (s *Snapshot) pools() []PoolStatus {
	list := []PoolStatus{}
	for _, id := range s.have.Pools() {
		p := s.in(id)
		x := PoolStatus{Zone: id.Zone, Name: id.Name, Nodes: len(p.Machines), Leaving: len(p.Leaving), Versions: p.Versions()}
		if s.scales.Autoscaler {
			x.Least, x.Most = new(int(s.scales.ScalesToLeast)), new(int(s.scales.ScalesToMost))
		}
		if !s.listed {
			x.Nodes = s.size(id)
		}
		missing := p.Missing()
		if s.nodes.read && s.listed {
			goes := len(p.Autoscaled())
			x.Nodes, x.Leaving = x.Nodes-goes, x.Leaving+goes
			x.Ready = new(x.Nodes - len(missing))
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

func removePool(id settings.PoolID) string {
	return cure.RemovePool(id.Zone).OfPool(id.Name).String()
}

// finishPool brings a pool to n nodes.
func finishPool(id settings.PoolID, n int) string {
	return cure.FinishPool(id.Zone, n).OfPool(id.Name).String()
}

// unfinishedPools are pools that are not as their groups are to have them. The
// commands name NUM_NODES, so that they finish and do not resize.
func (s *Snapshot) unfinishedPools() (list []Unfinished) {
	if !s.listed {
		return nil
	}
	list = s.growing()
	for _, id := range s.have.Pools() {
		p, size := s.in(id), s.size(id)
		if _, on := s.have.Growing(id, s.Held.Growing); on {
			continue
		}
		if size == 0 && len(p.Machines) == 0 && !s.hasGroup(id) {
			list = append(list, Unfinished{
				Step:    "machines of a pool in " + id.Short() + " that have no group",
				Command: removePool(id),
			})
			continue
		}
		finish := func(n int) string { return finishPool(id, s.scales.Within(n)) }
		if len(p.Leaving) > 0 && !bool(s.scales.Autoscaler) { // the cluster autoscaler needs nobody to end what it does
			list = append(list, Unfinished{Step: fmt.Sprintf("%s: %d machines are being removed", id, len(p.Leaving)), Command: finish(size)})
		}
		if !s.nodes.read {
			continue
		}
		if step, is := s.replacing(id, p); is { // its nodes that are cordoned are part of that
			if !s.rolls(id) {
				list = append(list, Unfinished{Step: step, Command: finish(size)})
			}
			continue
		}
		goes := p.Regretted(nil)
		if n := len(goes); n > 0 {
			x := Unfinished{
				Step:    fmt.Sprintf("%s: nodes were cordoned to go and did not: %s", id, pool.Few(goes)),
				Command: finish(size - n), Or: finish(size),
			}
			if slices.ContainsFunc(goes, func(m pool.Machine) bool { return kube.LeavesWithPool(p.Node(m)) }) {
				x.Command = removePool(id)
			}
			list = append(list, x)
		}
		if without, why := p.Unmarked(s.marksOf); len(without) > 0 {
			step := fmt.Sprintf("%s: %d of %d nodes have not the labels and taints they were made with: %s", id, len(without), len(p.Machines), why)
			list = append(list, Unfinished{Step: step, Command: finish(size)})
		}
		if n := s.scales.Within(size); n != size {
			list = append(list, Unfinished{Step: fmt.Sprintf("%s: it has %d nodes, and is to have %d", id, size, n), Command: finish(n)})
			continue
		}
		if missing := p.Missing(); len(missing) > 0 || len(p.Machines) < size {
			step := fmt.Sprintf("%s: %d of %d nodes are Ready", id, len(p.Machines)-len(missing), size)
			list = append(list, Unfinished{Step: step, Command: finish(size), waits: true})
		}
	}
	return list
}

// replacing is a pool whose machines were being replaced, by a run that did not end: some
// are made from another template than their group's.
func (s *Snapshot) replacing(id settings.PoolID, p pool.Pool) (step string, is bool) {
	of := map[string]string{}
	for _, o := range s.have.Objects {
		if o.Kind == inventory.ManagedGroup && o.OfPool(id) {
			of[o.Name] = o.Template
		}
	}
	var old []pool.Machine
	for _, m := range p.Machines {
		if m.Template != "" && m.Template != of[m.Group] && !(s.Held.Rotation.TellsNodes() && task.OnlyTold(s.templates, m.Template, of[m.Group])) {
			old = append(old, m)
		}
	}
	return fmt.Sprintf("%s: %d of %d nodes were not replaced yet: %s", id, len(old), len(p.Machines), pool.Few(old)), len(old) > 0
}

// Replacing is a pool whose machines are made from several templates, and what ends that; "" of
// none, and where that could not be asked.
func (s *Snapshot) Replacing() (step string, ends cure.Command) {
	for _, id := range s.have.Pools() {
		if step, is := s.replacing(id, s.in(id)); is && s.listed {
			if s.rolls(id) {
				return step, s.have.Rolling(s.Names).Command()
			}
			return step, cure.FinishPool(id.Zone, s.scales.Within(s.size(id))).OfPool(id.Name)
		}
	}
	return "", cure.Command{}
}

// Groups are the managed groups of nodes.
func (s *Snapshot) Groups() []inventory.Object { return s.have.Of(inventory.ManagedGroup) }

// Silent is why the API does not answer at its address, "" if it does.
func (s *Snapshot) Silent() string { return s.unreachable }

// rolls tells whether a roll that is not done has the nodes of the pool made again: what ends
// that ends the rest.
func (s *Snapshot) rolls(id settings.PoolID) bool { return s.have.Rolling(s.Names).OfPool(id) }

// marksOf are the labels and taints of nodes that are made from a template.
func (s *Snapshot) marksOf(template string) pool.Marks { return task.MarksOf(s.templates[template]) }

// growing are the pools that a run was making larger and did not see to the end.
func (s *Snapshot) growing() (list []Unfinished) {
	ids := slices.SortedFunc(maps.Keys(s.Held.Growing), func(a, b settings.PoolID) int { return strings.Compare(a.Key(), b.Key()) })
	for _, id := range ids {
		if w, on := s.have.Growing(id, s.Held.Growing); on && !s.rolls(id) {
			list = append(list, Unfinished{Step: fmt.Sprintf("%s: a run that brings it to %d nodes did not end", id, w.To), Command: finishPool(id, s.scales.Within(w.To)), waits: true})
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
	pools := s.have.Pools()
	if len(names) == 0 || len(pools) == 0 {
		return nil
	}
	return []Unfinished{{
		Step:    "templates that no group makes nodes from: " + strings.Join(names, " "),
		Command: finishPool(pools[0], s.size(pools[0])),
	}}
}

// withoutPool is a cluster that the settings want nodes for, and that has none in
// any zone: its making was cut between the master and them, or its removal behind
// them, or all pools were removed.
func (s *Snapshot) withoutPool() []Unfinished {
	if !s.wantsNodes || len(s.have.Pools()) > 0 {
		return nil
	}
	return []Unfinished{{Step: "no zone has a pool of nodes", Command: cure.FinishPool(s.home(), s.scales.Within(s.numNodes)).String(), Or: downAll, waits: true}}
}

func (s *Snapshot) hasGroup(id settings.PoolID) bool {
	return slices.ContainsFunc(s.have.Objects, func(o inventory.Object) bool { return o.Kind == inventory.ManagedGroup && o.OfPool(id) })
}

// unfinishedNodes are Nodes without a machine: nobody else takes them away.
func (s *Snapshot) unfinishedNodes() (list []Unfinished) {
	if !s.nodes.read || !s.listed {
		return nil
	}
	orphaned := map[settings.PoolID][]string{}
	for i := range s.nodes.list {
		n := &s.nodes.list[i]
		zone := n.Labels[corev1.LabelTopologyZone]
		name, ofPool := s.Names.PoolOf(n.Name)
		switch {
		case bool(s.scales.Autoscaler) && kube.BeingAutoscaled(n): // the cloud controller takes it away
		case zone == "", s.hasMachine(n.Name, zone): // without a zone it is no machine of this cloud's
		case ofPool:
			id := settings.PoolID{Zone: zone, Name: name}
			orphaned[id] = append(orphaned[id], n.Name)
		case s.Names.IsMaster(n.Name):
			if !slices.ContainsFunc(s.Masters, func(m ObservedMaster) bool { return m.Name == n.Name }) { // or it is that master's story
				list = append(list, Unfinished{Step: "node " + n.Name + " has no machine", Command: s.create()})
			}
		}
	}
	for id, names := range orphaned {
		command := removePool(id)
		if s.hasGroup(id) {
			command = finishPool(id, s.scales.Within(s.size(id)))
		}
		list = append(list, Unfinished{Step: "nodes without machines: " + pool.Few(machinesNamed(names)), Command: command})
	}
	slices.SortFunc(list, func(a, b Unfinished) int { return strings.Compare(a.Step, b.Step) })
	return list
}

// hasMachine tells whether a Node's machine was seen, or is one of a group that
// may be making it again just now.
func (s *Snapshot) hasMachine(name, zone string) bool {
	for id, p := range s.machines {
		if (zone == "" || id.Zone == zone) && (slices.Contains(pool.NamesOf(p.Machines), name) || slices.Contains(p.Leaving, name)) {
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
	groups := map[settings.PoolID][]inventory.Object{}
	for _, o := range s.have.Of(inventory.ManagedGroup) {
		groups[o.PoolID()] = append(groups[o.PoolID()], o)
	}
	ids := slices.Collect(maps.Keys(groups))
	found := make([]pool.Pool, len(ids))
	var reads []func() error
	for i, id := range ids {
		reads = append(reads, func() (err error) { found[i], err = pool.MachinesOf(ctx, r, groups[id]); return err })
	}
	err := gce.Parallel(reads...)
	if err != nil {
		s.missed("the machines of the pools could not be listed", err)
	}
	s.machines, s.listed = map[settings.PoolID]pool.Pool{}, err == nil
	for i, id := range ids {
		s.machines[id] = found[i]
	}
}

// Kubelets are the Nodes of all machines, or why they could not be read.
func (s *Snapshot) Kubelets() ([]corev1.Node, error) {
	if !s.nodes.read {
		return nil, errors.New(cmp.Or(s.unreachable, strings.Join(s.unreadable, "; "), "nobody asked"))
	}
	return s.nodes.list, nil
}

// nodeOf is a machine's Node, nil if it has none.
func (s *Snapshot) nodeOf(m inventory.Object) *corev1.Node {
	return pool.Pool{Nodes: s.nodes.list}.Node(pool.Machine{Name: m.Name, Zone: m.Zone})
}
