package groups

import "hakube/gce/emulator/internal/api"

// Collections are the managed groups.
func (g *Reconciler) Collections() []api.Collection {
	return []api.Collection{g.instanceGroupManagers(), g.autoscalers(), regionAutoscalers()}
}
