// Package status reads a cluster once and says what follows from it: states, quorum,
// what is unfinished and which command ends it. After the reading it asks nobody.
package status

import (
	"fmt"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/lease"
	"hakube/cluster/rings"
	"hakube/cluster/step"
	"hakube/scripts/cure"
)

// A Status is a cluster at one moment, as far as it could be seen. Fields that
// are nil could not be read; why is in Warnings. Nothing that could not be asked
// is reported as absent.
type Status struct {
	Cluster string `json:"cluster"`
	Project string `json:"project"`
	Region  string `json:"region"`

	Masters []MasterStatus `json:"masters"` // the first-born first
	Pools   []PoolStatus   `json:"pools"`
	Addons  []AddonStatus  `json:"addons"` // empty where nobody ever had any
	// Rings are "main" and "events"; nil is a ring that nobody told of.
	Rings    map[string][]rings.Member `json:"rings"`
	Address  AddressStatus             `json:"address"`
	Balancer *BalancerStatus           `json:"balancer"` // nil: there is none
	// Quorum has the rings that were told of.
	Quorum   map[string]rings.QuorumStatus `json:"quorum"`
	Survives *rings.Survival               `json:"survives"` // nil: not known
	// Certificates are those of masters that told of them, the first to end first.
	Certificates []rings.CertificateStatus `json:"certificates"`
	// Backup is the newest backup where the settings say that backups are; nil: they do not,
	// or it could not be read.
	Backup *BackupStatus `json:"backup"`
	// Snapshots are those of masters' data disks by a schedule; nil: there are to be none, or
	// they could not be listed.
	Snapshots *SnapshotStatus `json:"snapshots"`
	// Run is the run that has the lease of the cluster; nil: none.
	Run        *lease.RunStatus `json:"run"`
	Warnings   []string         `json:"warnings"`
	Unfinished []Unfinished     `json:"unfinished"`
}

// A MasterStatus is one master: a machine, or what is left of one.
type MasterStatus struct {
	Name  string `json:"name"`
	Zone  string `json:"zone"`
	State string `json:"state"` // one of the constants below
	Why   string `json:"why"`
	// Version is its kubelet's, "" while it is no Node.
	Version string `json:"version"`
	Node    string `json:"node"` // its Node: "Ready", "NotReady", "none"; "unknown" when the API could not be asked
	// Group tells of its own managed group: one of the constants below.
	Group string `json:"group"`
}

// Who looks after a master's machine.
const (
	GroupNone    = "none"    // nobody: it is in no group
	GroupWatches = "watches" // its group makes it again
	GroupIdle    = "idle"    // its group is told to leave it alone, for as long as a command works on it
)

// States of masters.
const (
	StateReady       = "ready"       // its own API server says so, and its Node
	StateStarting    = "starting"    // it boots: Why is the phase of its script
	StateJoining     = "joining"     // a replica that is not through with joining
	StateStopped     = "stopped"     // the machine
	StateFailed      = "failed"      // its script gave up
	StateNotReady    = "not ready"   // it answers, and something of it does not work
	StateUnreachable = "unreachable" // it runs as far as the cloud knows, and does not answer
	StateGone        = "gone"        // there is no machine, only its disk or its memberships
)

// A PoolStatus is a pool of a zone.
type PoolStatus struct {
	Zone    string `json:"zone"`
	Name    string `json:"name"`    // HAKUBE_POOL; "" of the one without
	Nodes   int    `json:"nodes"`   // machines that are to stay
	Ready   *int   `json:"ready"`   // how many of them are Ready Nodes; nil: the API could not be asked
	Leaving int    `json:"leaving"` // machines that are being removed
	Least   *int   `json:"least"`   // nodes that the cluster autoscaler leaves the pool; nil: it does not size it
	Most    *int   `json:"most"`    // nodes that it gives it
	// Versions are those of its Nodes' kubelets, the oldest first.
	Versions []string `json:"versions"`
	Why      string   `json:"why"`
}

// An AddressStatus is the API's address and who has it.
type AddressStatus struct {
	IP     string `json:"ip"`     // "" while none is reserved
	Holder string `json:"holder"` // a machine's name, "balancer", or "nobody": then the API is dark
	Ready  bool   `json:"ready"`  // the API is, at this address
	Why    string `json:"why"`
}

// Holders of the address that are no machine.
const (
	HolderBalancer = "balancer"
	HolderNobody   = "nobody"
)

// A BalancerStatus is the masters that the balancer sends to, as it sees them.
type BalancerStatus struct {
	Backends []step.Backend `json:"backends"`
}

// NoCluster is a project without anything of the cluster.
type NoCluster struct{ Name, Project, Zone string }

