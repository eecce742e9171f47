package task

import (
	"slices"
	"strings"
	"testing"

	"hakube/cluster/settings"
)

// TestBootDiskFits: the boot disk of a master is of a type that its machine takes.
func TestBootDiskFits(t *testing.T) {
	for machineType, want := range map[string]settings.Name{
		"e2-standard-2": "", "n1-standard-4": "", "custom-2-4096": "", "c3-standard-4": "pd-balanced", "c3d-highcpu-8": "pd-balanced",
		"n4-standard-2": "hyperdisk-balanced", "c4a-standard-4": "hyperdisk-balanced",
	} {
		if got := BootTypeFor(machineType); got != want {
			t.Errorf("boot disk of %s is %q, want %q", machineType, got, want)
		}
	}
	for _, x := range slices.Concat(HyperdisksOnly, NoStandard) {
		if strings.Contains(x, "-") || BootTypeFor(x+"-standard-2") == "" {
			t.Errorf("series %s has no boot disk", x)
		}
	}
}
