package inventory

import (
	"testing"

	"hakube/cluster/settings"
)

// TestGrowing: what a run that was cut left of a pool is on its way to what that was to
// have, from fewer nodes, or from more while old ones are among them; any other size is
// what somebody wants.
func TestGrowing(t *testing.T) {
	const zone = "europe-west1-b"
	for _, x := range []struct {
		label    string
		size     int
		template string // of a machine
		to       int    // 0: it is on no way
	}{
		{"1-3", 2, "new", 3},
		{"1-3", 3, "new", 0},
		{"1-3", 4, "old", 0}, // as hakube wrote it before pools could be changed
		{"3-3-4", 3, "old", 0},
		{"3-3-4", 4, "old", 3},
		{"3-3-4", 4, "new", 0}, // nobody's old machine: it was made larger by hand
		{"3-3-4", 5, "old", 0},
		{"2-5-6", 3, "old", 5},
		{"3", 2, "old", 0},
	} {
		v := &Inventory{Objects: []Object{
			{Kind: ManagedGroup, Name: "g", Zone: zone, Size: x.size, Template: "new"},
			{Kind: Instance, Name: "g-xxxx", Zone: zone, Role: RoleNode, Template: x.template},
		}}
		g, on := v.Growing(settings.PoolID{Zone: zone}, growthsOf(map[string]string{GrowthKey(settings.PoolID{Zone: zone}): x.label}))
		if on != (x.to > 0) || on && (g.To != x.to || g.String() != x.label) {
			t.Errorf("%s of %d machines, one from the %s template: %v %t, want to %d", x.label, x.size, x.template, g, on, x.to)
		}
	}
}
