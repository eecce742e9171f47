package emulator

import (
	"strings"
	"testing"

	"hakube/gce/gcetest/knot"
)

// TestKnots: eight files of one package may reach each other in a circle, and no
// more; and a package of more than fifteen files is two.
func TestKnots(t *testing.T) {
	const most, files = 8, 15
	packages, err := knot.Load(".", "./...")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		_, short, _ := strings.Cut(p.Path, "/")
		circle := len(p.Circle())
		t.Logf("%s: %d files, %d in a circle", short, len(p.Files), circle)
		if circle > most {
			t.Errorf("%d files may be in a circle: %s", most, p)
		}
		if len(p.Files) > files {
			t.Errorf("%s has %d files, %d are enough for one subject", short, len(p.Files), files)
		}
	}
}
