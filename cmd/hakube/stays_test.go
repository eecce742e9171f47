//go:build linux

package main

import (
	"strings"
	"testing"
)

// TestGcloudStays: what gcloud asks besides Compute Engine is asked of the daemon, which
// refuses it: a tunnel of IAP, which is how it reaches machines without an external
// address, and any other service of Google's.
func TestGcloudStays(t *testing.T) {
	besideOthers(t)
	if testing.Short() || !installed("gcloud") {
		t.Skip("needs gcloud, and seconds for each command")
	}
	s := newShell(t)
	s.ok(t, "local", "start", "--machines=model")
	s.gcloud(t, "instances create m --no-address --zone="+zoneB+" --machine-type=e2-small --image-family=debian-12 --image-project=debian-cloud")
	for _, c := range []struct{ words, said string }{
		{"compute start-iap-tunnel m 22 --zone=" + zoneB, "failed CONNECT via proxy"},
		{"compute ssh u@m --tunnel-through-iap --ssh-key-expire-after=1s --zone=" + zoneB + " --command=true --dry-run", "start-iap-tunnel"},
		{"pubsub topics list", "Tunnel connection failed"},
	} {
		out, code := s.typed(t, t.TempDir(), "sh", "-c", `eval "$($H local env)" && gcloud --quiet `+c.words+" 2>&1")
		if !strings.Contains(out, c.said) || code == 0 && !strings.Contains(c.words, "dry-run") {
			t.Errorf("gcloud %s: %d %s", c.words, code, out)
		}
	}
}
