package settings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A variable that nobody set takes what is there, for a cluster, a pool or a
// master that exists: its default is for what is new. So a shell without
// yesterday's exports, or a hakube with other defaults, finds nothing to do, and
// never makes a part of a cluster unlike the others.

// A class is what an unset variable means. Every setting has one.
type class struct {
	// Recorded variables are read back from where why says, in this order, and
	// written down when the cluster is made (package task).
	Recorded bool
	Why      string
}

var Classes = map[string]class{
	"KUBERNETES_PROVIDER":      {false, "which cloud to look into: there is nothing to read before that is known"},
	"KUBE_GCE_ZONE":            {false, "what a command acts on; up refuses to guess it"},
	"PROJECT":                  {false, "whose clouds to look into; gcloud's configured one"},
	"KUBE_GCE_INSTANCE_PREFIX": {false, "which cluster is meant; a project may have several"},

	"MULTIZONE":                      {true, "the mark of masters"},
	"KUBE_USE_EXISTING_MASTER":       {false, "what this run does"},
	"KUBE_REPLICATE_EXISTING_MASTER": {false, "what this run does"},
	"KUBE_DELETE_NODES":              {false, "what this run does"},
	"KUBE_REPLICA_NAME":              {false, "what this run acts on"},
	"HAKUBE_ZONES":                   {false, "what this run is of: pools are where they are"},
	"HAKUBE_MASTER_ZONES":            {false, "what this run is of: masters are where they are"},
	"HAKUBE_MASTER_COUNT":            {false, "what this run is of: as many masters as there are"},
	"HAKUBE_NODE_COUNT":              {false, "what this run is of: pools are as large as they are"},
	"HAKUBE_ALLOW_EVEN":              {false, "consent, given for one run"},
	"HAKUBE_PRUNE":                   {false, "consent, given for one run"},
	"HAKUBE_LOAD_BALANCER":           {true, "the labels of the address, if a later run said it; else what the cluster was begun with"},
	"HAKUBE_MASTER_GROUPS":           {true, "whether there is a group of a master"},
	"KUBE_DELETE_NETWORK":            {false, "what this run removes"},
	"KUBE_UP_AUTOMATIC_CLEANUP":      {false, "has no effect"},
	"KUBE_CREATE_NODES":              {true, "whether the zone has a pool; false removes none"},
	"ENABLE_ETCD_QUORUM_READ":        {false, "has no effect"},
	"ENABLE_ETCD_QUORUM_READS":       {false, "has no effect"},

	"CLUSTER_NAME":                 {true, "masters' metadata"},
	"NODE_INSTANCE_PREFIX":         {true, "names of groups"},
	"KUBE_GCE_NETWORK":             {true, "masters' network interface"},
	"CREATE_CUSTOM_NETWORK":        {false, "there is one value"},
	"SUBNETWORK":                   {false, "another name for KUBE_GCE_IP_ALIAS_SUBNETWORK, which is read back"},
	"KUBE_GCE_IP_ALIAS_SUBNETWORK": {true, "masters' network interface"},
	"CLUSTER_IP_RANGE":             {true, "masters' metadata, nodes' template"},
	"SERVICE_CLUSTER_IP_RANGE":     {true, "masters' metadata, nodes' template"},
	"NODE_IP_RANGE":                {true, "the subnetwork, which is kept as it is"},
	"MASTER_IP_RANGE":              {false, "has no effect"},
	"KUBE_DNS_SERVER_IP":           {false, "follows from SERVICE_CLUSTER_IP_RANGE; another one is refused"},
	"KUBE_DNS_DOMAIN":              {true, "masters' metadata, nodes' template"},
	"KUBE_GCE_ENABLE_IP_ALIASES":   {false, "there is one value"},

	"HAKUBE_POOL":                   {false, "which of a zone's pools this run is of"},
	"NUM_NODES":                     {true, "the sizes of the zone's groups, or what a run that was cut was making of them"},
	"MAX_INSTANCES_PER_MIG":         {true, "the labels of the address, if a later run said it; else the mark of groups; another one moves no machine"},
	"NODE_SIZE":                     {true, "nodes' template"},
	"MASTER_SIZE":                   {true, "masters"},
	"MASTER_DISK_TYPE":              {true, "masters' data disks"},
	"MASTER_DISK_SIZE":              {true, "masters' data disks"},
	"MASTER_ROOT_DISK_SIZE":         {true, "masters' boot disks; on these another one has no effect, which is warned of"},
	"NODE_DISK_TYPE":                {true, "nodes' template"},
	"NODE_DISK_SIZE":                {true, "nodes' template"},
	"PREEMPTIBLE_NODE":              {true, "nodes' template"},
	"HAKUBE_SPOT_NODE":              {true, "nodes' template"},
	"NODE_ACCELERATORS":             {true, "nodes' template"},
	"KUBE_NODE_LABELS":              {true, "nodes' template; nodes themselves are compared with it"},
	"KUBE_NODE_TAINTS":              {true, "nodes' template; nodes themselves are compared with it"},
	"PREEMPTIBLE_MASTER":            {true, "masters"},
	"NODE_SCOPES":                   {true, "nodes' template"},
	"KUBE_GCE_NODE_SERVICE_ACCOUNT": {true, "nodes' template"},
	"HAKUBE_MASTER_SERVICE_ACCOUNT": {true, "masters"},
	"ENABLE_AUTH_PROVIDER_GCP":      {true, "masters' metadata, nodes' template"},
	"KUBE_OS_DISTRIBUTION":          {false, "there is one value"},
	"KUBE_MASTER_OS_DISTRIBUTION":   {false, "there is one value"},
	"KUBE_NODE_OS_DISTRIBUTION":     {false, "there is one value"},
	"KUBE_GCE_MASTER_IMAGE":         {true, "masters' boot disks; on these another one has no effect, which is warned of"},
	"KUBE_GCE_MASTER_PROJECT":       {true, "masters' boot disks"},
	"KUBE_GCE_NODE_IMAGE":           {true, "nodes' template"},
	"KUBE_GCE_NODE_PROJECT":         {true, "nodes' template"},

	"HAKUBE_RESERVE":           {true, "masters' metadata, nodes' template"},
	"HAKUBE_PROTECT_KERNEL":    {true, "masters' metadata, nodes' template"},
	"HAKUBE_AUDIT":             {true, "masters' metadata"},
	"HAKUBE_ENCRYPT_SECRETS":   {true, "masters' metadata"},
	"HAKUBE_POD_SECURITY":      {true, "masters' metadata"},
	"HAKUBE_SIGN_KUBELETS":     {true, "masters' metadata"},
	"HAKUBE_GRACEFUL_SHUTDOWN": {true, "nodes' template"},

	"HAKUBE_CERTIFICATE_DAYS": {false, "the operator's own entry in the kubeconfig: one that lives days is followed by one that does"},

	"HAKUBE_ADDONS":                         {true, "the labels of the address, if a later run said it; else what the cluster was begun with"},
	"NETWORK_POLICY_PROVIDER":               {true, "the labels of the address, if a later run said it; else what the cluster was begun with"},
	"KUBE_ENABLE_CLUSTER_AUTOSCALER":        {true, "the labels of the address, if a later run said it; else what the cluster was begun with"},
	"KUBE_AUTOSCALER_MIN_NODES":             {true, "the labels of the address, if a later run said it; else what the cluster was begun with"},
	"KUBE_AUTOSCALER_MAX_NODES":             {true, "the labels of the address, if a later run said it; else what the cluster was begun with"},
	"KUBE_AUTOSCALER_ENABLE_SCALE_DOWN":     {true, "the labels of the address, if a later run said it; else what the cluster was begun with"},
	"KUBE_VERSION":                          {true, "masters' metadata, nodes' template"},
	"KUBE_MIRROR":                           {true, "masters' metadata, nodes' template; on these another one has no effect, which is warned of"},
	"KUBECONFIG":                            {false, "a file of this operator"},
	"HAKUBE_SSH_KEY":                        {false, "a file of this operator"},
	"OVERRIDE_CONTEXT":                      {false, "a name in this operator's file, where the entry is found by its mark"},
	"SECONDARY_KUBECONFIG":                  {false, "about this operator's file, when an entry is new"},
	"KUBE_CLUSTER_INITIALIZATION_TIMEOUT":   {false, "how long this run waits"},
	"MIG_WAIT_UNTIL_STABLE_TIMEOUT":         {false, "how long this run waits"},
	"CLUSTER_READY_ADDITIONAL_TIME_SECONDS": {false, "how long this run waits"},
	"HAKUBE_SURGE":                          {false, "how this run changes a pool"},
	"HAKUBE_DRAIN_TIMEOUT":                  {false, "how long this run waits"},
	"ALLOWED_NOTREADY_NODES":                {false, "what this run takes for valid"},

	"HAKUBE_DISK_SNAPSHOTS":    {true, "the labels of the address, if a later run said it; else what the cluster was begun with"},
	"HAKUBE_BACKUP_EVERY":      {true, "masters' metadata"},
	"HAKUBE_BACKUP_RECIPIENTS": {true, "of backups that masters make by themselves: masters' metadata. Of others: whom the operator trusts with one; none is made for nobody"},
	"HAKUBE_BACKUP_TO":         {true, "of backups that masters make by themselves: masters' metadata. Of others: where this operator keeps them"},
	"HAKUBE_BACKUP_MAX_AGE":    {false, "what this run takes for valid"},
	"HAKUBE_BACKUP_IDENTITY":   {false, "a file of this operator"},

	"HAKUBE_SWEEP":            {false, "consent, given for one run"},
	"HAKUBE_BREAK_LOCK":       {false, "consent, given for one run"},
	"KUBERNETES_SKIP_CONFIRM": {false, "consent, given for one run"},
}

