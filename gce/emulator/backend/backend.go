// Package backend says what the embedded GCE wants of what stands behind its API:
// machines, disks and a network, in plain values. Model machines, real ones and
// nothing at all are behind it in turn.
package backend

import (
	"context"
	"io"
	"net/netip"
	"strings"
	"time"
)

// A Backend is what stands behind the API: real Linux machines, model
// machines, or nothing. The server calls it from its own goroutines, never
// while it holds a lock or a transaction.
//
// Every method is idempotent: after a crash of the daemon the server repeats
// the calls for whatever the store says should be, so a machine that already
// runs is adopted by Start and one that is gone is no error for Stop, Delete
// and DeleteDisk.
type Backend interface {
	// CreateDisk makes an empty disk of d.SizeGB, or for d.Image != "" one that
	// boots that image, or with d.Snapshot one that holds what the snapshot does
	// (see [Snapshotter]). A disk that is there already is left as it is.
	CreateDisk(ctx context.Context, d Disk) error
	// DeleteDisk removes the disk and what is on it.
	DeleteDisk(ctx context.Context, d Disk) error
	// Start boots the machine with its disks attached and returns when its
	// init process runs. The network of the machine is made by it too, so that
	// a Sync that follows only has to connect it.
	Start(ctx context.Context, m Machine) error
	// Stop ends the machine, in an orderly way when graceful, and keeps its disks.
	Stop(ctx context.Context, m Machine, graceful bool) error
	// AttachDisk gives a machine that runs another disk, which its guest sees at
	// once; m is the machine with it.
	AttachDisk(ctx context.Context, m Machine, a Attachment) error
	// DetachDisk takes a disk from a machine that runs; m is the machine without
	// it. One that its guest uses stays, and the error is an [InUseError].
	DetachDisk(ctx context.Context, m Machine, a Attachment) error
	// GrowDisk makes a disk larger, also under a machine that runs: d is as it
	// should be.
	GrowDisk(ctx context.Context, d Disk) error
	// Suspend stops a machine where it is, with its memory, and Resume lets it go
	// on from there. Stop ends a suspended one as a plug that is pulled would.
	Suspend(ctx context.Context, m Machine) error
	Resume(ctx context.Context, m Machine) error
	// Sync makes the network behind the API exactly n. It is called after every
	// change of something n is made of, once at a time, latest state last.
	Sync(ctx context.Context, n Network) error
	// Health returns what the balancer's probes have found, by the internal
	// address of the backend. A backend that is not in it was not probed yet.
	Health(b Balancer) (map[netip.Addr]bool, error)
	// Serial returns what the machine printed on its console from byte start on.
	Serial(m Machine, start int64) ([]byte, error)
	// Watch is called once, before any other method: the backend calls exited
	// when a machine it started (or adopted) ends by itself.
	Watch(exited func(MachineKey))
	// Close lets go of everything in this process. Machines keep running: a
	// later process adopts them.
	io.Closer
}

// MachineKey names an instance; ID tells two machines of one name apart that
// lived one after the other.
type MachineKey struct {
	Project, Zone, Name string
	ID                  uint64
}

// Domain is what stands after the zone in its internal DNS name. A project of a
// domain, example.com:web, is c.web.example.com.internal.
// (https://cloud.google.com/compute/docs/internal-dns)
func (k MachineKey) Domain() string {
	project := k.Project
	if domain, id, ok := strings.Cut(project, ":"); ok {
		project = id + "." + domain
	}
	return "c." + project + ".internal"
}

// A Machine is an instance as its host needs to see it.
type Machine struct {
	MachineKey
	Hostname     string       // fully qualified: name.zone.c.project.internal
	NIC          NIC          // nic0; hakube's machines have one
	Tags         []string     // network tags, sorted
	Disks        []Attachment // the boot disk is first
	CPUs         int          // of the machine type
	MemoryMB     int64        // of the machine type
	CanIPForward bool
	// Metadata holds the instance's metadata items as they are now; a backend
	// without a metadata server (model machines) reads them here.
	Metadata map[string]string
}

// A NIC is the network interface of a machine.
type NIC struct {
	Network, Subnetwork string         // names
	Gateway             netip.Addr     // first address of the subnetwork
	Address             netip.Addr     // internal address, always /32 on the machine
	MAC                 string         // 42:01 followed by the address, as on Google
	MTU                 int            // 1460 unless the network says otherwise
	Aliases             []netip.Prefix // alias IP ranges
	External            netip.Addr     // zero when the NIC has no access config
	Forwarded           []netip.Addr   // addresses of forwarding rules that reach it
}

// A Disk is a persistent disk.
type Disk struct {
	Project, Zone, Name string
	ID                  uint64
	SizeGB              int64
	Image               string // name of the source image, "" for an empty disk
	Snapshot            uint64 // ID of the snapshot it is made of, 0 if of none
}

// An Attachment is a disk on a machine.
type Attachment struct {
	Disk
	Device   string // /dev/disk/by-id/google-<Device>
	Boot     bool
	ReadOnly bool
}

// An InUseError is a disk that a guest uses.
type InUseError struct{ Device string }

