package scripts

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// What is sent over ssh for masters to join and leave; the rules are those of
// scripts.go, and each answers one line of JSON.
var (
	//go:embed etcd-member.sh
	// EtcdMember changes who is in a ring.
	EtcdMember string

	//go:embed etcd-space.sh
	// EtcdSpace has a ring take writes again.
	EtcdSpace string

	//go:embed tend-machine.sh
	// TendMachine sees to a master's data disk and its clock.
	TendMachine string

	//go:embed drill.sh
	// Drill makes a failure of a machine on purpose, and takes it back.
	Drill string

	//go:embed export-keys.sh
	// ExportKeys prints the cluster's certificate authorities.
	ExportKeys string

	// StartEtcd starts a machine's member of a ring that it joins.
	StartEtcd = withFunctions("start-etcd", startEtcd)
	// JoinControlPlane makes a prepared machine a master.
	JoinControlPlane = withFunctions("join-control-plane", joinControlPlane)
	// Retire ends a master that leaves.
	Retire = withFunctions("retire", retire)

	// ReviveEtcd starts members that do not run, as far as they have data.
	ReviveEtcd = withFunctions("revive-etcd", reviveEtcd)
	// ReviveAPI restarts an API server that is not ready.
	ReviveAPI = withFunctions("revive-api", reviveAPI)
	// RegisterNode makes a master's Node again.
	RegisterNode = withFunctions("register-node", registerNode)
	// RotateCertificates makes a master's leaf certificates anew.
	RotateCertificates = withFunctions("rotate-certificates", newLeaf+startsAnew+rotateCertificates)
	// OldSecrets asks which Secrets etcd has by another key than a rotation's.
	OldSecrets = withFunctions("old-secrets", secretsBy+oldSecrets)
	// ForceRing makes a master's member the only one of its ring.
	ForceRing = withFunctions("force-ring", forceRing)

	// Backup prints a backup of the cluster, encrypted.
	Backup = header("backup") + "# shellcheck disable=SC2030,SC2031\nset -euo pipefail\nexport_keys() (\n" + ExportKeys + ")\n" + snapshots + backup
	// KeepRings keeps snapshots of both rings on a master's own disk.
	KeepRings = header("keep-rings") + "set -euo pipefail\n" + snapshots + keepRings
	// LookVersions says what a master runs, and whether another version is to be had there.
	LookVersions = withFunctions("versions", lookVersions)
	// SettleVersion brings what kubeadm keeps in the cluster to a master's version.
	SettleVersion = withFunctions("settle-version", settleVersion)
	// SettleAddress brings what a restored cluster tells of its API to this one's address.
	SettleAddress = withFunctions("settle-address", settleAddress)
	// Restore makes a machine's members those of a backup, which follows the script.
	Restore = withFunctions("restore", restore)
)

var (
	//go:embed import-keys.sh
	importKeys string
	//go:embed start-etcd.sh
	startEtcd string
	//go:embed join-control-plane.sh
	joinControlPlane string
	//go:embed retire.sh
	retire string
	//go:embed revive-etcd.sh
	reviveEtcd string
	//go:embed revive-api.sh
	reviveAPI string
	//go:embed register-node.sh
	registerNode string
	//go:embed rotate-certificates.sh
	rotateCertificates string
	//go:embed secrets-by.sh
	secretsBy string
	//go:embed old-secrets.sh
	oldSecrets string
	//go:embed encryption-key.sh
	encryptionKey string
	//go:embed new-leaf.sh
	newLeaf string
	//go:embed authority.sh
	authority string
	//go:embed next-authority.sh
	nextAuthority string
	//go:embed etcd-authority.sh
	etcdAuthority string
	//go:embed starts-anew.sh
	startsAnew string
	//go:embed service-account-key.sh
	serviceAccountKey string
	//go:embed force-ring.sh
	forceRing string
	//go:embed backup.sh
	backup string
	//go:embed snapshots.sh
	snapshots string
	//go:embed keep-rings.sh
	keepRings string
	//go:embed versions.sh
	lookVersions string
	//go:embed settle-version.sh
	settleVersion string
	//go:embed settle-address.sh
	settleAddress string
	//go:embed restore.sh
	restore string
)

// functions are those of the startup-script.
var functions = concat(func(file string) bool { return file != lastFile })

// withFunctions puts a script behind the functions of the startup-script, so
// that a master that joins is made of what a first one is made of.
func withFunctions(name, text string) string {
	return header(name) + functions + text
}

func header(name string) string { return "#!/usr/bin/env bash\n# hakube: " + name + "\n" }

// EncryptionFile is what Secrets are encrypted with, below the data disk.
const EncryptionFile = "kubernetes/pki/encryption.yaml"

