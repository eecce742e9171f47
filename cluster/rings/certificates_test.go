package rings

import (
	"slices"
	"testing"
	"time"

	"hakube/replicate"
)

// TestCertificatesEnd: who is told, and when: from 30 days before, by name, the first to
// end first, and otherwise nobody.
func TestCertificatesEnd(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return now.AddDate(0, 0, n) }
	s := &Survey{Certificates: map[string][]replicate.Certificate{
		"b": {{Name: "ca", Ends: day(3650)}, {Name: "apiserver", Ends: day(30)}, {Name: "admin.conf", Ends: day(2)}},
		"a": {{Name: "etcd/server", Ends: now}, {Name: "etcd/peer", Ends: now.Add(time.Second)}},
		"c": {{Name: "ca", Ends: now.Add(EndsSoon + time.Second)}},
	}}
	if got, want := s.Ending(now), []string{
		"certificates of a end: etcd/peer on 2026-11-29", "certificates of b end: admin.conf on 2026-12-01, apiserver on 2026-12-29",
	}; !slices.Equal(got, want) {
		t.Errorf("ending: %q, want %q", got, want)
	}
	if got, want := s.Ended(now), []string{"certificates of a ended: etcd/server on 2026-11-29"}; !slices.Equal(got, want) {
		t.Errorf("ended: %q, want %q", got, want)
	}
	var names []string
	for _, c := range s.CertificatesOf() {
		names = append(names, c.Master+" "+c.Name)
	}
	if want := []string{"a etcd/server", "a etcd/peer", "b admin.conf", "b apiserver", "c ca", "b ca"}; !slices.Equal(names, want) {
		t.Errorf("in order: %q, want %q", names, want)
	}
	if list := new(Survey).CertificatesOf(); list == nil || len(list) != 0 {
		t.Errorf("of none: %v", list)
	}
}
