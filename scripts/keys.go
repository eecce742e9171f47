package scripts

// Metadata keys that the scripts read from instance/attributes/.
const (
	// KeyRole is what the machine shall be: RoleMaster or RoleNode.
	KeyRole = "hakube-role"
	// KeyStart is what a master does that finds no cluster on its disk:
	// StartFound (also when absent) or StartJoin. A disk that knows a cluster
	// decides by itself.
	KeyStart = "hakube-start"
	// KeyClusterName is kube-up's CLUSTER_NAME, in the kubeconfig of the master.
	KeyClusterName = "cluster-name"
	// KeyCluster is PROJECT/PREFIX, the id on a master's disk. A disk with
	// another one is refused.
	KeyCluster = "hakube-cluster"
	// KeyAddress is the external address of the API, without port.
	KeyAddress = "hakube-address"
	// KeyKubeVersion is Kubernetes' version with its v. A master whose disk
	// knows a version stays with that.
	KeyKubeVersion = "hakube-kube-version"
	// KeyUpgrade is true on a master that was made around its disk to bring KeyKubeVersion,
	// whatever version the disk knows; absent: false. It does so once.
	KeyUpgrade = "hakube-upgrade"
	// KeyMirror is KUBE_MIRROR, a URL prefix; absent: the official places.
	KeyMirror = "hakube-mirror"
	// KeyPodRange is the range of all pods, CLUSTER_IP_RANGE. Each machine's
	// own part of it is its first alias range.
	KeyPodRange = "hakube-pod-range"
	// KeyServiceRange is SERVICE_CLUSTER_IP_RANGE. Masters only.
	KeyServiceRange = "hakube-service-range"
	// KeyDNSIP is the address of the cluster's DNS service.
	KeyDNSIP = "hakube-dns-ip"
	// KeyDNSDomain is the cluster's DNS domain; absent: cluster.local.
	KeyDNSDomain = "hakube-dns-domain"
	// KeyReserve is HAKUBE_RESERVE, "true" or "false"; absent: false, and so for those
	// below, as it was with machines that were made before there was the key.
	KeyReserve = "hakube-reserve"
	// KeyProtectKernel is HAKUBE_PROTECT_KERNEL.
	KeyProtectKernel = "hakube-protect-kernel"
	// KeyAuthProvider is ENABLE_AUTH_PROVIDER_GCP.
	KeyAuthProvider = "hakube-auth-provider"
	// KeyAudit is HAKUBE_AUDIT. Masters only.
	KeyAudit = "hakube-audit"
	// KeyEncryptSecrets is HAKUBE_ENCRYPT_SECRETS, for the master that founds the
	// cluster. Masters only.
	KeyEncryptSecrets = "hakube-encrypt-secrets"
	// KeyPodSecurity is HAKUBE_POD_SECURITY, for the master that founds the cluster.
	// Masters only.
	KeyPodSecurity = "hakube-pod-security"
	// KeySignKubelets is HAKUBE_SIGN_KUBELETS. Masters only: nodes have it from the
	// cluster they join.
	KeySignKubelets = "hakube-sign-kubelets"
	// KeyBackupEvery is HAKUBE_BACKUP_EVERY in seconds, or none; absent: the machine was made
	// for no backups. Masters only, as those below.
	KeyBackupEvery = "hakube-backup-every"
	// KeyBackupTo and KeyBackupRecipients are HAKUBE_BACKUP_TO and HAKUBE_BACKUP_RECIPIENTS.
	KeyBackupTo         = "hakube-backup-to"
	KeyBackupRecipients = "hakube-backup-recipients"
	// KeyBackupSettings are the cluster's settings as JSON, for the records of backups.
	KeyBackupSettings = "hakube-backup-settings"
	// KeyGraceful is HAKUBE_GRACEFUL_SHUTDOWN; absent: false. Nodes only.
	KeyGraceful = "hakube-graceful"
	// KeyNodeLabels and KeyNodeTaints are KUBE_NODE_LABELS and KUBE_NODE_TAINTS; absent:
	// none. Nodes only.
	KeyNodeLabels = "hakube-node-labels"
	KeyNodeTaints = "hakube-node-taints"
	// KeyPool is HAKUBE_POOL, the label hakube/pool of the node; absent: none. Nodes only.
	KeyPool = "hakube-pool"
	// KeyAccelerator is the type of NODE_ACCELERATORS, the label
	// cloud.google.com/gke-accelerator of the node; absent: none. Nodes only.
	KeyAccelerator = "hakube-accelerator"
	// KeyJoinToken is a bootstrap token that can only ask for a node's
	// certificate, abcdef.0123456789abcdef. Nodes only.
	KeyJoinToken = "hakube-join-token"
	// KeyCAHash is the cluster CA's public key, sha256:<hex>, by which a node
	// knows that it talks to its own cluster. Nodes only.
	KeyCAHash = "hakube-ca-hash"
)

// Values of KeyRole.
const (
	RoleMaster = "master"
	RoleNode   = "node"
)

// Values of KeyStart.
const (
	// StartFound lets it found the cluster.
	StartFound = "found"
	// StartJoin lets it prepare all it can alone, and then wait (PhasePrepared)
	// to be made a member of a cluster there is: it never founds a second one.
	StartJoin = "join"
)

// Metadata keys that others read: the metadata server, Google's guest agent,
// people and kube-up's tools.
const (
	// KeyGuestAttributes is TRUE to let a machine write guest attributes.
	KeyGuestAttributes = "enable-guest-attributes"
	// KeyOSLogin is FALSE, whatever the project's metadata say: where it is TRUE the
	// guest agent lets nobody in by KeySSHKeys, and masters are set up over ssh.
	KeyOSLogin = "enable-oslogin"
	// KeyDNS is ZonalOnly, whatever the project's setting is: masters are members of
	// their rings by names with the zone in them, which machines of a project with
	// global names do not have.
	KeyDNS = "VmDnsSetting"
	// KeySSHKeys holds user:key lines.
	KeySSHKeys = "ssh-keys"
	// KeyStartupScript holds Startup.
	KeyStartupScript = "startup-script"
	// KeyClusterLocation is the zone of the first master, as kube-up tells it.
	KeyClusterLocation = "cluster-location"
)

// Guest attributes that the startup-script writes, below instance/guest-attributes/.
const (
	// GuestNamespace is the first part of their path.
	GuestNamespace = "hakube"
	// GuestPhase is one line: what the script does now, PhaseRunning when it is
	// through, or PhaseFailed and the reason.
	GuestPhase = "phase"
	// GuestBackups is one line: what came last of the backups that a master makes by itself,
	// and when.
	GuestBackups = "backups"
)

// Values of GuestPhase that are not the name of a step.
const (
	// PhaseRunning is the good end.
	PhaseRunning = "running"
	// PhasePrepared is the good end of a master that is to join.
	PhasePrepared = "prepared"
	// PhaseFailed is a prefix of the bad end: "failed: starting etcd: …".
	PhaseFailed = "failed: "
	// PhaseRetrying is a prefix too: the same, but the script tries again.
	PhaseRetrying = "retrying: "
)
