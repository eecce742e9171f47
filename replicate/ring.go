package replicate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"hakube/scripts"
)

// The two etcd rings that every master has a member of.
const (
	RingMain   = "main"   // all of Kubernetes but
	RingEvents = "events" // its events
)

// A MemberID is etcd's name for a member: up to 16 hexadecimal digits.
type MemberID string

// A Ring is an etcd cluster as one of its members sees it.
type Ring struct {
	// ID is the member that was asked, "" if it did not say.
	ID      MemberID `json:"id"`
	Learner bool     `json:"learner"` // that member has no vote
	Index   int64    `json:"index"`   // of the newest raft entry it has applied, 0 if unknown
	// Bytes is what the member has on disk, 0 if unknown. It grows while one that
	// joins is sent the ring's data, before it takes any question.
	Bytes   int64    `json:"bytes"`
	Members []Member `json:"members"`
	Leader  MemberID `json:"leader"` // "" while there is none
	// Healthy: the ring just agreed on something through this member. If not,
	// the rest is what the member remembers, and Error says why.
	Healthy  bool   `json:"healthy"`
	Revision int64  `json:"revision"` // of the newest change
	Error    string `json:"error"`

	// Alarms are the ring's, which takes no writes while it has one, as this member
	// remembers them.
	Alarms []Alarm `json:"alarms"`
	// Bytes of the member's database: the file, what of it is in use, and how large it
	// may be; 0 if unknown.
	Size  int64 `json:"size"`
	InUse int64 `json:"inUse"`
	Quota int64 `json:"quota"`
	// Writes is what the ring said against a write through this member, "" if it took
	// it or was not asked. See [Look].
	Writes string `json:"writes"`
}

// A Member is one etcd in a ring.
type Member struct {
	ID       MemberID `json:"id"`
	Name     string   `json:"name"` // "" until it has started once
	PeerURLs []string `json:"peerURLs"`
	Learner  bool     `json:"learner"` // has no vote
}

// ByPeerURL finds the member that is reached by a peer URL. It is the only way
// to find one that has not started.
func (r Ring) ByPeerURL(peerURL string) (Member, bool) {
	for _, m := range r.Members {
		if slices.Contains(m.PeerURLs, peerURL) {
			return m, true
		}
	}
	return Member{}, false
}

// A Master is what a master's machine says of both its members and of itself.
type Master struct {
	Rings map[string]Ring `json:"rings"`
	Disk  Disk            `json:"disk"`
	Clock Clock           `json:"clock"`
	// Certificates are what the master shows to others, where it was asked for all.
	Certificates []Certificate `json:"certificates"`
	// Rotated is which rotation of them was done there last, "" of none.
	Rotated    string     `json:"rotated"`
	Encryption Encryption `json:"encryption"`
	TokenKey   TokenKey   `json:"serviceAccount"`
	Authority  Authority  `json:"authority"`
	// EtcdAuthority is that of both rings, without a name.
	EtcdAuthority Authority `json:"etcdAuthority"`
}

// Encryption is what a master encrypts Secrets with in etcd.
type Encryption struct {
	// Keys are the names of its keys, the one for what is written first; none where Secrets
	// are not encrypted, or otherwise than by hakube.
	Keys []string `json:"keys"`
	// Rotation is which exchange of the key was done there last, Stage how far; "" of none.
	Rotation string          `json:"rotation"`
	Stage    EncryptionStage `json:"stage"`
}

// TokenKey is what a master signs tokens of service accounts with.
type TokenKey struct {
	Signs string `json:"signs"` // how tokens name it, "" unless all was asked for
	Keys  int    `json:"keys"`  // by which tokens are taken
	// Rotation is which exchange of the key was done there last, Stage how far; "" of none.
	Rotation string `json:"rotation"`
	Stage    string `json:"stage"`
}

// An Authority is the cluster's certificate authority, as a master has it.
type Authority struct {
	// Signs is how kubeadm names the one that signs, "sha256:…"; "" unless all was asked for.
	Signs  string `json:"signs"`
	Trusts int    `json:"trusts"` // how many are trusted, the one that signs among them
	// Rotation is which exchange of it was done there last, Stage how far; "" of none.
	Rotation string `json:"rotation"`
	Stage    string `json:"stage"`
}

// Rings asks the members on a master about both rings.
func Rings(ctx context.Context, r *Runner, h Host) (map[string]Ring, error) {
	m, err := Glance(ctx, r, h)
	return m.Rings, err
}

// Glance is Look without the writes: what is asked again and again.
func Glance(ctx context.Context, r *Runner, h Host) (Master, error) { return look(ctx, r, h) }

// Look asks a master about all there is to know, and both rings for a write in which
// no key changes.
func Look(ctx context.Context, r *Runner, h Host) (Master, error) { return look(ctx, r, h, "writes") }

func look(ctx context.Context, r *Runner, h Host, how ...string) (Master, error) {
	begin := time.Now()
	out, err := r.Run(ctx, h, scripts.EtcdStatus, how...)
	end := time.Now()
	if err != nil {
		return Master{}, err
	}
	m, err := parseMaster(out)
	if err != nil {
		return Master{}, fmt.Errorf("reading etcd-status of %s: %w", h.Name, err)
	}
	m.Clock.Read(begin, end)
	return m, nil
}

