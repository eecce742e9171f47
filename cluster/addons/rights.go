package addons

import "strings"

// Rights are a role that the masters' service account has by the manual's lines for least
// privilege, and those of its permissions without which an addon does not do what it is for.
type Rights struct {
	Role        string
	Permissions []string // with their service's name
}

// What addons do at Google, they do as the masters. The roles hold more; named is what
// their programs ask for, by their source.
const (
	balancerAdmin = "roles/compute.loadBalancerAdmin"
	securityAdmin = "roles/compute.securityAdmin"
	instanceAdmin = "roles/compute.instanceAdmin.v1"
)

// balancing is what the cloud controller's Services of type LoadBalancer take, and Nodes
// of machines that are gone.
var balancing = []Rights{
	rights(balancerAdmin,
		"addresses create createInternal delete deleteInternal get list use useInternal",
		"forwardingRules create delete get list",
		"targetPools addInstance create delete get removeInstance use",
		"httpHealthChecks create delete get update useReadOnly",
		"healthChecks create delete get update useReadOnly",
		"regionBackendServices create delete get update use",
		"instanceGroups create delete get list update use",
		"instances get list use",
		"subnetworks use",
	),
	rights(securityAdmin, "firewalls create delete get update", "networks updatePolicy", "zones list"),
}

// storing is what the disks of volume claims take, and their snapshots.
var storing = []Rights{rights(instanceAdmin,
	"disks create createSnapshot delete get list resize setLabels use useReadOnly",
	"snapshots create delete get list setLabels useReadOnly",
	"instances attachDisk detachDisk get list",
	"zones list",
)}

// scaling is what changing the sizes of pools takes.
var scaling = []Rights{rights(instanceAdmin,
	"instanceGroupManagers get list update", "instanceTemplates get", "instances get list", "machineTypes get list", "zones list",
)}

// rights has a line for each kind of object: its name, and what is done with it.
func rights(role string, lines ...string) Rights {
	r := Rights{Role: role}
	for _, line := range lines {
		kind, verbs, _ := strings.Cut(line, " ")
		for verb := range strings.FieldsSeq(verbs) {
			r.Permissions = append(r.Permissions, "compute."+kind+"."+verb)
		}
	}
	return r
}
