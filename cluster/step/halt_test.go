package step

import (
	"regexp"
	"strconv"
	"testing"

	"hakube/scripts"
)

// TestReadyzGoesFirst: an API server that is told to end serves on, not ready, for
// longer than the balancer takes to find out, and its machine waits for longer than that.
func TestReadyzGoesFirst(t *testing.T) {
	m := regexp.MustCompile(`(?m)^SHUTDOWN_DELAY=([0-9]+)$`).FindStringSubmatch(scripts.Startup())
	if m == nil {
		t.Fatal("the startup-script has no SHUTDOWN_DELAY")
	}
	delay, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	if found := CheckRounds*CheckEvery + CheckTimeout; delay <= found {
		t.Errorf("an API server serves on for %d s, the balancer finds out after up to %d s", delay, found)
	}
	const within = 30 // seconds that Google gives a preemptible machine, the least
	if delay+15 > within {
		t.Errorf("a machine waits for its API server for %d s, and has %d", delay+15, within)
	}
}
