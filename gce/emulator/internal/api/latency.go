package api

import "time"

// A Latency says how long operations take at least.
type Latency string

const (
	// None: an operation is done as soon as its work is.
	None Latency = "none"
	// GCE: published times of Google's, see [LatencyOf].
	GCE Latency = "gce"
)

// LatencyOf returns how long an operation takes with Latency [GCE], by the
// method that starts it ("instances.insert"). The numbers are the middle of
// what public terraform logs and posts report for Google; they never vary, so
// that a benchmark can add them up. What a guest does after its machine runs
// is not in them.
func LatencyOf(method string) time.Duration {
	if d, ok := latencies[method]; ok {
		return d
	}
	return 2 * time.Second
}

var latencies = map[string]time.Duration{
	"addresses.insert":               3 * time.Second,
	"addresses.delete":               3 * time.Second,
	"disks.insert":                   3 * time.Second,
	"disks.delete":                   3 * time.Second,
	"firewalls.insert":               8 * time.Second,
	"firewalls.patch":                8 * time.Second,
	"firewalls.update":               8 * time.Second,
	"firewalls.delete":               8 * time.Second,
	"forwardingRules.insert":         10 * time.Second,
	"forwardingRules.delete":         10 * time.Second,
	"healthChecks.insert":            3 * time.Second,
	"instanceGroups.addInstances":    3 * time.Second,
	"instanceGroups.delete":          3 * time.Second,
	"instanceGroups.insert":          3 * time.Second,
	"instanceGroups.removeInstances": 3 * time.Second,
	"instances.addAccessConfig":      5 * time.Second,
	"instances.delete":               25 * time.Second,
	"instances.deleteAccessConfig":   5 * time.Second,
	"instances.insert":               12 * time.Second,
	"instances.reset":                5 * time.Second,
	"instances.start":                12 * time.Second,
	"instances.stop":                 25 * time.Second,
	"networks.delete":                45 * time.Second,
	"networks.insert":                11 * time.Second,
	"regionBackendServices.delete":   10 * time.Second,
	"regionBackendServices.insert":   10 * time.Second,
	"regionBackendServices.patch":    10 * time.Second,
	"regionBackendServices.update":   10 * time.Second,
	"regionHealthChecks.delete":      3 * time.Second,
	"regionHealthChecks.insert":      3 * time.Second,
	"subnetworks.delete":             15 * time.Second,
	"subnetworks.insert":             15 * time.Second,
}
