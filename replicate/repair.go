package replicate

import (
	"context"
	"fmt"
	"regexp"

	"hakube/scripts"
)

// Revived is what came of [ReviveEtcd].
type Revived struct {
	// Disk: the data disk can be read and written. If not, nothing was tried.
	Disk  bool                   `json:"disk"`
	Rings map[string]RevivedRing `json:"rings"`
}

// A RevivedRing is the machine's own member of a ring.
type RevivedRing struct {
	State string `json:"state"` // one of the constants below
	Error string `json:"error"` // etcd's last word, if it ends
}

// States of a member, as far as its own machine can tell.
const (
	RingNone = "none" // the machine is no master yet, and was not told to join the ring
	RingRuns = "runs" // whether or not it reaches the others
	RingLost = "lost" // its data are gone
	RingEnds = "ends" // each time it is started
)

// ReviveEtcd starts those members of a master that do not run and have data. It
// waits for the startup-script to be through. No data are touched.
func ReviveEtcd(ctx context.Context, r *Runner, on Host) (x Revived, err error) {
	err = r.ask(ctx, on, scripts.ReviveEtcd, &x)
	for _, ring := range []string{RingMain, RingEvents} {
		switch x.Rings[ring].State {
		case RingNone, RingRuns, RingLost, RingEnds:
		default:
			if err == nil {
				err = fmt.Errorf("reading revive-etcd of %s: ring %s is %q", on.Name, ring, x.Rings[ring].State)
			}
		}
	}
	return x, err
}

// ReviveAPI restarts the API server of a master if it is not ready, and then its
// kubelet; ready is false when that did not help.
func ReviveAPI(ctx context.Context, r *Runner, on Host) (ready bool, err error) {
	var answer struct {
		Ready bool `json:"ready"`
	}
	err = r.ask(ctx, on, scripts.ReviveAPI, &answer)
	return answer.Ready, err
}

// RegisterNode has a master's kubelet make its Node again, which somebody deleted.
func RegisterNode(ctx context.Context, r *Runner, on Host) error {
	var answer struct {
		Registered bool `json:"registered"`
	}
	err := r.ask(ctx, on, scripts.RegisterNode, &answer)
	if err == nil && !answer.Registered {
		err = fmt.Errorf("reading register-node of %s: it is no Node", on.Name)
	}
	return err
}

// RotateCertificates has a master make its leaf certificates anew, by the authorities it
// has. That it has done so in that rotation it keeps, and does it once.
func RotateCertificates(ctx context.Context, r *Runner, on Host, rotation string) error {
	var answer struct {
		Rotated string `json:"rotated"`
	}
	err := r.ask(ctx, on, scripts.RotateCertificates, &answer, rotation)
	if err == nil && answer.Rotated != rotation {
		err = fmt.Errorf("reading rotate-certificates of %s: it has done rotation %.20q", on.Name, answer.Rotated)
	}
	return err
}

// An EncryptionStage is how far a master is in exchanging the key that Secrets are encrypted
// with.
type EncryptionStage string

// Stages of an exchange, in their order.
const (
	KeyBehind EncryptionStage = "behind" // the new key can be read
	KeyFirst  EncryptionStage = "first"  // it is used for what is written
	KeyAlone  EncryptionStage = "alone"  // there is no other
)

// EncryptionStages are all, in their order.
var EncryptionStages = []EncryptionStage{KeyBehind, KeyFirst, KeyAlone}

// ExchangeKey brings a master to a stage of a rotation of the key that Secrets are encrypted
// with. The new one is that of the master that has it, or else is made there; from is nil if
// none has. It passes through this process' memory and is written nowhere on the way.
func ExchangeKey(ctx context.Context, r *Runner, from *Host, to Host, stage EncryptionStage, rotation string) error {
	var have scripts.Keys
	if from != nil {
		var err error
		if _, have, err = readKeys(ctx, r, *from); err != nil {
			return err
		}
		if len(have.Files[scripts.EncryptionFile]) == 0 {
			return fmt.Errorf("reading export-keys of %s: it has no %s", from.Name, scripts.EncryptionFile)
		}
	}
	var answer struct {
		Encryption string `json:"encryption"`
	}
	err := r.ask(ctx, to, scripts.EncryptionKey(have.Files[scripts.EncryptionFile]), &answer, string(stage), rotation)
	if want := rotation + " " + string(stage); err == nil && answer.Encryption != want {
		err = fmt.Errorf("reading encryption-key of %s: it is at %.40q, not at %q", to.Name, answer.Encryption, want)
	}
	return err
}

