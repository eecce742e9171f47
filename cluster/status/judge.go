package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/replicate"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// NoSuchMaster is the refusal of a name that no master has.
func (s *Snapshot) NoSuchMaster(name string) error {
	var all []string
	for _, m := range s.Masters {
		all = append(all, m.Name)
	}
	return &refusal.Refused{Why: fmt.Sprintf("cluster %s has no master %s", s.Names.Prefix, name), Cure: "its masters are " + strings.Join(all, ", ")}
}

// LeftRings tells of a master that votes nowhere and is not about to: one that a
// removal has left, or the disk of one.
func (s *Snapshot) LeftRings(m ObservedMaster) bool {
	return len(s.Masters) > 1 && len(s.memberships(m.Object)[noMember]) == len(rings.Names) &&
		(m.phase == scripts.PhaseRunning || m.Status == "")
}

// withoutQuorum tells of a master that lacks nothing but the others: both its members
// run, and a ring of theirs has no quorum.
func (s *Snapshot) withoutQuorum(m ObservedMaster) bool {
	for _, ring := range rings.Names {
		if s.Rings.Answers[m.Name][ring].ID == "" {
			return false
		}
	}
	return m.Disk && m.phase == scripts.PhaseRunning && len(s.Masters) > 1 && !s.Quorum()
}

// NotWhole is why a master is not whole, "" if it is.
func (s *Snapshot) NotWhole(m ObservedMaster) string {
	if s.withoutQuorum(m) {
		return ""
	}
	if state, why := s.state(m, s.nodeOf(m.Object)); state != StateReady {
		return strings.TrimSuffix(state+": "+why, ": ")
	}
	if !m.Disk {
		return "it has no data disk"
	}
	if s.Rings.Silent[m.Name] != nil {
		return "" // it serves, and was not asked
	}
	for _, ring := range rings.Names {
		own := s.Rings.Answers[m.Name][ring]
		switch x := s.membershipOf(ring, m.Object); {
		case own.ID == "":
			return fmt.Sprintf("etcd %s: %s", ring, cmp.Or(own.Error, "it does not run"))
		case x == noMember, x == learnerMember:
			return "it does not vote in ring " + ring
		case !own.Healthy:
			return fmt.Sprintf("etcd %s: %s", ring, cmp.Or(own.Error, "not healthy"))
		}
		// One that was away for long and is back takes no writes in a quiet ring.
		if n := s.Rings.Behind(ring, m.Name); n > env.MaxBehind {
			return fmt.Sprintf("etcd %s: it is %d entries behind its leader", ring, n)
		}
	}
	if s.outside(m) {
		return "it is not in the balancer's group"
	}
	if s.have.OwnGroupOf(m.Object).Idle {
		return "its group is told to leave it alone"
	}
	return ""
}

// OwnsDisk refuses a data disk that is not this cluster's: by its mark, or by what
// the machine found on it.
func OwnsDisk(ctx context.Context, r *task.Task, m ObservedMaster) error {
	if !m.Disk {
		d, err := r.GCE.Disks(m.Zone).Get(ctx, r.Want.Names.DiskOf(m.Name))
		switch {
		case gce.IsNotFound(err):
			return nil
		case err != nil:
			return err
		case !r.Owns(d.GetDescription()):
			return step.ForeignDisk(r.Env, r.Have, m.Object, "carries no mark of this cluster")
		}
		return nil
	}
	return step.ForeignContent(r.Env, r.Have, m.Object, m.phase)
}

// Curable refuses what no repair brings back: a ring of which too few voters have
// their data, as far as can be known before machines were looked into.
func (s *Snapshot) Curable() error {
	if err := s.undecided(); err != nil {
		return err
	}
	for _, ring := range rings.Names {
		total, has := s.withData(ring)
		if need := total/2 + 1; has < need {
			return s.lostForGood(fmt.Sprintf("etcd ring %s has lost quorum for good: %d of its %d voters have their data, it takes %d to agree on anything", ring, has, total, need))
		}
	}
	return nil
}

// Decided tells that etcd says whose data of a ring are right, or has no doubt.
func (s *Snapshot) Decided() bool { return s.undecided() == nil }

