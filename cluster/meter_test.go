package cluster

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOutages reads a made-up book of probes.
func TestOutages(t *testing.T) {
	var book []*probe
	at := func(ms int, step string, ok bool) {
		book = append(book, &probe{at: start.Add(millis(ms)), step: step, ok: ok, done: true})
	}
	at(0, "a", true)
	at(100, "a", false)
	at(200, "b", false)
	at(300, "b", true)
	at(400, "b", false)
	at(500, "b", true)
	all, steps := outages(book)
	if want := (Outage{Longest: 0.2, Total: 0.3, Probes: 6, Failed: 3}); all != want {
		t.Errorf("all %+v, want %+v", all, want)
	}
	want := []Outage{{Step: "a", Longest: 0.2, Total: 0.2, Probes: 2, Failed: 2}, {Step: "b", Longest: 0.1, Total: 0.1, Probes: 4, Failed: 1}}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

var start = time.Unix(1700000000, 0)

func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }
