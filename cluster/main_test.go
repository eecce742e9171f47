// Half of the work of a handshake is for tomorrow's eavesdroppers, who do not listen here.

//go:debug tlsmlkem=0

package cluster

import (
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"hakube/cluster/settings"
)

func TestMain(m *testing.M) {
	for _, kv := range os.Environ() { // nothing from outside gets into the tests
		if name, _, _ := strings.Cut(kv, "="); isSetting(name) {
			os.Unsetenv(name)
		}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // a seventh less work for 300 MB
	}
	os.Exit(m.Run())
}

func isSetting(name string) bool {
	for _, v := range settings.Variables() {
		if v.Name == name {
			return true
		}
	}
	return strings.HasPrefix(name, "KUBE_") || strings.HasPrefix(name, "HAKUBE_") && name != "HAKUBE_GOLDEN"
}

// shortForms has "make test" take a third of what is cut, spread over calls and troubles, and
// "make long" all: all of them take two cores most of an hour.
var shortForms = os.Getenv("SHORT_FORMS") != ""

// besideOthers lets the slowest tests run side by side: most of their time is waiting.
func besideOthers(t *testing.T) {
	t.Helper()
	t.Parallel()
}

// long leaves a test to "make test": what it shows, a quick run has of the other test, by
// fewer ways to it or with less around it. See TestLongTests.
func long(t *testing.T, quick string) {
	t.Helper()
	if testing.Short() {
		t.Skip("make test has it, a quick run has " + quick)
	}
}
