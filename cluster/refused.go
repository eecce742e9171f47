package cluster

import (
	"errors"
	"fmt"
	"strings"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// sick is an error about a cluster that was made and fails in something.
type sick struct{ error }

func (e *sick) Unwrap() error { return e.error }

// Hint is that of the error itself, if it knows better.
func (e *sick) Hint() string {
	var h interface{ Hint() string }
	if errors.As(e.error, &h) {
		return h.Hint()
	}
	return cure.Hints(cure.Hint("see what fails and which command ends it", cure.Status()), cure.Hint("bring back masters that were made and fail", cure.Repair()))
}

// foreign refuses an object that has one of our names and not our mark.
func foreign(called string, o object, description string) error {
	whose := "it carries no mark of hakube"
	if f := settings.MarkFields(description); f != nil {
		whose = fmt.Sprintf("it belongs to cluster %s of project %s", f["cluster"], f["project"])
	}
	return nameTaken(called, o, "is not this cluster's: "+whose, o.renamedBy())
}

// nameTaken refuses an object that has a name which is needed, unless the
// setting changes that.
func nameTaken(called string, o object, why, setting string) *refusal.Refused {
	return &refusal.Refused{
		Why:  called + " is there already and " + why,
		Cure: cure.Hint(fmt.Sprintf("hakube never touches what it did not make; delete or rename it, or choose other names with %s; see it", setting), o.describe()),
	}
}

// nouns are gcloud's words for kinds.
var nouns = map[kind]string{
	kindNetwork: "networks", kindSubnetwork: "networks subnets", kindFirewall: "firewall-rules", kindAddress: "addresses",
	kindDisk: "disks", kindInstance: "instances", kindTemplate: "instance-templates", kindGroup: "instance-groups managed",
	kindMasterGroup: "instance-groups", kindHealthCheck: "health-checks", kindService: "backend-services", kindRule: "forwarding-rules",
}

// describe is the command that shows the object.
func (o object) describe() cure.Command {
	var place []string
	switch {
	case o.zone != "":
		place = []string{"--zone=" + o.zone}
	case o.region != "":
		place = []string{"--region=" + o.region}
	}
	return cure.Describe(strings.Fields(nouns[o.kind]), o.name, place...)
}

// renamedBy is the setting by which an object of ours would have another name.
func (o object) renamedBy() string {
	switch {
	case o.kind == kindNetwork:
		return "KUBE_GCE_NETWORK"
	case o.kind == kindSubnetwork:
		return "KUBE_GCE_IP_ALIAS_SUBNETWORK"
	case o.kind == kindTemplate, o.kind == kindGroup, o.kind == kindFirewall && strings.HasSuffix(o.name, "-all"):
		return "NODE_INSTANCE_PREFIX"
	case o.kind == kindFirewall && strings.Contains(o.name, "-default-internal-"):
		return "CLUSTER_NAME"
	}
	return "KUBE_GCE_INSTANCE_PREFIX"
}
