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
	debug.SetGCPercent(400) // a seventh less work for 300 MB
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

// besideOthers lets the slowest tests of "make check" run side by side. In "make
// test" each waits for its turn: both cores have work, of real machines too.
func besideOthers(t *testing.T) {
	if testing.Short() {
		t.Parallel()
	}
}