// ofPools are the variables of which each pool has its own value, beside its size.
var ofPools = []string{
	"MAX_INSTANCES_PER_MIG", "NODE_SIZE", "NODE_DISK_SIZE", "NODE_DISK_TYPE", "KUBE_GCE_NODE_IMAGE", "KUBE_GCE_NODE_PROJECT", "HAKUBE_GRACEFUL_SHUTDOWN",
	"PREEMPTIBLE_NODE", "HAKUBE_SPOT_NODE", "NODE_ACCELERATORS", "KUBE_NODE_LABELS", "KUBE_NODE_TAINTS", "KUBE_GCE_NODE_SERVICE_ACCOUNT", "NODE_SCOPES",
}

// OfPool tells whether each pool has its own value of a variable.
func OfPool(variable string) bool { return slices.Contains(ofPools, variable) }

// Marks tells of variables by which nodes of a pool are told from others, their accelerators
// among them: a new pool takes them from no other.
func Marks(variable string) bool {
	return variable == "KUBE_NODE_LABELS" || variable == "KUBE_NODE_TAINTS" || variable == "NODE_ACCELERATORS"
}

// Changeable tells whether another value of a variable replaces the nodes of the pool.
// Nodes of another version than their masters are for an upgrade to make, and HAKUBE_RESERVE
// is read back from masters.
func Changeable(variable string) bool { return OfPool(variable) && variable != ofPools[0] }