func (e InUseError) Error() string {
	return "the guest uses the disk " + e.Device + ": unmount it there first"
}

// A Network is all the embedded GCE knows that decides where packets go. It is
// complete: what is not in it must not be reachable.
type Network struct {
	Subnets   []Subnet
	Machines  []Machine // those that are not TERMINATED
	Firewalls []Firewall
	Balancers []Balancer
	// Watched are groups of machines that are probed though nobody sends to them, as
	// balancers without an address: the probes go to the machines' own. A backend that
	// probes nobody finds none of them well or ill.
	Watched []Balancer
}

// A Balancer is a regional passthrough balancer: a forwarding rule with its
// backend service or its target pool. Packets to its address keep their
// destination and go to one of the backends, the same one for all of a
// connection; probes run only while it exists, and come from Google's probe
// ranges. Without any healthy backend all of them get traffic. A backend that
// calls the address reaches itself: it owns the address (NIC.Forwarded).
type Balancer struct {
	Project, Region, Name string     // of the forwarding rule
	Address               netip.Addr // external, or internal
	// Network is the one an internal balancer is in: its machines call it, and nobody
	// else does. Those of other regions do if it is Global. "" means external.
	Network  string
	Global   bool
	Protocol string     // TCP, UDP, or L3_DEFAULT, which is what no other rule of the address forwards
	Ports    []string   // "443", "8000-8080"; empty means all
	Backends []Backends // of its backend service
	// Failover is the part of the primary backends that has to be healthy, and more
	// than it: else those for failover get the traffic. Without any it says nothing.
	Failover float64
	Affinity string // NONE, CLIENT_IP, CLIENT_IP_PROTO, CLIENT_IP_PORT_PROTO, CLIENT_IP_NO_DESTINATION
	Drain    time.Duration
	Check    HealthCheck // without a protocol nobody is probed, and all are taken for healthy
}

// Picked are the backends that get new connections, of those that are there: the
// healthy ones. As on Google all are tried when none is known to be well, and when too
// few are, those for failover are, as long as one of these is well.
func (b Balancer) Picked(there, well func(netip.Addr) bool) []netip.Addr {
	var all, good [2][]netip.Addr // primary and for failover
	for _, g := range b.Backends {
		kind := 0
		if g.Backup {
			kind = 1
		}
		for _, a := range g.Machines {
			if there(a) {
				all[kind] = append(all[kind], a)
				if well(a) {
					good[kind] = append(good[kind], a)
				}
			}
		}
	}
	switch {
	case len(good[1]) > 0 && float64(len(good[0])) <= b.Failover*float64(len(all[0])):
		return good[1]
	case len(good[0]) == 0:
		return all[0]
	}
	return good[0]
}

// Backends are the machines of one instance group, or of a target pool in one zone.
type Backends struct {
	Zone, Group string
	Network     string       // whose addresses they are
	Machines    []netip.Addr // internal addresses of those that run
	Backup      bool         // they are for failover
}

// A HealthCheck is how a backend is probed.
type HealthCheck struct {
	Protocol           string // TCP, HTTP or HTTPS; certificates are not verified, as on Google
	Port               int
	Path               string // of HTTP and HTTPS
	Host               string // of HTTP and HTTPS; "" is the balancer's address
	Interval, Timeout  time.Duration
	Healthy, Unhealthy int // how many answers in a row change the verdict
}

// A Subnet is a subnetwork's primary range and its secondary ranges.
type Subnet struct {
	Project, Network, Name string
	Range                  netip.Prefix
	Secondary              []netip.Prefix
}

// A Firewall is one VPC firewall rule. Rules of another network than the
// machine's do not concern it. Without any rule ingress is denied and egress
// is allowed, and answers of allowed connections always pass.
type Firewall struct {
	Project, Network, Name string
	Priority               int // lower wins; at equal priority deny wins
	Egress                 bool
	Deny                   bool
	Ranges                 []netip.Prefix // sources of ingress, destinations of egress
	Own                    []netip.Prefix // which of the machine's own addresses: destinations of ingress, sources of egress; empty: any
	SourceTags             []string       // or any machine with one of these
	TargetTags             []string       // empty: every machine of the network
	Allowed                []Protocol     // what the rule speaks of; for Deny what it denies
}

// A Protocol is one entry of a rule's allowed or denied list.
type Protocol struct {
	Name  string   // tcp, udp, icmp, esp, ah, sctp, ipip, "all", or a number
	Ports []string // "22", "2382-65535"; empty means all
}

// A Snapshotter is a [Backend] that can keep copies of disks. One that is none
// has no snapshots: they are refused as not written.
type Snapshotter interface {
	// CreateSnapshot copies what is on d now, as it would be found after the
	// machine lost its power. Made already it is left as it is.
	CreateSnapshot(ctx context.Context, s Snapshot, d Disk) error
	// DeleteSnapshot removes the copy; disks made of it stay.
	DeleteSnapshot(ctx context.Context, s Snapshot) error
}

// A Snapshot is the copy of a disk.
type Snapshot struct {
	Project, Name string
	ID            uint64
}
