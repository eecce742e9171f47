package metadata

import (
	"errors"
	"time"
)

// A View is everything one machine may know about itself. References are in
// the server's own short form, with the project's number: see [Instance].
type View struct {
	Instance Instance
	Project  Project
}

// An Instance is the machine that asks.
type Instance struct {
	ID          uint64
	Name        string
	Hostname    string // name.zone.c.project.internal
	Description string
	Zone        string // projects/NUMBER/zones/europe-west1-b
	MachineType string // projects/NUMBER/machineTypes/n1-standard-1
	Image       string // projects/debian-cloud/global/images/debian-12-bookworm-v20250610
	CPUPlatform string // "" is told as "Unknown CPU Platform"
	Tags        []string
	// Attributes is the instance's own metadata; that of the project is in Project.
	Attributes        map[string]string
	NetworkInterfaces []NetworkInterface
	Disks             []Disk
	ServiceAccounts   []ServiceAccount // the first one is also "default"
	Licenses          []string
	Scheduling        Scheduling
	MaintenanceEvent  string // "" is NONE
	Preempted         bool
	DriftToken        string // virtualClock.driftToken, "" is 0
}

// A NetworkInterface is one NIC, in the order nic0, nic1, …
type NetworkInterface struct {
	IP                string
	MAC               string
	MTU               int
	Network           string // projects/NUMBER/networks/default
	Gateway           string
	SubnetMask        string // 255.255.252.0
	DNSServers        []string
	AccessConfigs     []AccessConfig
	ForwardedIPs      []string
	IPAliases         []string
	TargetInstanceIPs []string
}

// An AccessConfig is how a NIC is known outside.
type AccessConfig struct {
	ExternalIP string
	Type       string // "" is ONE_TO_ONE_NAT
}

// A Disk is one attached disk; its place in [Instance.Disks] is its index.
type Disk struct {
	DeviceName string
	Mode       string // "" is READ_WRITE
	Type       string // "" is PERSISTENT
	Interface  string // "" is SCSI
}

// A ServiceAccount is an identity of the machine at Google, see [Source.Token].
type ServiceAccount struct {
	Email  string
	Scopes []string
}

// Scheduling is how Google treats the machine when its host needs care.
type Scheduling struct {
	AutomaticRestart  bool
	OnHostMaintenance string // "" is MIGRATE
	Preemptible       bool
}

// A Project is what the machine may know about its project.
type Project struct {
	ID         string
	Number     uint64
	Attributes map[string]string // common instance metadata
}

// GuestAttributes are what a machine says about itself: namespace → key → value.
type GuestAttributes map[string]map[string]string

// A Source answers for one machine. Its methods are called from many
// goroutines at once.
type Source interface {
	// View returns what the machine sees now, and a channel that is closed no
	// later than when that, or a guest attribute, may have changed. A spurious close costs a look; a
	// missed one lets a machine wait for ever. The maps and slices are read
	// after View returns, so they must not be changed any more. An error (the
	// machine is being deleted) is answered with 503.
	View() (View, <-chan struct{}, error)
	// GuestAttributes returns all of the machine's guest attributes.
	GuestAttributes() (GuestAttributes, error)
	// PutGuestAttribute stores one. Names and sizes have been checked before.
	PutGuestAttribute(namespace, key, value string) error
	// DeleteGuestAttribute removes one; one that is not there is no error.
	DeleteGuestAttribute(namespace, key string) error
	// Token is an access token for one of the machine's service accounts, by its
	// address, with those of the scopes that it has; nil asks for all. One that is
	// gone or switched off is [ErrNoAccount].
	Token(email string, scopes []string) (Token, error)
}

// A Token is an access token and how long it is good.
type Token struct {
	Access string
	Left   time.Duration
}

// ErrNoAccount is a service account that the machine has and that is there no more.
var ErrNoAccount = errors.New("the service account is deleted or disabled")

// GuestAttributesEnabled tells whether the machine may write guest attributes:
// enable-guest-attributes of the instance decides, else that of the project.
func (v View) GuestAttributesEnabled() bool {
	const key = "enable-guest-attributes"
	value, ok := v.Instance.Attributes[key]
	if !ok {
		value = v.Project.Attributes[key]
	}
	return isTrue(value)
}
