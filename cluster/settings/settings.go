package settings

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"sync"

	"hakube/cluster/gpu"
	"hakube/cluster/label"
)

// Settings are the variables of kube-up that hakube takes, with kube-up's
// names and meanings, and the few of its own (HAKUBE_*) that kube-up has no
// name for. The tags are all there is to a variable: its name, the flag of the
// same meaning, the default and the line in the reference.
//
// envconfig is used with the empty prefix, so each tag is the variable's full
// name. A field's type decides what is well formed (see values.go); what only
// the fields together can tell is in problems.go.
type Settings struct {
	Provider Provider `group:"Where" for:"all" envconfig:"KUBERNETES_PROVIDER" flag:"provider" default:"gce" desc:"gce: Google. local: the embedded GCE on this machine"`
	Zone     Zone     `for:"up,down" envconfig:"KUBE_GCE_ZONE" flag:"zone" desc:"zone to act in, such as europe-west1-b; its region is the cluster's. Needed by up"`
	Project  Project  `for:"all" envconfig:"PROJECT" flag:"project" desc:"Google Cloud project; gcloud's configured one if empty, local on the embedded GCE"`

	Multizone           Bool      `group:"What" envconfig:"MULTIZONE" flag:"multizone" default:"true" desc:"at create: other zones may hold masters and nodes later. false is recorded and refuses them"`
	UseExistingMaster   Bool      `for:"up,down" envconfig:"KUBE_USE_EXISTING_MASTER" flag:"use-existing-master" default:"false" desc:"up: only add the zone's node pool. down: only remove it"`
	ReplicateMaster     Bool      `envconfig:"KUBE_REPLICATE_EXISTING_MASTER" flag:"replicate-existing-master" default:"false" desc:"up: add a master replica in the zone"`
	DeleteNodes         Bool      `for:"down" envconfig:"KUBE_DELETE_NODES" flag:"delete-nodes" default:"true" desc:"down: false removes only a master replica of the zone"`
	ReplicaName         Name      `for:"down" envconfig:"KUBE_REPLICA_NAME" flag:"replica-name" desc:"down with KUBE_DELETE_NODES=false: which master to remove"`
	Zones               Zones     `envconfig:"HAKUBE_ZONES" flag:"zones" desc:"up, all in one command: zones of nodes, separated by commas. If empty, the zones that have pools; for a new cluster HAKUBE_MASTER_ZONES, or KUBE_GCE_ZONE"`
	MasterZones         Zones     `envconfig:"HAKUBE_MASTER_ZONES" flag:"master-zones" desc:"up, all in one command: zones of masters, one in each unless HAKUBE_MASTER_COUNT says otherwise. If empty, HAKUBE_ZONES with HAKUBE_MASTER_COUNT, else masters are as they are; a new cluster has one, in the first of HAKUBE_ZONES"`
	MasterCount         Count     `envconfig:"HAKUBE_MASTER_COUNT" flag:"master-count" default:"0" desc:"up, all in one command: masters in all, spread evenly over HAKUBE_MASTER_ZONES; odd"`
	NodeCount           Count     `envconfig:"HAKUBE_NODE_COUNT" flag:"node-count" default:"0" desc:"up, all in one command: nodes in all, spread over HAKUBE_ZONES, never less in an earlier one than in a later; in place of NUM_NODES, which is of each zone"`
	AllowEven           Bool      `envconfig:"HAKUBE_ALLOW_EVEN" flag:"allow-even" default:"false" desc:"up, all in one command: an even number of masters, which survives no more than one less"`
	Prune               Bool      `envconfig:"HAKUBE_PRUNE" flag:"prune" default:"false" desc:"up, all in one command: also remove masters, pools and nodes that are more than was named, one after the other"`
	LoadBalancer        Balancing `envconfig:"HAKUBE_LOAD_BALANCER" flag:"load-balancer" default:"on-replicate" desc:"when the API's address is on a balancer. on-replicate: while there is more than one master; from-start: from create on, so that it never moves"`
	MasterGroups        Bool      `envconfig:"HAKUBE_MASTER_GROUPS" flag:"master-groups" default:"false" desc:"each master is the one member of a managed group, which makes its machine again, around its data disk, when it is deleted, halts or crashes. If not set, true for a new cluster of several masters by one command. It can be changed later by up: masters are made again then, one after the other"`
	DeleteNetwork       Bool      `for:"down" envconfig:"KUBE_DELETE_NETWORK" flag:"delete-network" default:"true" desc:"down: delete the network too if hakube made it. One that was there before is never deleted"`
	AutomaticCleanup    Bool      `envconfig:"KUBE_UP_AUTOMATIC_CLEANUP" flag:"up-automatic-cleanup" default:"false" desc:"accepted; up always converges, so there is nothing to clean up first"`
	CreateNodes         Bool      `envconfig:"KUBE_CREATE_NODES" flag:"create-nodes" default:"true" desc:"up: false makes a master and no nodes"`
	EtcdQuorumRead      Bool      `envconfig:"ENABLE_ETCD_QUORUM_READ" flag:"enable-etcd-quorum-read" default:"true" desc:"accepted; etcd v3 always reads by quorum"`
	EtcdQuorumReadAlias Bool      `envconfig:"ENABLE_ETCD_QUORUM_READS" flag:"enable-etcd-quorum-reads" default:"true" desc:"the spelling of kube-up's documents, accepted as well"`

	Prefix        Name   `group:"Names and addresses" for:"all" envconfig:"KUBE_GCE_INSTANCE_PREFIX" flag:"instance-prefix" default:"kubernetes" desc:"all names and network tags begin with it"`
	ClusterName   Name   `for:"all" envconfig:"CLUSTER_NAME" flag:"cluster-name" desc:"in two firewall rules and in metadata; the prefix if empty"`
	NodePrefix    Name   `for:"all" envconfig:"NODE_INSTANCE_PREFIX" flag:"node-instance-prefix" desc:"names and tag of nodes begin with it; PREFIX-minion if empty"`
	Network       Name   `for:"all" envconfig:"KUBE_GCE_NETWORK" flag:"network" default:"default" desc:"VPC network; made if the project has none of that name"`
	CustomNetwork Bool   `envconfig:"CREATE_CUSTOM_NETWORK" flag:"create-custom-network" default:"true" desc:"a network hakube makes has subnetworks made by hand only; false is not supported"`
	SubnetAlias   Name   `envconfig:"SUBNETWORK" flag:"custom-subnetwork" desc:"kube-up's other name for KUBE_GCE_IP_ALIAS_SUBNETWORK"`
	Subnetwork    Name   `envconfig:"KUBE_GCE_IP_ALIAS_SUBNETWORK" flag:"subnetwork" desc:"subnetwork to make; PREFIX-subnet-default if empty"`
	ClusterRange  Prefix `envconfig:"CLUSTER_IP_RANGE" flag:"cluster-ip-range" default:"10.64.0.0/14" desc:"pods' addresses; each machine gets a /24 of it"`
	ServiceRange  Prefix `envconfig:"SERVICE_CLUSTER_IP_RANGE" flag:"service-cluster-ip-range" default:"10.0.0.0/16" desc:"Services' addresses"`
	NodeRange     Prefix `envconfig:"NODE_IP_RANGE" flag:"node-ip-range" default:"10.40.0.0/22" desc:"machines' addresses"`
	MasterRange   Prefix `envconfig:"MASTER_IP_RANGE" flag:"master-ip-range" default:"10.246.0.0/24" desc:"accepted; pods of masters get their addresses from CLUSTER_IP_RANGE like all others"`
	DNSServer     Addr   `envconfig:"KUBE_DNS_SERVER_IP" flag:"dns-server-ip" desc:"address of the cluster's DNS Service; the tenth of SERVICE_CLUSTER_IP_RANGE if empty, as kubeadm does"`
	DNSDomain     Domain `envconfig:"KUBE_DNS_DOMAIN" flag:"dns-domain" default:"cluster.local" desc:"domain of Services"`
	EnableAliases Bool   `envconfig:"KUBE_GCE_ENABLE_IP_ALIASES" flag:"enable-ip-aliases" default:"true" desc:"pods get alias IP ranges; false is not supported"`

	Pool             PoolName     `group:"Machines" for:"up,down" envconfig:"HAKUBE_POOL" flag:"pool" desc:"which of a zone's pools: each has a size, a template and groups of its own. If empty, the one without a name; down of that leaves the others"`
	NumNodes         Count        `envconfig:"NUM_NODES" flag:"num-nodes" default:"3" desc:"nodes of the zone's pool"`
	MaxPerGroup      Count        `envconfig:"MAX_INSTANCES_PER_MIG" flag:"max-instances-per-group" default:"1000" desc:"nodes a managed instance group may have; a larger pool is several groups"`
	NodeSize         Name         `envconfig:"NODE_SIZE" flag:"node-size" default:"e2-standard-2" desc:"machine type of nodes"`
	MasterSize       Name         `envconfig:"MASTER_SIZE" flag:"master-size" desc:"machine type of masters; e2-standard-2, larger with more nodes, if empty"`
	MasterDiskType   Name         `envconfig:"MASTER_DISK_TYPE" flag:"master-disk-type" default:"pd-ssd" desc:"type of a master's data disk"`
	MasterDiskSize   Size         `envconfig:"MASTER_DISK_SIZE" flag:"master-disk-size" default:"20GB" desc:"size of a master's data disk"`
	MasterRootSize   Size         `envconfig:"MASTER_ROOT_DISK_SIZE" flag:"master-root-disk-size" default:"20GB" desc:"size of a master's boot disk"`
	NodeDiskType     Name         `envconfig:"NODE_DISK_TYPE" flag:"node-disk-type" default:"pd-standard" desc:"type of a node's boot disk"`
	NodeDiskSize     Size         `envconfig:"NODE_DISK_SIZE" flag:"node-disk-size" default:"100GB" desc:"size of a node's boot disk"`
	PreemptibleNode  Bool         `envconfig:"PREEMPTIBLE_NODE" flag:"preemptible-node" default:"false" desc:"nodes are preemptible"`
	SpotNode         Bool         `envconfig:"HAKUBE_SPOT_NODE" flag:"spot-node" default:"false" desc:"nodes are Spot VMs: as PREEMPTIBLE_NODE, without its limit of a day"`
	Accelerators     gpu.Cards    `envconfig:"NODE_ACCELERATORS" flag:"node-accelerators" default:"none" desc:"GPUs of each of the pool's nodes, such as type=nvidia-tesla-t4,count=1, which machines of N1 take; a change replaces the nodes. hakube installs neither drivers nor device plug-in"`
	NodeLabels       label.Labels `envconfig:"KUBE_NODE_LABELS" flag:"node-labels" default:"none" desc:"labels of the pool's nodes, key=value separated by commas; a change replaces the nodes. Those of masters and of kubernetes.io are kubectl's"`
	NodeTaints       label.Taints `envconfig:"KUBE_NODE_TAINTS" flag:"node-taints" default:"none" desc:"taints of the pool's nodes, key=value:Effect separated by commas, such as dedicated=gpu:NoSchedule; a change replaces the nodes"`
	PreemptibleMain  Bool         `envconfig:"PREEMPTIBLE_MASTER" flag:"preemptible-master" default:"false" desc:"masters are preemptible"`
	NodeScopes       Scopes       `envconfig:"NODE_SCOPES" flag:"node-scopes" default:"monitoring,logging-write,storage-ro" desc:"access scopes of nodes, gcloud's short names or URLs; none: no service account"`
	NodeAccount      Account      `envconfig:"KUBE_GCE_NODE_SERVICE_ACCOUNT" flag:"node-service-account" default:"default" desc:"service account of nodes"`
	MasterAccount    Account      `envconfig:"HAKUBE_MASTER_SERVICE_ACCOUNT" flag:"master-service-account" default:"none" desc:"service account of masters, with kube-up's scopes; only HAKUBE_ADDONS=cloud-controller and volumes, the cluster autoscaler and HAKUBE_BACKUP_EVERY need one"`
	AuthProvider     Bool         `envconfig:"ENABLE_AUTH_PROVIDER_GCP" flag:"auth-provider-gcp" default:"true" desc:"kubelets of new machines pull private images of Artifact Registry and gcr.io as their machine's service account, with its scope storage-ro"`
	Distribution     Distribution `envconfig:"KUBE_OS_DISTRIBUTION" flag:"os-distribution" default:"debian" desc:"only debian"`
	MasterOS         Distribution `envconfig:"KUBE_MASTER_OS_DISTRIBUTION" flag:"master-os-distribution" default:"debian" desc:"only debian"`
	NodeOS           Distribution `envconfig:"KUBE_NODE_OS_DISTRIBUTION" flag:"node-os-distribution" default:"debian" desc:"only debian"`
	MasterImage      Name         `envconfig:"KUBE_GCE_MASTER_IMAGE" flag:"master-image" desc:"image of masters; newest of family debian-12 if empty"`
	MasterImageOwner Name         `envconfig:"KUBE_GCE_MASTER_PROJECT" flag:"master-image-project" default:"debian-cloud" desc:"project of the masters' image"`
	NodeImage        Name         `envconfig:"KUBE_GCE_NODE_IMAGE" flag:"node-image" desc:"image of nodes; newest of family debian-12 if empty"`
	NodeImageOwner   Name         `envconfig:"KUBE_GCE_NODE_PROJECT" flag:"node-image-project" default:"debian-cloud" desc:"project of the nodes' image"`

	Reserve        Bool `group:"Protection" envconfig:"HAKUBE_RESERVE" flag:"reserve" default:"true" desc:"keep memory and CPU of new machines from pods, by machine size as GKE does: of e2-standard-2 1.8 GiB and 70m"`
	ProtectKernel  Bool `envconfig:"HAKUBE_PROTECT_KERNEL" flag:"protect-kernel" default:"true" desc:"new machines set the kernel's defaults that kubelet wants when they boot, and kubelet refuses others instead of changing them; costs nothing"`
	Audit          Bool `envconfig:"HAKUBE_AUDIT" flag:"audit" default:"true" desc:"new masters log who changed what, on their data disks: at most 1 GB each"`
	EncryptSecrets Bool `envconfig:"HAKUBE_ENCRYPT_SECRETS" flag:"encrypt-secrets" default:"true" desc:"at create: Secrets are encrypted in etcd, with a key on the masters' data disks; costs microseconds a Secret"`
	PodSecurity    Bool `envconfig:"HAKUBE_POD_SECURITY" flag:"pod-security" default:"true" desc:"at create: kubectl warns of pods in namespace default that break Kubernetes' baseline; refuses none"`
	SignKubelets   Bool `envconfig:"HAKUBE_SIGN_KUBELETS" flag:"sign-kubelets" default:"false" desc:"at create: the cluster signs kubelets' serving certificates, after masters compared name and address with Compute Engine's DNS, and its API verifies them"`
	Graceful       Bool `envconfig:"HAKUBE_GRACEFUL_SHUTDOWN" flag:"graceful-shutdown" default:"true" desc:"new nodes that are stopped, deleted or preempted end their pods in order first: 15 s for those of users, 10 s for those of the system; they take that much longer to stop"`

	KubeVersion   Version        `group:"Software" envconfig:"KUBE_VERSION" flag:"kube-version" default:"v1.36.3" desc:"Kubernetes version"`
	Addons        Addons         `envconfig:"HAKUBE_ADDONS" flag:"addons" default:"none" desc:"what runs in the cluster beside Kubernetes, separated by commas: cloud-controller, volumes, metrics; or all, or none. It can be changed later"`
	NetworkPolicy PolicyProvider `envconfig:"NETWORK_POLICY_PROVIDER" flag:"network-policy-provider" default:"none" desc:"kube-network-policies: NetworkPolicy objects are enforced on each machine. none: they are without effect. It can be changed later"`
	Autoscaler    Bool           `envconfig:"KUBE_ENABLE_CLUSTER_AUTOSCALER" flag:"cluster-autoscaler" default:"false" desc:"pools grow while pods wait for a node, and lose nodes that nobody needs; with it runs the addon cloud-controller. It can be changed later"`
	ScalesToLeast Count          `envconfig:"KUBE_AUTOSCALER_MIN_NODES" flag:"autoscaler-min-nodes" default:"1" desc:"nodes that the cluster autoscaler leaves the pool of each zone, at least. It can be changed later"`
	ScalesToMost  Count          `envconfig:"KUBE_AUTOSCALER_MAX_NODES" flag:"autoscaler-max-nodes" default:"0" desc:"nodes that the cluster autoscaler gives the pool of each zone, at most; to be named where it runs. It can be changed later"`
	ScalesDown    Bool           `envconfig:"KUBE_AUTOSCALER_ENABLE_SCALE_DOWN" flag:"autoscaler-scale-down" default:"true" desc:"false: the cluster autoscaler only adds nodes. It can be changed later"`
	Mirror        URL            `for:"up,repair" envconfig:"KUBE_MIRROR" flag:"mirror" desc:"where machines fetch binaries and images instead of the official places; the embedded GCE has its own"`
	SSHKey        Path           `group:"Access" for:"all" envconfig:"HAKUBE_SSH_KEY" flag:"ssh-key" desc:"file of the ssh key that masters let in, made by up and repair if there is none; gcloud's, ~/.ssh/google_compute_engine, if empty"`
	Kubeconfig    Path           `for:"all" envconfig:"KUBECONFIG" flag:"kubeconfig" desc:"files the cluster's entry is in, as kubectl takes them: it is changed where it is, a new one goes into the first that exists; ~/.kube/config if empty"`
	CertDays      Count          `for:"up,kubeconfig" envconfig:"HAKUBE_CERTIFICATE_DAYS" flag:"certificate-days" default:"0" desc:"days that the operator's certificate in the kubeconfig lives, made by a master for it; 0: the masters' own, which lives ten years. Unset: days stay days (hakube kubeconfig makes 7)"`
	OverrideName  Title          `for:"all" envconfig:"OVERRIDE_CONTEXT" flag:"context" desc:"name of the kubeconfig context; PROJECT_PREFIX if empty"`
	KeepContext   Bool           `envconfig:"SECONDARY_KUBECONFIG" flag:"keep-current-context" default:"false" desc:"do not make the cluster kubectl's current context"`
	DiskSnapshots DiskSnapshots  `group:"Backups" envconfig:"HAKUBE_DISK_SNAPSHOTS" flag:"disk-snapshots" default:"none" desc:"hourly: Compute Engine itself keeps a snapshot of each master's data disk every hour, for a week; daily: every day, for ninety days. They hold what is secret, and are tried by nobody. It can be changed later"`
	BackupEvery   Interval       `envconfig:"HAKUBE_BACKUP_EVERY" flag:"backup-every" default:"none" desc:"how often masters make a backup by themselves, such as 15m or 1h, one of them each: to HAKUBE_BACKUP_TO, a bucket, for HAKUBE_BACKUP_RECIPIENTS, as HAKUBE_MASTER_SERVICE_ACCOUNT. hakube roll masters changes it later"`
	Recipients    Recipients     `for:"up,backup" envconfig:"HAKUBE_BACKUP_RECIPIENTS" flag:"backup-recipients" desc:"who can read backups: public keys of age (age1…), separated by commas. Masters encrypt to them; there is no backup without"`
	BackupTo      Place          `for:"up,backup,status,validate" envconfig:"HAKUBE_BACKUP_TO" flag:"backup-to" desc:"where backups are kept, a directory or gs://bucket/prefix, where nothing else is said. Those of masters go to another bucket only with HAKUBE_BACKUP_EVERY"`
	BackupAge     Seconds        `for:"validate" envconfig:"HAKUBE_BACKUP_MAX_AGE" flag:"backup-max-age" desc:"how old the newest verified backup in HAKUBE_BACKUP_TO may be for the cluster to be valid; of any age, or none, if empty"`
	Identity      Path           `for:"restore" envconfig:"HAKUBE_BACKUP_IDENTITY" flag:"backup-identity" desc:"file of the private key of one of them, as age-keygen writes it. It is read here, and never leaves this machine"`
	InitTimeout   Seconds        `group:"How long" for:"up,repair" envconfig:"KUBE_CLUSTER_INITIALIZATION_TIMEOUT" flag:"initialization-timeout" default:"900" desc:"how long the API may take to answer for the first time"`
	GroupTimeout  Seconds        `envconfig:"MIG_WAIT_UNTIL_STABLE_TIMEOUT" flag:"group-timeout" default:"1800" desc:"how long a pool's machines may take to be there and Ready"`
	ReadyGrace    Seconds        `envconfig:"CLUSTER_READY_ADDITIONAL_TIME_SECONDS" flag:"ready-additional-time" default:"30" desc:"how much longer to wait for nodes that may be missing (ALLOWED_NOTREADY_NODES)"`
	Surge         Count          `envconfig:"HAKUBE_SURGE" flag:"surge" default:"1" desc:"when a pool is changed, how many new nodes are made Ready before as many old ones are drained and go"`
	DrainTimeout  Seconds        `for:"up,down" envconfig:"HAKUBE_DRAIN_TIMEOUT" flag:"drain-timeout" default:"300" desc:"how long pods may take to leave nodes that go, disruption budgets and all; then the nodes go anyway, but a pool that is changed stays as far as it got"`
	AllowNotReady Count          `for:"up,status,validate" envconfig:"ALLOWED_NOTREADY_NODES" flag:"allowed-notready-nodes" default:"0" desc:"nodes that may be missing for the cluster to be valid"`

	Sweep     Bool `group:"In the way" for:"down" envconfig:"HAKUBE_SWEEP" flag:"sweep" default:"false" desc:"down of the whole cluster: also remove what its Services and volumes left behind, disks and the data on them included"`
	BreakLock Bool `for:"up,down,repair" envconfig:"HAKUBE_BREAK_LOCK" flag:"break-lock" default:"false" desc:"up, down: take over from a run that is changing the cluster now, instead of waiting for it"`
	Yes       Bool `for:"down,repair,drill" envconfig:"KUBERNETES_SKIP_CONFIRM" flag:"yes" default:"false" desc:"down, repair --from-survivor: do not ask for the cluster's name. Without a terminal a down of every zone needs it"`

	given  chosen // which of them somebody set; all others are as what is there, or the default where nothing is
	asked  *Count // NUM_NODES as somebody set it for a pool whose size is the cluster autoscaler's; see Autosized
	part   bool   // it is one step of an up of the whole cluster
	leaves bool   // the zone is the one that is left
	rolls  bool   // the nodes of the zone's pool are made again

	restores bool // the cluster is made of a backup
}

// Fields are the fields of [Settings] that are variables. The list is the same for all who
// ask: nobody changes it.
func Fields() []reflect.StructField { return fields() }

// fields are found once: each command asks for them a hundred times.
var fields = sync.OnceValue(func() []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(reflect.TypeFor[Settings]()), func(f reflect.StructField) bool { return !f.IsExported() })
})

// chosen are the variables that somebody set, as a flag or in the environment.
type chosen map[string]bool

func givenBy(flags map[string]string) chosen {
	g := chosen{}
	for _, f := range Fields() {
		name := f.Tag.Get("envconfig")
		text, isFlag := flags[name]
		if !isFlag {
			text = os.Getenv(name)
		}
		g[name] = text != ""
	}
	return g
}

// IsGiven tells whether a variable was set by hand, and not left to what is there
// or to its default.
func (s *Settings) IsGiven(variable string) bool { return s.given[variable] }

// Said is the same settings, with a variable that somebody set, or left out.
func (s Settings) Said(variable string, set bool) Settings {
	s.given = maps.Clone(s.given)
	if s.given == nil {
		s.given = chosen{}
	}
	s.given[variable] = set
	return s
}
