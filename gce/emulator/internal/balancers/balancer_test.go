package balancers

import (
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestBalanced: a machine that stops still answers, and so it is sent to until it has
// stopped; what does not run yet or any more is not.
func TestBalanced(t *testing.T) {
	for status, want := range map[string]bool{
		"PROVISIONING": false, "STAGING": false, "RUNNING": true, "STOPPING": true, "TERMINATED": false, "SUSPENDED": false,
	} {
		o := doc.Obj{"status": status, "networkInterfaces": []any{doc.Obj{"networkIP": "10.40.0.2"}}}
		if got := balanced(o).IsValid(); got != want {
			t.Errorf("one that is %s is sent to: %v", status, got)
		}
	}
}