// ofMachines are the variables of which a master that is made again around its data has
// another value. What its API server and etcd run with is on the data disk, and stays.
var ofMachines = []string{
	"MASTER_SIZE", "MASTER_ROOT_DISK_SIZE", "KUBE_GCE_MASTER_IMAGE", "KUBE_GCE_MASTER_PROJECT", "PREEMPTIBLE_MASTER", "HAKUBE_MASTER_SERVICE_ACCOUNT",
	"HAKUBE_MASTER_GROUPS",
	"HAKUBE_BACKUP_EVERY", "HAKUBE_BACKUP_TO", "HAKUBE_BACKUP_RECIPIENTS",
}

// ofEveryMachine are those of both masters' machines and nodes'.
var ofEveryMachine = []string{"HAKUBE_RESERVE", "HAKUBE_PROTECT_KERNEL", "ENABLE_AUTH_PROVIDER_GCP", "KUBE_MIRROR"}

// withData are the variables of masters' data and of the control plane that is on their disk.
var withData = []string{
	"KUBE_VERSION", "KUBE_DNS_DOMAIN", "HAKUBE_AUDIT", "HAKUBE_ENCRYPT_SECRETS", "HAKUBE_POD_SECURITY", "HAKUBE_SIGN_KUBELETS",
	"MASTER_DISK_SIZE", "MASTER_DISK_TYPE", "CLUSTER_IP_RANGE", "SERVICE_CLUSTER_IP_RANGE", "MULTIZONE",
}