// parseMaster reads what scripts.EtcdStatus prints, and takes nothing for
// granted: decisions on membership are made from it.
func parseMaster(text []byte) (status Master, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&status); err != nil {
		return status, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return status, errors.New("more than one JSON value")
	}
	if len(status.Rings) != 2 {
		return status, fmt.Errorf("%d rings, not 2", len(status.Rings))
	}
	for _, name := range []string{RingMain, RingEvents} {
		ring, ok := status.Rings[name]
		if !ok {
			return status, fmt.Errorf("no ring %s", name)
		}
		if err := ring.check(); err != nil {
			return status, fmt.Errorf("ring %s: %w", name, err)
		}
		if ring.Healthy && ring.Leader == "" { // an election began in between
			ring.Healthy, ring.Error = false, "no leader"
			status.Rings[name] = ring
		}
	}
	if !rotation.MatchString(status.Rotated) {
		return status, fmt.Errorf("%.100q is no rotation of certificates", status.Rotated)
	}
	if x := status.Encryption; !rotation.MatchString(x.Rotation) || x.Stage != "" && !slices.Contains(EncryptionStages, x.Stage) {
		return status, fmt.Errorf("%.100q %.100q is no exchange of an encryption key", x.Rotation, x.Stage)
	}
	if x := status.TokenKey; !rotation.MatchString(x.Rotation) || x.Stage != "" && !slices.Contains(TokenStages, x.Stage) || !tokenKeyID.MatchString(x.Signs) {
		return status, fmt.Errorf("%.100q %.100q of %.100q is no exchange of the key of service accounts", x.Rotation, x.Stage, x.Signs)
	}
	for what, x := range map[string]Authority{"the certificate authority": status.Authority, "the authority of rings": status.EtcdAuthority} {
		if !rotation.MatchString(x.Rotation) || x.Stage != "" && !slices.Contains(TokenStages, x.Stage) || !authorityID.MatchString(x.Signs) {
			return status, fmt.Errorf("%.100q %.100q of %.100q is no exchange of %s", x.Rotation, x.Stage, x.Signs, what)
		}
	}
	return status, status.Disk.check()
}

// authorityID is how kubeadm names an authority.
var authorityID = regexp.MustCompile(`^(sha256:[0-9a-f]{64})?$`)

// tokenKeyID is how a token names the key that it is signed with.
var tokenKeyID = regexp.MustCompile(`^[A-Za-z0-9_-]{0,64}$`)

// rotation is what one is called: when it was begun.
var rotation = regexp.MustCompile(`^[0-9]{0,18}$`)

// What a member may be called and where it may be reached: it gets into the
// command lines and files of other masters.
var (
	memberName = regexp.MustCompile(`^[A-Za-z0-9._-]{0,253}$`)
	peerURL    = regexp.MustCompile(`^https://([A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$`)
)

var memberID = regexp.MustCompile(`^[1-9a-f][0-9a-f]{0,15}$`)

// check finds what cannot be.
func (r Ring) check() error {
	ids, peers := map[MemberID]bool{}, map[string]MemberID{}
	var leader *Member
	for i, m := range r.Members {
		if !memberID.MatchString(string(m.ID)) {
			return fmt.Errorf("%q is not a member's id", m.ID)
		}
		if ids[m.ID] {
			return fmt.Errorf("member %s twice", m.ID)
		}
		ids[m.ID] = true
		if !memberName.MatchString(m.Name) {
			return fmt.Errorf("member %s: %.100q is not a member's name", m.ID, m.Name)
		}
		if len(m.PeerURLs) == 0 {
			return fmt.Errorf("member %s has no peer URL", m.ID)
		}
		for _, p := range m.PeerURLs {
			if !peerURL.MatchString(p) {
				return fmt.Errorf("member %s: %.100q is not a peer URL", m.ID, p)
			}
			if other, taken := peers[p]; taken {
				return fmt.Errorf("members %s and %s share the peer URL %s", other, m.ID, p)
			}
			peers[p] = m.ID
		}
		if m.ID == r.Leader {
			leader = &r.Members[i]
		}
	}
	switch {
	case r.Leader != "" && !memberID.MatchString(string(r.Leader)):
		return fmt.Errorf("the leader %q is not a member's id", r.Leader)
	case r.Leader != "" && len(r.Members) > 0 && leader == nil:
		return fmt.Errorf("the leader %s is not a member", r.Leader)
	case leader != nil && leader.Learner:
		return fmt.Errorf("the leader %s is a learner", r.Leader)
	case r.Healthy && len(r.Members) == 0:
		return errors.New("healthy, without members")
	case r.Healthy && r.Error != "":
		return fmt.Errorf("healthy, with error %q", r.Error)
	case r.Revision < 0:
		return fmt.Errorf("revision %d", r.Revision)
	case r.Size < 0 || r.InUse < 0 || r.Quota < 0:
		return fmt.Errorf("a database of %d bytes, %d in use, %d allowed", r.Size, r.InUse, r.Quota)
	}
	return checkAlarms(r.Alarms)
}