// Stages of an exchange of the key that tokens of service accounts are signed with.
const (
	TokenKeyTrusted = "trusted" // tokens by the new one are taken
	TokenKeySigns   = "signs"   // it signs; those by the old one are taken
	TokenKeyAlone   = "alone"   // those by the old one are not
)

// TokenStages are all, in their order.
var TokenStages = []string{TokenKeyTrusted, TokenKeySigns, TokenKeyAlone}

// ExchangeTokenKey brings a master to a stage of a rotation of the key that tokens of service
// accounts are signed with. The new one is that of the master that has it, which signs with it
// already or does not; from is nil if none has: then it is made there.
func ExchangeTokenKey(ctx context.Context, r *Runner, from *Host, to Host, stage, rotation string) error {
	var have []byte
	if from != nil {
		_, k, err := readKeys(ctx, r, *from)
		if err != nil {
			return err
		}
		if have = k.Files[scripts.NewTokenKeyFile]; len(have) == 0 {
			have = k.Files[scripts.TokenKeyFile]
		}
	}
	var answer struct {
		At string `json:"serviceAccount"`
	}
	err := r.ask(ctx, to, scripts.ServiceAccountKey(have), &answer, stage, rotation)
	if want := rotation + " " + stage; err == nil && answer.At != want {
		err = fmt.Errorf("reading service-account-key of %s: it is at %.40q, not at %q", to.Name, answer.At, want)
	}
	return err
}

// ExchangeAuthority brings a master to a stage ([TokenStages]) of a rotation of the cluster's
// certificate authority. The new one is that of the master that has it, which signs with it
// already or does not; from is nil if none has: then it is made there.
func ExchangeAuthority(ctx context.Context, r *Runner, from *Host, to Host, stage, rotation string) error {
	cert, key, err := r.authorityOf(ctx, from, scripts.NextAuthorityFile, scripts.NextAuthorityKeyFile, scripts.AuthorityFile, scripts.AuthorityKeyFile)
	if err != nil {
		return err
	}
	var answer struct {
		At string `json:"authority"`
	}
	err = r.ask(ctx, to, scripts.Authority(cert, key), &answer, stage, rotation)
	if want := rotation + " " + stage; err == nil && answer.At != want {
		err = fmt.Errorf("reading authority of %s: it is at %.40q, not at %q", to.Name, answer.At, want)
	}
	return err
}

// authorityOf is the authority that a master has, of the files which come first those that are
// there; none of no master.
func (r *Runner) authorityOf(ctx context.Context, from *Host, files ...string) (cert, key []byte, err error) {
	if from == nil {
		return nil, nil, nil
	}
	_, k, err := readKeys(ctx, r, *from)
	if err != nil {
		return nil, nil, err
	}
	for ; len(files) > 1; files = files[2:] {
		if cert, key = k.Files[files[0]], k.Files[files[1]]; len(cert) > 0 && len(key) > 0 {
			return cert, key, nil
		}
	}
	return nil, nil, fmt.Errorf("reading export-keys of %s: it has no %s", from.Name, files)
}

// ExchangeEtcdAuthority does what ExchangeAuthority does with the authority of both rings. The only
// master comes to TokenKeyAlone at once.
func ExchangeEtcdAuthority(ctx context.Context, r *Runner, from *Host, to Host, stage, rotation string, only bool) error {
	cert, key, err := r.authorityOf(ctx, from, scripts.NextEtcdAuthorityFile, scripts.NextEtcdAuthorityKeyFile, scripts.EtcdAuthorityFile, scripts.EtcdAuthorityKeyFile)
	if err != nil {
		return err
	}
	var answer struct {
		At string `json:"etcdAuthority"`
	}
	verb := stage
	if only {
		verb = "only"
	}
	err = r.ask(ctx, to, scripts.EtcdAuthority(cert, key), &answer, verb, rotation)
	if want := rotation + " " + stage; err == nil && answer.At != want {
		err = fmt.Errorf("reading etcd-authority of %s: it is at %.40q, not at %q", to.Name, answer.At, want)
	}
	return err
}

