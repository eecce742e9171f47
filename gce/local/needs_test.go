package local

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLackingAtOnce: what real machines need and the host has not is told before
// anything is built, all of it, each with what brings it.
func TestLackingAtOnce(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "not", "yet")
	has := func(programs ...string) func(string) (string, error) {
		return func(p string) (string, error) {
			for _, x := range programs {
				if x == p {
					return "/usr/sbin/" + p, nil
				}
			}
			return "", &exec.Error{Name: p, Err: exec.ErrNotFound}
		}
	}
	room := func(n uint64) func(string) (uint64, error) { return func(string) (uint64, error) { return n, nil } }
	for _, tt := range []struct {
		name  string
		host  aHost
		wants []string
	}{
		{"all there", aHost{has("runc", "nft", "mmdebstrap"), room(buildRoom)}, nil},
		{"nothing", aHost{has(), room(buildRoom - 1)}, []string{
			"apt-get install runc", "apt-get install nftables", "apt-get install mmdebstrap debian-archive-keyring", "HAKUBE_CACHE_DIR"}},
		{"no room", aHost{has("runc", "nft", "mmdebstrap"), room(1 << 20)}, []string{"HAKUBE_CACHE_DIR"}},
		{"one tool", aHost{has("nft", "mmdebstrap"), room(buildRoom)}, []string{"apt-get install runc"}},
	} {
		var got []string
		if all, ok := lacking(cache, tt.host).(interface{ Unwrap() []error }); ok {
			for _, err := range all.Unwrap() {
				var lack *lackError
				if errors.As(err, &lack) {
					got = append(got, lack.Hint())
				}
			}
		}
		if len(got) != len(tt.wants) {
			t.Errorf("%s: %q", tt.name, got)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], tt.wants[i]) {
				t.Errorf("%s: %q, want %q", tt.name, got[i], tt.wants[i])
			}
		}
	}
	if free, err := freeRoom(cache); err != nil || free == 0 {
		t.Errorf("room for a directory that is not there yet: %d, %v", free, err)
	}
}
