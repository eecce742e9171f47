package networks

import "hakube/gce/emulator/internal/api"

// Collections are networks and what is in them.
func Collections() []api.Collection {
	return []api.Collection{networks(), subnetworks(), routes(), firewalls(), addresses(), globalAddresses()}
}