// secretName is a Secret's, behind its namespace.
var secretName = regexp.MustCompile(`^[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}$`)

// OldSecrets asks a master which Secrets etcd has by another key than a rotation's, as
// NAMESPACE/NAME; left is how many there are, and not all need be named.
func OldSecrets(ctx context.Context, r *Runner, on Host, rotation string) (names []string, left int, err error) {
	var answer struct {
		Secrets []string `json:"secrets"`
		Left    int      `json:"left"`
	}
	err = r.ask(ctx, on, scripts.OldSecrets, &answer, rotation)
	for _, name := range answer.Secrets {
		if err == nil && !secretName.MatchString(name) {
			err = fmt.Errorf("reading old-secrets of %s: %.100q is no Secret's name", on.Name, name)
		}
	}
	if err == nil && (len(answer.Secrets) > answer.Left || answer.Left > 0 && len(answer.Secrets) == 0) {
		err = fmt.Errorf("reading old-secrets of %s: it names %d Secrets of %d", on.Name, len(answer.Secrets), answer.Left)
	}
	return answer.Secrets, answer.Left, err
}

// ForceRing makes a master's member the only one of its ring, as etcd's
// --force-new-cluster does. The machines of all others must be gone: two parts of
// a ring that both go on never agree again.
func ForceRing(ctx context.Context, r *Runner, on Host, ring string) error {
	var answer struct {
		Alone bool `json:"alone"`
	}
	err := r.ask(ctx, on, scripts.ForceRing, &answer, ring)
	if err == nil && !answer.Alone {
		err = fmt.Errorf("reading force-ring of %s: it is not alone", on.Name)
	}
	return err
}

// Versions are what a master runs, and what may come of another one there.
type Versions struct {
	Kubernetes string `json:"kubernetes"` // of its control plane, as its data disk has it
	Etcd       string `json:"etcd"`       // that runs
	Brings     string `json:"brings"`     // etcd that a machine would have which is made now
	Missing    string `json:"missing"`    // why the other version is not to be had there, "" if it is
}

// VersionsOn asks a master for them; wanted is the version of Kubernetes that is to be had,
// through a mirror if there is one.
func VersionsOn(ctx context.Context, r *Runner, on Host, wanted, mirror string) (x Versions, err error) {
	if mirror == "" {
		mirror = "-"
	}
	err = r.ask(ctx, on, scripts.LookVersions, &x, wanted, mirror)
	if err == nil && (x.Kubernetes == "" || x.Etcd == "") {
		err = fmt.Errorf("reading the versions of %s: it says %+v", on.Name, x)
	}
	return x, err
}

// KeepRings has a master keep tried snapshots of both rings beside its data, before an
// upgrade to a version. Those that it has of that version are enough, unless again.
func KeepRings(ctx context.Context, r *Runner, on Host, version string, again bool) error {
	args := []string{version}
	if again {
		args = append(args, "again")
	}
	var answer struct {
		Kept string `json:"kept"`
	}
	err := r.ask(ctx, on, scripts.KeepRings, &answer, args...)
	if err == nil && answer.Kept != version {
		err = fmt.Errorf("reading keep-rings of %s: it kept %q", on.Name, answer.Kept)
	}
	return err
}

// SettleVersion brings what kubeadm keeps in the cluster to the version that the master
// runs, and all others too.
func SettleVersion(ctx context.Context, r *Runner, on Host, version string) error {
	var answer struct {
		Settled string `json:"settled"`
	}
	err := r.ask(ctx, on, scripts.SettleVersion, &answer, version)
	if err == nil && answer.Settled != version {
		err = fmt.Errorf("reading settle-version of %s: it settled %q", on.Name, answer.Settled)
	}
	return err
}

// SettleAddress brings what a restored cluster tells of its API to the address that the master
// was made for.
func SettleAddress(ctx context.Context, r *Runner, on Host, address string) error {
	var answer struct {
		Settled string `json:"settled"`
	}
	err := r.ask(ctx, on, scripts.SettleAddress, &answer, address)
	if err == nil && answer.Settled != address {
		err = fmt.Errorf("reading settle-address of %s: it settled %q", on.Name, answer.Settled)
	}
	return err
}
