package recorded

// A Row lists a difference that stays, with its reason.
type Row struct {
	Method string // patterns of path.Match, with spaces between them
	Field  string // the same
	What   string // as in Difference, with spaces between several
	Got    string // a part of what the embedded GCE says; "" is anything
	Why    string
}

// The reasons that several rows have.
const (
	otherService = "another service changed it, or uses it, and that was not recorded"
	ownWorld     = "the embedded GCE has its own regions, zones, images and processors, fewer than Google"
	notDone      = "the embedded GCE refuses what it would not do (SEMANTICS.md, What is not there)"
	other        = "Google answers it for some objects and not for others, and the recordings do not show why"
	old          = "recorded through an older API, which has fewer fields"
	twoNames     = "one placeholder of the recording stands for several objects"
)

// KnownOfFacts are those of the table of facts besides: what was recorded is of other
// objects than can be made here.
var KnownOfFacts = []Row{
	{"forwardingRules.get", "backendService ports[]", "extra", "", "recorded were rules of balancers that are proxies"},
	{"forwardingRules.get", "network portRange subnetwork target", "missing", "", "recorded were rules of balancers that are proxies"},
	{"routes.list", "items[].routeType", "extra", "", other},
	{"disks.get instances.get", "lastAttachTimestamp lastDetachTimestamp lastStopTimestamp lastSuspendedTimestamp", "extra", "", "it is of what happened to the object, which it did not where it was recorded"},
	{"disks.get", "architecture guestOsFeatures[].type licenseCodes[] licenses[] sourceImage sourceImageId", "missing", "", "it is of a disk made of an image, and an empty one was read"},
	{"*Operations.*", "error.* httpError*", "extra", "", "recorded were operations that ended well"},
	{"instanceTemplates.get", "properties.disks[].interface", "missing", "", "where it was recorded it was asked for"},
}

// Known are all differences there may be. A row that lists nothing any more has to go:
// see TestReplay.
var Known = []Row{
	{"*", "", "refused", " is not written in hakube's embedded GCE", notDone},
	{"networks.get", "peerings[]*", "missing", "", otherService},
	{"networks.get", "subnetworks[]", "value missing extra", "", "a network's subnetworks: " + ownWorld + "; those that are not replayed are missing"},
	{"networks.get", "routingConfig.*", "extra", "", other},
	{"networks.get", "autoCreateSubnetworks networkFirewallPolicyEnforcementOrder", "extra", "", "a legacy network, which nobody can make any more"},
	{"networks.get", "selfLink", "value", "", twoNames},
	{"subnetworks.get", "privateIpGoogleAccess", "value", "", otherService},
	{"subnetworks.get", "secondaryIpRanges[]*", "missing", "", otherService},
	{"subnetworks.get", "ipv6CidrRange", "missing", "", otherService},
	{"subnetworks.get", "allowSubnetCidrRoutesOverlap enableFlowLogs", "missing extra", "", other},
	{"subnetworks.get", "state", "missing", "", "of subnetworks for balancers that are proxies, which the embedded GCE has not"},
	{"subnetworks.get", "", "status", "200", twoNames},
	{"subnetworks.insert", "", "refused", "computenetwork-uniqueid' was not found", twoNames},
	{"subnetworks.insert", "", "refused", "subnetworkid", twoNames},
	{"subnetworks.aggregatedList", "items.*", "missing extra value", "", "the subnetworks of a project's default network: " + ownWorld},
	{"routes.list", "items[]*", "missing", "", "of a network that another service made"},
	{"globalOperations.get", "error.* httpError*", "extra", "", twoNames},
	{"instanceGroupManagers.get", "instanceTemplate versions[].instanceTemplate", "value", "/global/", "the embedded GCE has no templates of a region"},
	{"instanceGroupManagers.get", "targetSize currentActions.none versions[].targetSize.calculated", "value", "", otherService},
	{"instanceGroupManagers.get", "satisfiesPz?", "missing", "", otherService},
	{"instanceGroupManagers.get", "currentActions.* instanceLifecyclePolicy.* listManagedInstancesResults standbyPolicy.* status.* target* updatePolicy.* versions[]*", "extra", "", old},
	{"instances.get", "resourceStatus.effectiveInstanceMetadata.*", "extra", "", old},
	{"zones.get", "availableCpuPlatforms[] supportsPzs", "value", "", ownWorld},
	{"instances.get", "cpuPlatform disks[].licenses[]", "value", "", ownWorld},
	{"instanceTemplates.get", "properties.disks[].initializeParams.sourceImage", "value", "debian-12", ownWorld},
	{"disks.get", "licenses[] sourceImage", "value", "debian-12", ownWorld},
}
