package addons_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/addons"
	"hakube/cluster/settings"
)

// TestAddonNames: what the setting takes is what there are rows for, in their order.
func TestAddonNames(t *testing.T) {
	var rows []string
	for _, a := range addons.All() {
		rows = append(rows, a.Name)
	}
	if diff := cmp.Diff(rows, append(slices.Clip(settings.AddonNames), string(settings.KubeNetworkPolicies), settings.ClusterAutoscaler)); diff != "" {
		t.Error(diff)
	}
}
