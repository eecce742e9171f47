package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hakube/cluster/plan"
)

// TestLiveLines: what a step waits for can be read on a narrow terminal, by
// whole words, and no line is so long that it wraps.
func TestLiveLines(t *testing.T) {
	reasons := []string{
		"",
		"not there yet",
		"node kubernetes-minion-group-x7kp is not Ready: container runtime network not ready",
		"its startup script has not ended: downloading http://192.0.2.1/kubernetes-server-linux-amd64.tar.gz and its signature",
		strings.Repeat("reason ", 60),
		"an error\nof two lines",
		"ünï " + strings.Repeat("ö", 200),
	}
	for _, width := range []int{40, 60, 80, 120, 200} {
		for i, why := range reasons {
			t.Run(fmt.Sprintf("%d columns, reason %d", width, i), func(t *testing.T) {
				e := plan.Event{N: 9, Of: 19, Step: "instance kubernetes-minion-group-x7kp is a Ready node", Kind: plan.Waiting, Elapsed: 73 * time.Second, Why: why}
				lines := liveText([]plan.Event{e}, width, 24)
				for _, line := range lines {
					if n := len([]rune(line)); n >= width {
						t.Errorf("%d letters at %d columns: %q", n, width, line)
					}
				}
				if width < 60 || len([]rune(why)) > 150 {
					return // cut, and so it may be
				}
				squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
				for _, want := range []string{"[ 9/19] instance", "waiting", "1m13s", firstLine(why)} {
					if !strings.Contains(squeeze(strings.Join(lines, " ")), squeeze(want)) {
						t.Errorf("at %d columns %q is not in\n%s", width, want, strings.Join(lines, "\n"))
					}
				}
				for _, word := range strings.Fields(firstLine(why)) {
					if len(word) < width-10 && !strings.Contains(strings.Join(lines, "\n"), word) {
						t.Errorf("at %d columns the word %q is broken in\n%s", width, word, strings.Join(lines, "\n"))
					}
				}
			})
		}
	}
	many := make([]plan.Event, 30)
	for i := range many {
		many[i] = plan.Event{N: i, Of: 30, Step: "step", Kind: plan.Waiting, Why: reasons[2]}
	}
	if lines := liveText(many, 80, 24); len(lines) != 23 {
		t.Errorf("30 steps take %d lines of a screen with 24", len(lines))
	}
}
