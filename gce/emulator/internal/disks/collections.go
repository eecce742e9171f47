package disks

import "hakube/gce/emulator/internal/api"

// Collections are disks and their copies.
func Collections() []api.Collection {
	return []api.Collection{disks(), snapshots(), resourcePolicies(), images()}
}
