package disks

import "hakube/gce/emulator/internal/api"

// Collections are disks and their copies.
func Collections() []api.Collection {
	return []api.Collection{disks(), snapshots(), resourcePolicies(), images(), regionDisks()}
}

// regionDisks can be listed, since the driver of persistent disks lists both; there are none.
func regionDisks() api.Collection {
	return api.Collection{Resource: "regionDisks", Kind: "disks", Item: "compute#disk"}
}
