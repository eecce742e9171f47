package settings

import (
	"fmt"
	"slices"
)

// A Mode is what up or down does, by the settings (kube-up's selectors).
type Mode string

const (
	Create        Mode = "create"            // up: the cluster, with its first master and the zone's pool
	AddPool       Mode = "add pool"          // up, KUBE_USE_EXISTING_MASTER=true: the zone's pool only
	AddReplica    Mode = "add replica"       // up, KUBE_REPLICATE_EXISTING_MASTER=true: one more master, in the zone
	Span          Mode = "span zones"        // up with HAKUBE_ZONES and its like: all of those one after the other
	RemoveReplica Mode = "remove replica"    // down, KUBE_DELETE_NODES=false: one master of the zone
	RemovePool    Mode = "remove pool"       // down, KUBE_USE_EXISTING_MASTER=true: the zone's pool only
	RemoveCluster Mode = "remove cluster"    // down: everything
	Repair        Mode = "repair"            // repair: brings masters back that fail
	Rebuild       Mode = "rebuild"           // repair --from-survivor: goes on with one master where quorum is lost for good
	Restore       Mode = "restore"           // restore: the masters' data are those of a backup
	Elsewhere     Mode = "restore elsewhere" // restore: a cluster is made, whose data are a backup's of another one
	Evacuate      Mode = "evacuate zone"     // evacuate: masters and pools of a zone go to others
	Roll          Mode = "roll"              // roll: machines of masters are made again, one after the other
	RollPool      Mode = "roll pool"         // roll: nodes of a pool are made again, some at a time and drained
	Drill         Mode = "drill"             // drill: something fails on purpose, and is taken back
	Rotate        Mode = "rotate"            // rotate: keys and certificates of masters are made anew, one master after the other
	Upgrade       Mode = "upgrade"           // upgrade: a roll to another version of Kubernetes
	Look          Mode = "look"              // status, validate, backup: nothing
)

// Mode is what the verb does under these settings. What contradicts itself was
// refused when they were loaded.
func (s *Settings) Mode(verb Verb) Mode {
	switch {
	case s.rolls:
		return RollPool
	case s.restores:
		return Elsewhere
	case verb == StatusVerb, verb == BackupVerb:
		return Look
	case verb == DrillVerb:
		return Drill
	case verb == RestoreVerb:
		return Restore
	case verb == EvacuateVerb:
		return Evacuate
	case verb == RollVerb:
		return Roll
	case verb == RotateVerb:
		return Rotate
	case verb == UpgradeVerb:
		return Upgrade
	case verb == RepairVerb:
		return Repair
	case verb == RebuildVerb:
		return Rebuild
	case verb == Up && s.Spans():
		return Span
	case verb == Up && bool(s.UseExistingMaster):
		return AddPool
	case verb == Up && bool(s.ReplicateMaster):
		return AddReplica
	case verb == Up:
		return Create
	case bool(s.UseExistingMaster):
		return RemovePool
	case !bool(s.DeleteNodes):
		return RemoveReplica
	}
	return RemoveCluster
}

// spanning are the variables of which any makes an up one of the whole cluster.
var spanning = []string{"HAKUBE_ZONES", "HAKUBE_MASTER_ZONES", "HAKUBE_MASTER_COUNT", "HAKUBE_NODE_COUNT"}

// Spans tells whether an up is of the whole cluster, in all its zones.
func (s *Settings) Spans() bool { return slices.ContainsFunc(spanning, s.IsGiven) }

// ZoneVariable names the zones that a command is of.
func ZoneVariable(s *Settings) string {
	if s.leaves {
		return "zone"
	}
	if len(s.Named()) > 0 {
		return "HAKUBE_ZONES, HAKUBE_MASTER_ZONES"
	}
	return "KUBE_GCE_ZONE"
}

// Single is the same for one step of such an up.
func (s Settings) Single() Settings {
	s.Zones, s.MasterZones, s.MasterCount, s.NodeCount, s.AllowEven, s.Prune = nil, nil, 0, 0, false, false
	for _, name := range append([]string{"HAKUBE_ALLOW_EVEN", "HAKUBE_PRUNE"}, spanning...) {
		s = s.Said(name, false)
	}
	s.part = true
	return s
}

// ToLeave is the same for whoever leaves the zone, which no variable names.
func (s Settings) ToLeave(zone Zone) Settings {
	s.Zone, s.leaves = zone, true
	return s
}

// ToRoll is the same for whoever has the nodes of a pool made again, as many as there are.
func (s Settings) ToRoll(id PoolID) Settings {
	s = s.Single().Said("HAKUBE_POOL", id.Name != "")
	s.Zone, s.Pool, s.rolls = Zone(id.Zone), PoolName(id.Name), true
	s.UseExistingMaster, s.ReplicateMaster = true, false
	return s
}

