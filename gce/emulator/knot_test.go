package emulator

import (
	"strings"
	"testing"

	"hakube/gce/gcetest/knot"
)

// TestKnots: eight files of one package may reach each other in a circle, and no
// more. Where there are more today the number is here and may only get smaller.
func TestKnots(t *testing.T) {
	today := map[string]int{
		"gce/emulator": 53,
	}
	packages, err := knot.Load(".", "./...")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		_, short, _ := strings.Cut(p.Path, "/")
		most := max(8, today[short])
		circle := len(p.Circle())
		t.Logf("%s: %d files, %d in a circle", short, len(p.Files), circle)
		if circle > most {
			t.Errorf("%d files may be in a circle: %s", most, p)
		}
	}
}
