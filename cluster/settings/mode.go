package settings

// A Mode is what up or down does, by the settings (kube-up's selectors).
type Mode string

const (
	Create        Mode = "create"         // up: the cluster, with its first master and the zone's pool
	AddPool       Mode = "add pool"       // up, KUBE_USE_EXISTING_MASTER=true: the zone's pool only
	AddReplica    Mode = "add replica"    // up, KUBE_REPLICATE_EXISTING_MASTER=true: one more master, in the zone
	RemoveReplica Mode = "remove replica" // down, KUBE_DELETE_NODES=false: one master of the zone
	RemovePool    Mode = "remove pool"    // down, KUBE_USE_EXISTING_MASTER=true: the zone's pool only
	RemoveCluster Mode = "remove cluster" // down: everything
	Repair        Mode = "repair"         // repair: brings masters back that fail
	Rebuild       Mode = "rebuild"        // repair --from-survivor: goes on with one master where quorum is lost for good
	Look          Mode = "look"           // status, validate: nothing
)

// Mode is what the verb does under these settings. What contradicts itself was
// refused when they were loaded.
func (s *Settings) Mode(verb Verb) Mode {
	switch {
	case verb == StatusVerb:
		return Look
	case verb == RepairVerb:
		return Repair
	case verb == RebuildVerb:
		return Rebuild
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
)

// chooses tells whether kube-up's selectors say what the verb does.
func (v Verb) chooses() bool { return v == Up || v == Down }
