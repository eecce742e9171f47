package emulator

import (
	"net/http"
	"time"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/projects"
	"hakube/gce/emulator/internal/web"
)

// What a server is made with.
type (
	// Options say what a [Server] stands on. Only Path is required.
	Options = api.Options
	// A Fault is what befalls one request.
	Fault = api.Fault
	// An OperationFault lets a request be accepted and its operation fail.
	OperationFault = api.OperationFault
	// A Latency says how long operations take at least.
	Latency = api.Latency
)

const (
	// None: an operation is done as soon as its work is.
	None = api.None
	// GCE: published times of Google's, see [LatencyOf].
	GCE = api.GCE
)

// LatencyOf returns how long an operation takes with Latency [GCE], by the
// method that starts it ("instances.insert").
func LatencyOf(method string) time.Duration { return api.LatencyOf(method) }

// ChangeOf is the method that a request is to change something with, such as
// "compute.instances.insert", and "" of one that reads or waits.
func ChangeOf(r *http.Request) string { return api.ChangeOf(r) }

// IsChange reports whether the request is to change something, as opposed to
// reading or waiting.
func IsChange(r *http.Request) bool { return api.IsChange(r) }

// Unauthenticated answers a request that is not let in: whether it had any
// credentials, and what would be right ones. A [Server] itself knows no users and
// lets everybody in; whoever serves it where strangers come puts a check in front.
func Unauthenticated(w http.ResponseWriter, tried bool, want string) {
	web.Unauthenticated(w, tried, want)
}

// What stands behind the API, by the names that users of this package know.
type (
	// A Backend is what stands behind the API, see [backend.Backend].
	Backend = backend.Backend
	// A Snapshotter is a [Backend] that can keep copies of disks.
	Snapshotter = backend.Snapshotter
	// MachineKey names an instance.
	MachineKey = backend.MachineKey
	// A Machine is an instance as its host needs to see it.
	Machine = backend.Machine
	// A NIC is the network interface of a machine.
	NIC = backend.NIC
	// A Disk is a persistent disk.
	Disk = backend.Disk
	// An Attachment is a disk on a machine.
	Attachment = backend.Attachment
	// An InUseError is a disk that a guest uses.
	InUseError = backend.InUseError
	// A Snapshot is the copy of a disk.
	Snapshot = backend.Snapshot
	// A Network is all that decides where packets go.
	Network = backend.Network
	// A Subnet is a subnetwork's ranges.
	Subnet = backend.Subnet
	// A Firewall is one VPC firewall rule.
	Firewall = backend.Firewall
	// A Protocol is what a firewall rule speaks of.
	Protocol = backend.Protocol
	// A Balancer is a forwarding rule with its backend service.
	Balancer = backend.Balancer
	// Backends are the machines of one instance group.
	Backends = backend.Backends
	// A HealthCheck is how a backend is probed.
	HealthCheck = backend.HealthCheck
)

// Zones are the names of all zones.
func Zones() []string { return doc.Zones() }

// Constraints are the policies of an organisation that [Options] know.
func Constraints() []string { return projects.Constraints() }