func (e *NoCluster) Error() string {
	return fmt.Sprintf("no cluster %s in project %s", e.Name, e.Project)
}

// Hint says how there would be one.
func (e *NoCluster) Hint() string {
	const other = "another name is KUBE_GCE_INSTANCE_PREFIX, another project PROJECT"
	if e.Zone == "" {
		return other
	}
	return cure.Hints(cure.Hint("make it", cure.Up(e.Zone)), other)
}

// Conclude says everything that follows from what was seen.
func (s *Snapshot) Conclude() *Status {
	x := &Status{
		Cluster: s.Names.Prefix, Project: s.project, Region: s.region,
		Masters: []MasterStatus{}, Pools: s.pools(), Addons: append([]AddonStatus{}, s.addons...), Rings: map[string][]rings.Member{}, Quorum: map[string]rings.QuorumStatus{},
		Address: s.address(), Unfinished: s.unfinished(), Warnings: s.warnings(),
	}
	for _, m := range s.Masters {
		x.Masters = append(x.Masters, s.master(m))
	}
	for _, name := range rings.Names {
		x.Rings[name] = s.Rings.Members(name)
		if q, _, ok := s.Rings.Quorum(name); ok {
			x.Quorum[name] = q
		}
	}
	if s.balanced {
		x.Balancer = &BalancerStatus{Backends: append([]step.Backend{}, s.backends...)}
	}
	x.Survives = s.Rings.Survives()
	x.Certificates = s.Rings.CertificatesOf()
	x.Backup, x.Snapshots = s.saved.backup, s.copied.now
	x.Run = s.Held.Lease.Status()
	return x
}

func (s *Snapshot) address() AddressStatus {
	a := AddressStatus{IP: s.Held.IP, Holder: HolderNobody, Ready: s.unreachable == "", Why: s.unreachable}
	switch {
	case s.Held.Rule != "":
		a.Holder = HolderBalancer
	case s.Held.Machine != "":
		a.Holder = s.Held.Machine
	}
	return a
}

// warnings are what a person should know before believing the rest, and what is
// dangerous although it works.
func (s *Snapshot) warnings() []string {
	list := append([]string{}, s.unreadable...)
	switch x := s.Held.Lease.Status(); {
	case x == nil:
	case x.Alive:
		list = append(list, x.By+": is at work now; what looks unfinished may be its work")
	default:
		list = append(list, x.By+": was cut")
	}
	if why := s.Rings.OperatorWhy(); why != "" {
		list = append(list, why)
	}
	for _, line := range s.Rings.Ending(time.Now()) {
		switch ends := s.Rings.AuthoritiesEnding(time.Now()); { // new ones would end as soon
		case len(ends) == 0:
			line = cure.Hint(line+"; this makes them anew", cure.Rotate(inventory.RotateCertificates))
		case ends[0].Name == rings.EtcdAuthority:
			line = cure.Hint(line+"; this exchanges the authority of etcd, and makes what it signed anew", cure.Rotate(inventory.RotateEtcdCA))
		case ends[0].Name == rings.ClusterAuthority && s.Trusted() < 2:
			line = cure.Hint(line+"; this exchanges the cluster's authority, and makes what it signed anew", cure.Rotate(inventory.RotateCA))
		}
		list = append(list, line)
	}
	list = append(list, s.Rings.Ended(time.Now())...)
	list = append(list, s.oldTokens()...)
	list = append(list, s.twoAuthorities()...)
	if s.Held.Unassigned() {
		list = append(list, "nobody has the address "+s.Held.IP+": the API is dark")
	}
	for _, m := range s.Masters {
		if s.Denied(m.Name) {
			list = append(list, cure.Hint(m.Name+" does not accept the ssh key of this operator, so its etcd was not asked; have it added", cure.Up(s.home())))
		}
	}
	if s.coreDNS != "" {
		list = append(list, "CoreDNS: "+s.coreDNS)
	}
	if s.policies != "" {
		list = append(list, s.policies)
	}
	two := false
	for _, name := range rings.Names {
		q, healthy, ok := s.Rings.Quorum(name)
		if ok && !healthy {
			list = append(list, fmt.Sprintf("etcd ring %s has no quorum as far as could be seen: %d of %d voters take part, it needs %d", name, q.Alive, q.Voters, q.Need))
		}
		two = two || q.Voters == 2
	}
	if two {
		list = append(list, TwoMasters)
	}
	return list
}

// TwoMasters is the warning at the one number of masters that is worse than both
// its neighbours.
const TwoMasters = "two masters survive the loss of neither: both must live for a quorum of two; add a third, or remove one"
