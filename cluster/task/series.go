package task

import (
	"slices"
	"strings"

	"hakube/cluster/settings"
)

// HyperdisksOnly are the series of machine types that take no Persistent Disk.
// (https://cloud.google.com/compute/docs/disks/persistent-disks#machine_series_support)
var HyperdisksOnly = []string{"n4", "n4a", "n4d", "c4", "c4a", "c4d", "m4", "x4"}

// NoStandard are the series that take Persistent Disk, but not pd-standard, which is
// what a disk without a type is. (the same)
var NoStandard = []string{"c3", "c3d", "h3", "m3", "z3", "g2", "a3"}

// BootTypeFor is the type of a master's boot disk: as the API chooses, where the
// machine type takes that.
func BootTypeFor(machineType string) settings.Name {
	series, _, _ := strings.Cut(machineType, "-")
	switch {
	case slices.Contains(HyperdisksOnly, series):
		return "hyperdisk-balanced"
	case slices.Contains(NoStandard, series):
		return "pd-balanced"
	}
	return ""
}
