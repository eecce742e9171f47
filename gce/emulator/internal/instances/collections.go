package instances

import "hakube/gce/emulator/internal/api"

// Collections are instances and what they are made of.
func (l *Lifecycle) Collections() []api.Collection {
	return []api.Collection{l.instances(), instanceTemplates()}
}
