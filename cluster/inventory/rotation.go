package inventory

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"hakube/scripts/cure"
)

// What a rotation is of: a word that is typed, and of some that the one of before is trusted no
// more.
const (
	RotateCertificates  = "certificates"
	RotateCA            = "ca"
	RotateEncryptionKey = "encryption-key"
	RotateTokenKey      = "service-account-key"
	RotateJoinToken     = "join-token"
	RotateSSH           = "ssh"
	RotateEtcdCA        = "etcd-ca"

	distrusting      = "distrust-"
	DistrustCA       = distrusting + RotateCA
	DistrustTokenKey = distrusting + RotateTokenKey
)

// Rotatable is all that there are rotations of, as it is typed.
var Rotatable = []string{RotateCertificates, RotateCA, RotateEtcdCA, RotateEncryptionKey, RotateTokenKey, RotateJoinToken, RotateSSH}

// Distrustable is that of which the one of before is trusted until somebody ends it.
var Distrustable = []string{RotateCA, RotateTokenKey}

// RotationOf is what a rotation of a word is of, or one that ends what another of it has left.
func RotationOf(word string, distrust bool) string {
	if distrust {
		return distrusting + word
	}
	return word
}

// A Rotation is one that was begun and is not done: of what, and which, by when it was
// begun. It is in the labels of the address, and each master that is through with it keeps
// the same.
type Rotation struct{ Of, ID string }

// RotationKey is the label of a rotation.
const RotationKey = "hakube-rotation"

// Command goes on with it.
func (x Rotation) Command() cure.Command {
	if word, distrusts := x.Distrusts(); distrusts {
		return cure.Distrust(word)
	}
	return cure.Rotate(x.Of)
}

// What it is, for people.
func (x Rotation) What() string {
	if word, distrusts := x.Distrusts(); distrusts {
		return "distrusting the " + word + " of before"
	}
	return "a rotation of " + x.Of
}

// Distrusts tells of what the one of before is trusted no more, if it is one of these.
func (x Rotation) Distrusts() (word string, is bool) { return strings.CutPrefix(x.Of, distrusting) }

// NewRotation is one that begins now.
func NewRotation(of string, now time.Time) Rotation {
	return Rotation{of, strconv.FormatInt(now.UnixMilli(), 10)}
}

// OfNodes tells whether nothing of masters is made anew, but what machines of nodes are given.
func (x *Rotation) OfNodes() bool { return x != nil && x.Of == RotateJoinToken }

// TellsNodes tells whether nodes' metadata are made anew by it, and no master says how far it has come.
func (x *Rotation) TellsNodes() bool { return x.OfNodes() || x != nil && x.Of == RotateSSH }

// Since is when it was begun.
func (x Rotation) Since() time.Time {
	n, _ := strconv.ParseInt(x.ID, 10, 64) // rotationOf takes no other
	return time.UnixMilli(n).UTC()
}

// Label is it as a label.
func (x Rotation) Label() string { return x.Of + "_" + x.ID }

// rotationOf reads labels.
func rotationOf(labels map[string]string) *Rotation {
	of, id, _ := strings.Cut(labels[RotationKey], "_")
	x := Rotation{of, id}
	word, distrusts := x.Distrusts()
	_, err := strconv.ParseInt(id, 10, 64)
	if err != nil || !slices.Contains(Rotatable, of) && !(distrusts && slices.Contains(Distrustable, word)) {
		return nil
	}
	return &x
}
