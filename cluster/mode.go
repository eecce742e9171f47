package cluster

// A Mode is what up or down does, by the settings (kube-up's selectors).
type Mode string

const (
	Create        Mode = "create"         // up: the cluster, with its first master and the zone's pool
	AddPool       Mode = "add pool"       // up, KUBE_USE_EXISTING_MASTER=true: the zone's pool only
	RemovePool    Mode = "remove pool"    // down, KUBE_USE_EXISTING_MASTER=true: the zone's pool only
	RemoveCluster Mode = "remove cluster" // down: everything
)

// Mode is what the verb does under these settings. What contradicts itself was
// refused when they were loaded.
func (s *Settings) Mode(verb Verb) Mode {
	switch {
	case verb == Up && bool(s.UseExistingMaster):
		return AddPool
	case verb == Up:
		return Create
	case bool(s.UseExistingMaster):
		return RemovePool
	}
	return RemoveCluster
}

func (m Mode) removes() bool { return m == RemovePool || m == RemoveCluster }