// undecided refuses to choose between members of a ring whose data differ, where etcd
// cannot tell which are right, or says of none that they are.
func (s *Snapshot) undecided() error {
	for _, ring := range rings.Names {
		x, _, _ := s.Rings.Ring(ring)
		right := 0
		for _, m := range x.Members {
			if !m.Learner && !x.Corrupt(m.ID) {
				right++
			}
		}
		nobody := slices.Contains(x.Alarms, replicate.Alarm{Kind: replicate.AlarmCorrupt})
		if len(x.Members) < 2 || !x.Has(replicate.AlarmCorrupt) || right > 0 && !nobody {
			continue
		}
		best, ok := s.survivor()
		if !ok {
			continue
		}
		return &refusal.Refused{
			Why:  fmt.Sprintf("etcd ring %s has members whose data differ, and etcd does not say whose are right: alarm %s", ring, replicate.AlarmCorrupt),
			Cure: cure.Hint("choose whose data to go on with, and give up all others", cure.FromSurvivor(best.Name)),
		}
	}
	return nil
}

// withData counts the voters of a ring, and those whose data disk is there. When
// nobody tells of the ring they are the masters that are left.
func (s *Snapshot) withData(ring string) (total, has int) {
	x, _, known := s.Rings.Ring(ring)
	if !known {
		for _, m := range s.Masters {
			total++
			if m.Disk {
				has++
			}
		}
		return total, has
	}
	for _, y := range x.Members {
		if y.Learner {
			continue
		}
		total++
		name, _ := rings.MachineOf(y)
		if slices.ContainsFunc(s.Masters, func(m ObservedMaster) bool { return m.Name == name && m.Disk }) {
			has++
		}
	}
	return total, has
}

// lostForGood names the one way that is left: to go on with one member, or none.
func (s *Snapshot) lostForGood(why string) error {
	if best, ok := s.survivor(); ok {
		return &refusal.Refused{Why: why, Cure: cure.Hint("go on with what one of them has, and lose what it has not", cure.FromSurvivor(best.Name))}
	}
	return &refusal.Refused{
		Why:  why + "; no master's data are left, so nothing can bring the cluster back",
		Cure: s.Anew(),
	}
}

// Anew is how a cluster that is lost comes back: empty, or as a backup or a snapshot has it.
func (s *Snapshot) Anew() string {
	if back, is := s.copied.back(); is {
		return cure.Hints(cure.Hint("the newest snapshot of a master's data disk is the way back, or a backup that is newer", back), cure.Hint("or make it anew", cure.Down(), cure.Up(s.home())))
	}
	return cure.Hint("if there is a backup of it, bring it back with \"hakube restore FILE\"; without one make it anew", cure.Down(), cure.Up(s.home()))
}

// survivor is the master with the most of the main ring: the best to go on with.
func (s *Snapshot) survivor() (best ObservedMaster, ok bool) {
	if len(s.Masters) < 2 {
		return best, false
	}
	index := int64(-1)
	for _, m := range s.Masters {
		own := s.Rings.Answers[m.Name][replicate.RingMain].Index
		if m.Disk && own > index && !s.Rings.Differs(m.Name) {
			best, index, ok = m, own, true
		}
	}
	return best, ok
}

// HalfRemoved are masters of which a cut run of this kind has left their Nodes, or of
// the last of which only the balancer's parts.
func (s *Snapshot) HalfRemoved() (list []inventory.Object) {
	for i := range s.nodes.list {
		n := &s.nodes.list[i]
		known := slices.ContainsFunc(s.Masters, func(m ObservedMaster) bool { return m.Name == n.Name })
		if zone := n.Labels[corev1.LabelTopologyZone]; !known && zone != "" && s.Names.IsMaster(n.Name) {
			list = append(list, inventory.Object{Kind: inventory.Instance, Name: n.Name, Zone: zone, Role: inventory.RoleMaster})
		}
	}
	if len(list) > 0 || len(s.Masters) > 1 {
		return list
	}
	for _, o := range s.have.Of(inventory.InstanceGroup) {
		list = append(list, inventory.Object{Kind: inventory.Instance, Name: s.Names.Replica(o.Zone, 0), Zone: o.Zone, Role: inventory.RoleMaster})
	}
	return list
}