// ofPlace are the variables of what a cluster has around it: names that others have too where
// it is restored under another one.
var ofPlace = []string{"CLUSTER_NAME", "NODE_INSTANCE_PREFIX", "KUBE_GCE_NETWORK", "KUBE_GCE_IP_ALIAS_SUBNETWORK"}

// GoesElsewhere tells whether a backup's value of a variable is one for a cluster that is made
// of it in another place, the same by name or not. It begins with one master that has the
// address, no nodes and no addons, and accounts and buckets are of a project.
func GoesElsewhere(variable string, same bool) bool {
	stays := []string{
		"KUBE_GCE_ZONE", "KUBE_CREATE_NODES", "NUM_NODES", "MAX_INSTANCES_PER_MIG", "HAKUBE_LOAD_BALANCER", "HAKUBE_MASTER_GROUPS",
		"HAKUBE_MASTER_SERVICE_ACCOUNT", "KUBE_GCE_NODE_SERVICE_ACCOUNT", "NODE_SCOPES", "HAKUBE_ADDONS", "NETWORK_POLICY_PROVIDER", "HAKUBE_DISK_SNAPSHOTS",
	}
	return Classes[variable].Recorded && !slices.Contains(stays, variable) && !slices.Contains(AutoscalerVariables, variable) &&
		!slices.Contains(OfSchedule, variable) && (same || !slices.Contains(ofPlace, variable))
}

// OfVersion is the variable of Kubernetes' version, which an upgrade alone changes.
const OfVersion = "KUBE_VERSION"

// StaysWithData tells whether a variable is of what a master that is made again comes back
// with, whatever its machine is.
func StaysWithData(variable string) bool { return slices.Contains(withData, variable) }

// DiesWithMasters tells whether masters alone have the value that a variable has by now: what
// the cluster was begun with is an older one.
func DiesWithMasters(variable string) bool { return Rollable(variable) || variable == OfVersion }

// Rollable tells whether another value of a variable is one to make masters' machines
// again for.
func Rollable(variable string) bool {
	return slices.Contains(ofMachines, variable) || slices.Contains(ofEveryMachine, variable)
}

// NodesRollable tells whether another value of a variable is one to make a pool's nodes again
// for.
func NodesRollable(variable string) bool {
	return Changeable(variable) || slices.Contains(ofEveryMachine, variable)
}

// Says tells whether the settings speak of a variable, by that name or by
// another one of the same meaning.
func (s *Settings) Says(variable string) bool {
	return s.given[variable] || variable == "KUBE_GCE_IP_ALIAS_SUBNETWORK" && s.given["SUBNETWORK"]
}

// TextOf is a setting as its variable would say it.
func (s *Settings) TextOf(f reflect.StructField) string {
	switch v := reflect.ValueOf(*s).FieldByIndex(f.Index).Interface().(type) {
	case Zones:
		return v.String()
	case Scopes:
		if len(v) == 0 {
			return "none"
		}
		return strings.Join(v, ",")
	case Addr:
		if !v.IsValid() {
			return ""
		}
		return v.String()
	default:
		return fmt.Sprint(v)
	}
}
