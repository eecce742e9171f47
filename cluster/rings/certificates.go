package rings

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"hakube/replicate"
)

// A CertificateStatus is one that a master shows to others, by its file's name.
type CertificateStatus struct {
	Master string `json:"master"`
	Name   string `json:"name"` // "apiserver", "admin.conf", "etcd/server" …
	// Ends is the last moment at which anybody takes it.
	Ends time.Time `json:"ends"`
}

// CertificatesOf lists those of all masters that were asked, the first to end first.
func (s *Survey) CertificatesOf() []CertificateStatus {
	list := []CertificateStatus{}
	for _, master := range slices.Sorted(maps.Keys(s.Certificates)) {
		for _, c := range s.Certificates[master] {
			list = append(list, CertificateStatus{master, c.Name, c.Ends})
		}
	}
	slices.SortStableFunc(list, func(a, b CertificateStatus) int { return a.Ends.Compare(b.Ends) })
	return list
}

// ClusterAuthority and EtcdAuthority are those that hakube exchanges.
const ClusterAuthority, EtcdAuthority = "ca", "etcd/ca"

// authorities are those that sign others, by their files' names.
var authorities = []string{ClusterAuthority, "front-proxy-ca", EtcdAuthority}

// AuthoritiesEnding are those of which a master has told that they end within [EndsSoon], or
// have ended: what they sign ends with them.
func (s *Survey) AuthoritiesEnding(now time.Time) (list []CertificateStatus) {
	for _, c := range s.CertificatesOf() {
		if slices.Contains(authorities, c.Name) && c.Ends.Sub(now) <= EndsSoon {
			list = append(list, c)
		}
	}
	return list
}

// EndsSoon is how long before the end of a certificate a person is told of it.
const EndsSoon = 30 * 24 * time.Hour

// Ending is a line for each master with certificates that end within [EndsSoon].
func (s *Survey) Ending(now time.Time) []string {
	return s.certificates(now, func(left time.Duration) bool { return left > 0 && left <= EndsSoon }, "end")
}

// Ended is a line for each master with certificates that nobody takes any more.
func (s *Survey) Ended(now time.Time) []string {
	return s.certificates(now, func(left time.Duration) bool { return left <= 0 }, "ended")
}

func (s *Survey) certificates(now time.Time, want func(left time.Duration) bool, verb string) (lines []string) {
	for _, master := range slices.Sorted(maps.Keys(s.Certificates)) {
		list := slices.DeleteFunc(slices.Clone(s.Certificates[master]), func(c replicate.Certificate) bool { return !want(c.Ends.Sub(now)) })
		if len(list) == 0 {
			continue
		}
		slices.SortStableFunc(list, func(a, b replicate.Certificate) int { return a.Ends.Compare(b.Ends) })
		var names []string
		for _, c := range list {
			names = append(names, c.Name+" on "+c.Ends.Format(time.DateOnly))
		}
		lines = append(lines, fmt.Sprintf("certificates of %s %s: %s", master, verb, strings.Join(names, ", ")))
	}
	return lines
}

// KeyStage is how far a master has come in a rotation of the key that Secrets are encrypted
// with, "" before its first stage.
func (s *Survey) KeyStage(master, rotation string) replicate.EncryptionStage {
	x := s.Encryption[master]
	if x.Rotation != rotation {
		return ""
	}
	return x.Stage
}

// TokenStage is how far a master has come in a rotation of the key that tokens of service
// accounts are signed with, "" before its first stage.
func (s *Survey) TokenStage(master, rotation string) string {
	x := s.TokenKeys[master]
	if x.Rotation != rotation {
		return ""
	}
	return x.Stage
}

// AuthorityStage is how far a master has come in a rotation of the cluster's certificate
// authority, "" before its first stage.
func (s *Survey) AuthorityStage(master, rotation string) string {
	x := s.Authorities[master]
	if x.Rotation != rotation {
		return ""
	}
	return x.Stage
}

// EtcdAuthorityStage is that of the authority of both rings.
func (s *Survey) EtcdAuthorityStage(master, rotation string) string {
	x := s.EtcdAuthorities[master]
	if x.Rotation != rotation {
		return ""
	}
	return x.Stage
}

// Signing is the authority that signs, as kubeadm names it; "" while masters differ, or none
// has told.
func (s *Survey) Signing() (id string) {
	for _, x := range s.Authorities {
		switch {
		case x.Signs == "" || id != "" && x.Signs != id:
			return ""
		}
		id = x.Signs
	}
	return id
}
