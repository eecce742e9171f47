package projects

import "hakube/gce/emulator/internal/api"

// Collections are what a project is, and its regions with their quotas.
func Collections() []api.Collection { return []api.Collection{projects(), regions()} }