// ToRestore is the same for whoever makes a cluster of a backup: one master and no nodes, and
// nothing in it that makes or deletes what is Google's.
func (s Settings) ToRestore() Settings {
	s = s.Single()
	s.part, s.restores = false, true
	s.UseExistingMaster, s.ReplicateMaster, s.CreateNodes, s.Pool = false, false, false, ""
	s.Addons, s.NetworkPolicy, s.Autoscaler, s.ScalesToLeast, s.ScalesToMost, s.ScalesDown = NoAddons, NoPolicies, false, 1, 0, true
	for _, name := range append([]string{"KUBE_CREATE_NODES", "NUM_NODES", "HAKUBE_POOL", "HAKUBE_ADDONS", "NETWORK_POLICY_PROVIDER"}, AutoscalerVariables...) {
		s = s.Said(name, false)
	}
	return s
}

// Restores tells whether a cluster is made of a backup.
func (s *Settings) Restores() bool { return s.restores }

// Part tells whether this is one step of an up of the whole cluster.
func (s *Settings) Part() bool { return s.part }

// Named are the zones that an up of the whole cluster names, those of masters first.
func (s *Settings) Named() Zones {
	all := slices.Clone(s.MasterZones)
	for _, z := range s.Zones {
		if !slices.Contains(all, z) {
			all = append(all, z)
		}
	}
	return all
}

// spanProblems is what contradicts itself in an up of the whole cluster. Fields in bad
// did not parse.
func (s *Settings) spanProblems(bad map[string]bool) (p []string) {
	say := func(format string, a ...any) { p = append(p, fmt.Sprintf(format, a...)) }
	name := spanning[max(0, slices.IndexFunc(spanning, s.IsGiven))]
	if s.UseExistingMaster || s.ReplicateMaster {
		say("%s and KUBE_USE_EXISTING_MASTER=true or KUBE_REPLICATE_EXISTING_MASTER=true contradict each other: the first is of the whole cluster, the others of one zone", name)
	}
	all := s.Named()
	if len(all) > 0 && slices.ContainsFunc(all, func(z Zone) bool { return z.Region() != all[0].Region() }) {
		say("HAKUBE_ZONES=%s and HAKUBE_MASTER_ZONES=%s are of two regions, and a cluster is in one", s.Zones, s.MasterZones)
	}
	if len(all) > 1 && !bool(s.Multizone) && !bad["Multizone"] {
		say("MULTIZONE=false and several zones (%s) contradict each other", all)
	}
	if s.MasterCount == 0 && s.IsGiven("HAKUBE_MASTER_COUNT") && !bad["MasterCount"] {
		say("HAKUBE_MASTER_COUNT=0: a cluster has one master at least")
	}
	if s.IsGiven("HAKUBE_NODE_COUNT") && s.IsGiven("NUM_NODES") {
		say("HAKUBE_NODE_COUNT=%d and NUM_NODES=%d contradict each other: the first is of all zones together, the second of each", s.NodeCount, s.NumNodes)
	}
	if s.IsGiven("HAKUBE_NODE_COUNT") && s.NodeCount > 0 && !bool(s.CreateNodes) && !bad["CreateNodes"] {
		say("HAKUBE_NODE_COUNT=%d and KUBE_CREATE_NODES=false contradict each other", s.NodeCount)
	}
	return p
}

// Pool tells whether it brings the zone's pool to a size, none included.
func (m Mode) Pool() bool { return m == Create || m == AddPool || m == RemovePool }

// A Verb is what the settings are for: some only make sense for one.
type Verb string

const (
	Up   Verb = "up"
	Down Verb = "down"
	// StatusVerb is for commands that look and change nothing: what the settings
	// say to do has no meaning for them.
	StatusVerb Verb = "status"
	// RepairVerb and RebuildVerb find masters and zones themselves; what the
	// settings say to do has no meaning for them either.
	RepairVerb  Verb = "repair"
	RebuildVerb Verb = "rebuild"
	// BackupVerb and RestoreVerb are of the whole cluster, wherever it is.
	BackupVerb  Verb = "backup"
	RestoreVerb Verb = "restore"
	// EvacuateVerb is of the zone that is its argument, and finds the others itself.
	EvacuateVerb Verb = "evacuate"
	// DrillVerb finds what is to fail itself; which failure is its argument.
	DrillVerb Verb = "drill"
	// RollVerb finds masters and pools itself; which is its argument.
	RollVerb Verb = "roll"
	// RotateVerb finds masters itself; what is made anew is its argument.
	RotateVerb Verb = "rotate"
	// UpgradeVerb is that with another version of Kubernetes.
	UpgradeVerb Verb = "upgrade"
)

// chooses tells whether kube-up's selectors say what the verb does.
func (v Verb) chooses() bool { return v == Up || v == Down }