// EncryptionKey brings a master a stage further in exchanging the key that Secrets are
// encrypted with; have is another master's EncryptionFile, nil where none has the new key
// yet. It holds keys: it is for one connection, and never for a log.
func EncryptionKey(have []byte) string {
	return withFunctions("encryption-key", "HAVE="+base64.StdEncoding.EncodeToString(have)+"\n"+secretsBy+encryptionKey)
}

// Files of the key that tokens of service accounts are signed with, below the data disk: the
// one that does, and the one that will.
const (
	TokenKeyFile    = "kubernetes/pki/sa.key"
	NewTokenKeyFile = "kubernetes/pki/sa-new.key"
)

// ServiceAccountKey brings a master a stage further in exchanging that key; have is the new one
// as another master has it, nil where none does. It holds a key, as EncryptionKey does.
func ServiceAccountKey(have []byte) string {
	return withFunctions("service-account-key", "HAVE="+base64.StdEncoding.EncodeToString(have)+"\n"+startsAnew+serviceAccountKey)
}

// Files of the cluster's certificate authority, below the data disk: the one that signs, whose
// certificate may have others behind it that are trusted, and the one that will.
const (
	AuthorityFile        = "kubernetes/pki/ca.crt"
	AuthorityKeyFile     = "kubernetes/pki/ca.key"
	NextAuthorityFile    = "kubernetes/pki/ca-next.crt"
	NextAuthorityKeyFile = "kubernetes/pki/ca-next.key"
)

// Authority brings a master a stage further in exchanging the cluster's certificate authority;
// have and key are the new one as another master has it, nil where none does. It holds a key,
// as EncryptionKey does.
func Authority(have, key []byte) string {
	b64 := base64.StdEncoding.EncodeToString
	return withFunctions("authority", "HAVE="+b64(key)+"\nHAVE_CERTIFICATE="+b64(have)+"\n"+newLeaf+startsAnew+nextAuthority+authority)
}

// Files of the authority of both rings, below the data disk, as those of the cluster's.
const (
	EtcdAuthorityFile        = "etcd/pki/ca.crt"
	EtcdAuthorityKeyFile     = "etcd/pki/ca.key"
	NextEtcdAuthorityFile    = "etcd/pki/ca-next.crt"
	NextEtcdAuthorityKeyFile = "etcd/pki/ca-next.key"
)

// EtcdAuthority does the same with the authority of both rings.
func EtcdAuthority(have, key []byte) string {
	b64 := base64.StdEncoding.EncodeToString
	return withFunctions("etcd-authority", "HAVE="+b64(key)+"\nHAVE_CERTIFICATE="+b64(have)+"\n"+newLeaf+nextAuthority+etcdAuthority)
}

// Keys are what ExportKeys prints.
type Keys struct {
	Version string            `json:"version"` // of Kubernetes
	Files   map[string][]byte `json:"files"`   // by name below the data disk
	// Founding tells that there are none yet: the control plane is being founded.
	Founding bool `json:"founding,omitempty"`
}

var (
	keyFile    = regexp.MustCompile(`^((kubernetes|etcd)/pki/[a-z-]+\.(crt|key|pub)|kubernetes/pki/encryption\.yaml)$`)
	keyVersion = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*$`)
)

// ImportKeys is the script that writes what ExportKeys printed on another
// machine. It holds private keys: it is for one connection, and never for a log.
func ImportKeys(exported []byte) (string, error) {
	var k Keys
	if err := json.Unmarshal(exported, &k); err != nil {
		return "", fmt.Errorf("reading the keys of a master: %w", err)
	}
	if !keyVersion.MatchString(k.Version) {
		return "", fmt.Errorf("reading the keys of a master: %q is no version", k.Version)
	}
	if len(k.Files) == 0 {
		return "", fmt.Errorf("reading the keys of a master: there are none")
	}
	var b strings.Builder
	b.WriteString(header("import-keys") + importKeys)
	var keys strings.Builder
	for _, name := range slices.Sorted(maps.Keys(k.Files)) {
		if !keyFile.MatchString(name) {
			return "", fmt.Errorf("reading the keys of a master: %q is none of them", name)
		}
		text := base64.StdEncoding.EncodeToString(k.Files[name])
		if strings.HasSuffix(name, "/ca.crt") {
			fmt.Fprintf(&b, "authority %s %s\n", name, text)
		}
		fmt.Fprintf(&keys, "key %s %s\n", name, text)
	}
	b.WriteString(keys.String())
	fmt.Fprintf(&b, "version %s\nprintf '{\"imported\":%%d}\\n' \"$count\"\n", k.Version)
	return b.String(), nil
}
