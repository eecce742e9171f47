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
// method that starts it ("instances.insert"). The times never vary, so that a
// benchmark can add them up. What a guest does after its machine runs is not in
// them, nor what Google goes on with when the operation is done: how long a new
// forwarding rule takes to carry packets nobody has measured for this table.
func LatencyOf(method string) time.Duration { return timingOf(method).takes }

// A timing is how long an operation takes, and who saw it take that long.
type timing struct {
	takes  time.Duration
	source string
}

// Where times come from. Terraform tells "Creation complete after 11s" and asks every
// ten seconds, so that what it saw is from one second to what it says.
const (
	terraform   = "public logs of terraform apply: "
	posts       = "posts of users: "
	notMeasured = "not measured"
)

func timingOf(method string) timing {
	if x, ok := timings[method]; ok {
		return x
	}
	return timing{2 * time.Second, notMeasured}
}

// timings are the operations that are known, or guessed, to take another time than all
// others.
var timings = map[string]timing{
	"addresses.insert":               {3 * time.Second, terraform + "1 to 11 s, 13 to 17 s now and then"},
	"addresses.delete":               {3 * time.Second, notMeasured},
	"disks.insert":                   {3 * time.Second, terraform + "1 to 11 s"},
	"disks.delete":                   {3 * time.Second, notMeasured},
	"firewalls.insert":               {8 * time.Second, terraform + "11 to 13 s, at most"},
	"firewalls.patch":                {8 * time.Second, notMeasured},
	"firewalls.update":               {8 * time.Second, notMeasured},
	"firewalls.delete":               {8 * time.Second, notMeasured},
	"forwardingRules.insert":         {10 * time.Second, terraform + "11 to 23 s, of global rules; of regional ones nothing is published"},
	"forwardingRules.delete":         {10 * time.Second, notMeasured},
	"healthChecks.insert":            {3 * time.Second, terraform + "1 to 11 s"},
	"instanceGroups.addInstances":    {3 * time.Second, notMeasured},
	"instanceGroups.delete":          {3 * time.Second, notMeasured},
	"instanceGroups.insert":          {3 * time.Second, terraform + "1 to 11 s"},
	"instanceGroups.removeInstances": {3 * time.Second, notMeasured},
	"instanceTemplates.insert":       {2 * time.Second, terraform + "1 to 3 s"},
	"instances.addAccessConfig":      {5 * time.Second, notMeasured},
	"instances.delete":               {25 * time.Second, terraform + "17 to 25 s, 51 s and 99 s now and then"},
	"instances.deleteAccessConfig":   {5 * time.Second, notMeasured},
	"instances.insert":               {12 * time.Second, terraform + "10 to 20 s"},
	"instances.reset":                {5 * time.Second, notMeasured},
	"instances.start":                {12 * time.Second, notMeasured},
	"instances.stop":                 {25 * time.Second, notMeasured},
	"networks.delete":                {45 * time.Second, terraform + "47 s"},
	"networks.insert":                {11 * time.Second, terraform + "11 to 12 s"},
	"regionBackendServices.delete":   {10 * time.Second, notMeasured},
	"regionBackendServices.insert":   {10 * time.Second, posts + "2 to 135 s"},
	"regionBackendServices.patch":    {10 * time.Second, notMeasured},
	"regionBackendServices.update":   {10 * time.Second, notMeasured},
	"regionHealthChecks.delete":      {3 * time.Second, notMeasured},
	"regionHealthChecks.insert":      {3 * time.Second, terraform + "1 to 11 s, of global ones"},
	"subnetworks.delete":             {15 * time.Second, notMeasured},
	"subnetworks.insert":             {15 * time.Second, terraform + "11 to 23 s"},
}
