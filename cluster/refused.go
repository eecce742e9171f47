package cluster

import (
	"errors"
	"fmt"
	"strings"

	"hakube/cluster/refusal"
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
	if f := markFields(description); f != nil {
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

// A difference is a setting an object was made with another value of.
type difference struct{ variable, was, want string }

// drift refuses an object that differs from what somebody set in a way that cannot
// be changed on it; nil when nothing differs. What nobody set is as it is.
func (s *spec) drift(object string, all ...difference) error {
	var was []string
	for _, d := range all {
		if d.was != d.want && s.settings.says(d.variable) {
			was = append(was, fmt.Sprintf("%s=%s (now it is %s)", d.variable, or(d.was, `""`), or(d.want, `""`)))
		}
	}
	if len(was) == 0 {
		return nil
	}
	return &refusal.Refused{
		Why:  fmt.Sprintf("%s was made with %s", object, strings.Join(was, ", ")),
		Cure: "use the value it was made with, or take the cluster down first: this cannot be changed on what exists",
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