// AloneInRings tells that a run of this kind has already made the rings the
// master's own.
func (s *Snapshot) AloneInRings(name string) bool {
	for _, ring := range rings.Names {
		x := s.Rings.Answers[name][ring]
		if !x.Healthy || len(x.Members) != 1 || x.Members[0].ID != x.ID {
			return false
		}
	}
	return true
}

// phaseState is the state of a machine whose script is not through.
func phaseState(phase string) (state, why string) {
	reason, failed := strings.CutPrefix(phase, scripts.PhaseFailed)
	switch {
	case failed:
		return StateFailed, reason
	case phase == scripts.PhasePrepared || env.Joins(phase):
		return StateJoining, phase
	}
	return StateStarting, cmp.Or(phase, "it boots")
}

// Denied tells that a master did not take this operator's ssh key.
func (s *Snapshot) Denied(name string) bool {
	return errors.Is(s.Rings.Silent[name], replicate.ErrDenied)
}

// master concludes a master's state.
func (s *Snapshot) master(m ObservedMaster) MasterStatus {
	x := MasterStatus{Name: m.Name, Zone: m.Zone, Node: "unknown"}
	node := s.nodeOf(m.Object)
	if s.nodes.read {
		switch {
		case node == nil:
			x.Node = "none"
		case kube.NotReady(node) == "":
			x.Node = "Ready"
		default:
			x.Node = "NotReady"
		}
	}
	if node != nil {
		x.Version = node.Status.NodeInfo.KubeletVersion
	}
	x.State, x.Why = s.state(m, node)
	x.Group = GroupNone
	if own := s.have.OwnGroupOf(m.Object); own.Idle {
		x.Group = GroupIdle
	} else if own.Name != "" {
		x.Group = GroupWatches
	}
	return x
}

// state is that of a master, by its machine, what it says of itself, its Node and the rings.
func (s *Snapshot) state(m ObservedMaster, node *corev1.Node) (state, why string) {
	switch m.Status {
	case "RUNNING":
	case "":
		if m.Disk {
			return StateGone, "there is its disk and no machine"
		}
		return StateGone, "it is in a ring and there is no machine"
	case "PROVISIONING", "STAGING", "REPAIRING":
		return StateStarting, "the machine is " + m.Status
	default:
		return StateStopped, "the machine is " + m.Status
	}
	switch silent := s.Rings.Silent[m.Name]; {
	case m.phaseError == nil && m.phase != scripts.PhaseRunning && (m.phase != "" || m.ready != ""):
		return phaseState(m.phase)
	case s.Rings.RefusedBy(m.Name) != "":
		return StateNotReady, s.Rings.RefusedBy(m.Name)
	case m.ready != "" && silent != nil:
		return StateUnreachable, fmt.Sprintf("API: %s; ssh: %v", m.ready, silent)
	case m.ready != "":
		return StateNotReady, "API: " + m.ready
	case s.nodes.read && node == nil:
		return StateNotReady, "it is no Node"
	case s.nodes.read && kube.NotReady(node) != "":
		return StateNotReady, "its Node: " + kube.NotReady(node)
	case silent != nil:
		return StateReady, fmt.Sprintf("ssh: %v", silent)
	case s.Rings.MachineWhy(m.Name) != "":
		return StateNotReady, s.Rings.MachineWhy(m.Name)
	}
	return StateReady, ""
}

// unfounded tells of a cluster that is to have several masters that the others were begun beside
// the first one's machine, which was not made: nobody tells of rings that were never founded.
func (s *Snapshot) unfounded() bool {
	first := false
	for _, m := range s.Masters {
		switch {
		case m.Name == s.Names.Master():
			first = m.Status == "" && m.Disk
		case m.phaseError != nil, m.phase == scripts.PhaseRunning, env.Joins(m.phase), m.Status != "RUNNING", len(s.memberships(m.Object)[unknownMember]) < len(rings.Names):
			return false
		}
	}
	return first && len(s.Masters) > 1
}
