package cluster

import "hakube/cluster/refusal"

// What the parts of hakube declare and its users handle.
type (
	// Refused is hakube's own no: what it found is not what it may act on.
	Refused = refusal.Refused
)
