package catalog

import "hakube/gce/emulator/internal/api"

// Collections are those of what exists everywhere and cannot be changed.
func Collections() []api.Collection {
	return []api.Collection{zones(), acceleratorTypes(), machineTypes(), diskTypes(), regionDiskTypes(), imageFamilyViews()}
}
