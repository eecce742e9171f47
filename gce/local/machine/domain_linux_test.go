package machine

import (
	"strings"
	"testing"

	"hakube/gce/emulator"
)

// TestInternalDomain: a machine searches names where the DNS has them, also in a
// project of a domain.
func TestInternalDomain(t *testing.T) {
	for project, domain := range map[string]string{"web": "c.web.internal", "example.com:acme-platform-prod-europe-0123": "c.acme-platform-prod-europe-0123.example.com.internal"} {
		m := emulator.Machine{MachineKey: emulator.MachineKey{Project: project, Zone: "europe-west1-b", Name: "m"}}
		want := "search: [europe-west1-b." + domain + ", " + domain + ", google.internal]\n"
		if got := netplan(m); !strings.Contains(got, want) {
			t.Errorf("%s: no %q in\n%s", project, want, got)
		}
	}
}
