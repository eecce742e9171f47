package scripts

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestHostKeysAreTold: Google's agent gives up on a metadata server that does not
// answer at the first boot, and nobody could reach the machine by ssh.
func TestHostKeysAreTold(t *testing.T) {
	g := newGuest(t)
	for name, text := range map[string]string{
		"ssh_host_ed25519_key.pub": "ssh-ed25519 AAAAC3Nza root@x\n",
		"ssh_host_rsa_key.pub":     "ssh-rsa AAAAB3Nza\n",
		"ssh_host_rsa_key":         "a secret",
	} {
		if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.deaf = []int{0, 503, 0}
	g.want("", `HOST_KEYS=$TEST_DIR; sleep() { :; }
publish_host_keys 2>/dev/null`)
	want := map[string]string{"hostkeys/ssh-ed25519": "AAAAC3Nza", "hostkeys/ssh-rsa": "AAAAB3Nza"}
	if !maps.Equal(g.told, want) {
		t.Errorf("told %q, want %q", g.told, want)
	}
	g.want("", `HOST_KEYS=$TEST_DIR/none; publish_host_keys`)
}

// TestLastWordIsTold: hakube waits for the last phase of a boot, so that one is
// not lost with a metadata server that is away for a moment; one on the way may be.
func TestLastWordIsTold(t *testing.T) {
	g := newGuest(t)
	g.deaf = []int{0, 0, 500, 429}
	g.want("hakube: running\n", `sleep() { :; }; phase running "$LAST_WORD" 2>/dev/null`)
	g.deaf = []int{403}
	g.want("hakube: on the way\n", `phase "on the way"`) // switched off: not asked again
	if want := []string{"running"}; !slices.Equal(g.phases, want) {
		t.Errorf("phases %q, want %q", g.phases, want)
	}
	g.server.Close()
	g.want("hakube: alone\n", `phase alone 1 2>/dev/null`)
}
