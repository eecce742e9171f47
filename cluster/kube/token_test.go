package kube

import (
	"strings"
	"testing"
)

// TestOperatorName: whatever a login is, the script takes what is made of it.
func TestOperatorName(t *testing.T) {
	for login, want := range map[string]string{"alice": "alice", "a b'$(c)\n": "a-b-c-", "": "operator", "DOM\\bob": "DOM-bob", strings.Repeat("x", 99): strings.Repeat("x", 60)} {
		if got := OperatorName(login); got != want {
			t.Errorf("%q is %q", login, got)
		}
	}
}
