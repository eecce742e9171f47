package emulator

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// ssh has gcloud prepare an ssh, without connecting: there is nothing behind
// this machine. What it says to ssh is what verifies the host: keys from the
// guest attributes, and no others.
func (g *gcloud) ssh(machine doc.Obj) {
	g.t.Helper()
	name, home := doc.Str(machine, "name"), ""
	for _, kv := range g.env {
		if v, ok := strings.CutPrefix(kv, "HOME="); ok {
			home = v // the last one counts
		}
	}
	g.checked.Add(1)
	out := g.do("ssh operator@" + name + " --dry-run --ssh-key-file=" + filepath.Join(home, "key") + " --command=hostname")
	alias := "compute." + doc.Str(machine, "id")
	for _, option := range []string{"StrictHostKeyChecking=yes", "HostKeyAlias=" + alias, "operator@" + doc.Str(doc.Objects(doc.Objects(machine, "networkInterfaces")[0], "accessConfigs")[0], "natIP")} {
		if !strings.Contains(out, option) {
			g.t.Errorf("gcloud compute ssh runs %s, without %s", out, option)
		}
	}
	known, err := os.ReadFile(filepath.Join(home, ".ssh", "google_compute_known_hosts"))
	if want := alias + " ssh-ed25519 AAAA"; err != nil || strings.TrimSpace(string(known)) != want {
		g.t.Errorf("known hosts are %q (%v), want %q", known, err, want)
	}
}

// TestGcloudSSH has gcloud verify a machine's host keys.
func TestGcloudSSH(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.long()
	w.subnet()
	w.made("POST", zoneB+"instances", instance("m", doc.Obj{"metadata": doc.Obj{"items": []any{doc.Obj{"key": "enable-guest-attributes", "value": "TRUE"}}}}))
	if err := w.guest("m").PutGuestAttribute("hostkeys", "ssh-ed25519", "AAAA"); err != nil {
		t.Fatal(err)
	}
	g.ssh(w.get(zoneB + "instances/m"))
}
