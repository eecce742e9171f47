package inventory

import (
	"cmp"
	"fmt"
	"strings"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// Roles in the mark, beside those of firewall rules.
const (
	RoleNetwork    = "network"
	RoleSubnetwork = "subnetwork"
	RoleSSH        = "firewall-ssh"
	RoleAddress    = "address"
	RoleMasterDisk = "master-disk"
	RoleMaster     = "master"
	RoleTemplate   = "template"
	RoleGroup      = "group"
	RoleNode       = "node"
	RoleBootDisk   = "boot-disk" // goes with its machine

	RoleOwnGroup    = "master-own-group"
	RoleOwnTemplate = "master-own-template"

	RoleMasterGroup = "master-group"
	RoleHealthCheck = "health-check"
	RoleService     = "backend-service"
	RoleRule        = "forwarding-rule"
	RoleSnapshots   = "snapshot-schedule"
)

// An Object carries our mark.
type Object struct {
	Kind   Kind
	Name   string
	Zone   string // "" unless it is zonal
	Region string // "" unless it is regional
	Role   string
	Pool   string // of a managed group and a node: the pool's name, "" for the one without
	used   bool   // a disk that a machine has
	Filled bool   // a disk on which something may be

	// Of a machine: what it was made with, by which later names are judged.
	clusterName, Network, Subnetwork string
	Status                           string // of a machine: RUNNING, TERMINATED …
	internal, External               string // of a machine: its addresses, "" if it has none
	MachineType                      string
	Protected                        bool // a machine that Compute Engine deletes for nobody
	SSHKeys                          string
	Authority                        string                 // of a node's machine: which it was told to find
	Metadata                         int                    // bytes of all of it
	Multizone                        string                 // what the mark records of MULTIZONE
	Size                             int                    // of a managed group: how many machines it is to have
	Idle                             bool                   // of a master's group: it is told to leave its machine alone
	Most                             string                 // of a managed group: MAX_INSTANCES_PER_MIG when it was made
	Template                         string                 // of a managed group, and of a machine that one made: what from
	Schedule                         settings.DiskSnapshots // of a resource policy
}

func (o Object) String() string {
	place := o.Zone
	if place == "" {
		place = o.Region
	}
	if place != "" {
		place = " in " + place
	}
	return string(o.Kind) + " " + o.Name + place
}

// Id is what an object is told from others by.
func (o Object) Id() Object {
	return Object{Kind: o.Kind, Name: o.Name, Zone: o.Zone, Region: o.Region}
}

// PoolID is the pool that a managed group or a node is of.
func (o Object) PoolID() settings.PoolID { return settings.PoolID{Zone: o.Zone, Name: o.Pool} }

// OfPool tells whether it is a managed group or a node of the pool.
func (o Object) OfPool(p settings.PoolID) bool {
	return o.Zone != "" && (o.Kind == ManagedGroup || o.Kind == Instance && o.Role == RoleNode) && o.PoolID() == p
}

// ObjectAt is the object a URL leads to; its kind is "" when hakube knows none.
func ObjectAt(url string) Object {
	parts := strings.Split(url, "/")
	if len(parts) < 3 {
		return Object{}
	}
	n := len(parts)
	o := Object{Kind: kindAt(parts[n-2]), Name: parts[n-1]}
	if n >= 4 {
		switch parts[n-4] {
		case "zones":
			o.Zone = parts[n-3]
		case "regions":
			o.Region = parts[n-3]
		}
	}
	return o
}

// kindAt is the kind of a collection in URLs; "" when hakube knows none.
func kindAt(segment string) Kind {
	for _, r := range table() {
		if r.segment == segment {
			return r.kind
		}
	}
	return ""
}

// describe is the command that shows the object.
func (o Object) describe() cure.Command {
	var place []string
	switch {
	case o.Zone != "":
		place = []string{"--zone=" + o.Zone}
	case o.Region != "":
		place = []string{"--region=" + o.Region}
	}
	return cure.Describe(strings.Fields(o.Kind.Row().noun), o.Name, place...)
}

// RenamedBy is the setting by which an object of ours would have another name.
func (o Object) RenamedBy() string {
	switch {
	case o.Kind == Firewall && strings.HasSuffix(o.Name, "-all"):
		return "NODE_INSTANCE_PREFIX"
	case o.Kind == Firewall && strings.Contains(o.Name, "-default-internal-"):
		return "CLUSTER_NAME"
	}
	return cmp.Or(o.Kind.Row().renamed, "KUBE_GCE_INSTANCE_PREFIX")
}

// place is where an object is, as a flag of gcloud; "" for a global one.
func (o Object) place() string {
	switch {
	case o.Zone != "":
		return " --zone=" + o.Zone
	case o.Region != "":
		return " --region=" + o.Region
	}
	return ""
}

// Foreign refuses an object that has one of our names and not our mark.
func Foreign(called string, o Object, description string) error {
	whose := "it carries no mark of hakube"
	if f := settings.MarkFields(description); f != nil {
		whose = fmt.Sprintf("it belongs to cluster %s of project %s", f["cluster"], f["project"])
	}
	return NameTaken(called, o, "is not this cluster's: "+whose, o.RenamedBy())
}

// NameTaken refuses an object that has a name which is needed, unless the
// setting changes that.
func NameTaken(called string, o Object, why, setting string) *refusal.Refused {
	return &refusal.Refused{
		Why:  called + " is there already and " + why,
		Cure: cure.Hint(fmt.Sprintf("hakube never touches what it did not make; delete or rename it, or choose other names with %s; see it", setting), o.describe()),
	}
}
