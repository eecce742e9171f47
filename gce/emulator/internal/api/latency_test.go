package api

import (
	"fmt"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/discovery"
)

// TestLatencySources: each time of the profile is of a method there is, and says who
// measured it or that nobody did; what is said to be seen begins with where.
func TestLatencySources(t *testing.T) {
	methods := discovery.Load().Methods
	seen := 0
	for method, x := range timings {
		where, what, _ := strings.Cut(x.source, ": ")
		switch {
		case methods[method] == nil || methods[method].Reads():
			t.Errorf("%s is no method that changes anything", method)
		case x.source == notMeasured:
		case where+": " != terraform && where+": " != posts || !strings.Contains(what, " s"):
			t.Errorf("%s takes %v, as was seen where? %q", method, x.takes, x.source)
		default:
			seen++
		}
		if x.takes <= 0 {
			t.Errorf("%s takes %v", method, x.takes)
		}
	}
	fmt.Printf("REPORT TestLatencySources: of %d operations of the latency profile %d have a source; the others, and all that take 2 s, are not measured\n", len(timings), seen)
}
