package cluster

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestLongTests: a test that a quick run leaves out names one that it has.
func TestLongTests(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	all, left := map[string]bool{}, map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\) \{\n(?:\tlong\(t, "(\w+)"\)\n)?`).FindAllSubmatch(text, -1) {
			all[string(m[1])] = true
			if len(m[2]) > 0 {
				left[string(m[1])] = string(m[2])
			}
		}
	}
	for name, quick := range left {
		if !all[quick] || left[quick] != "" {
			t.Errorf("%s is left out of a quick run, and %s, which it names, is not there or left out too", name, quick)
		}
	}
	if len(left) == 0 || len(all) < 150 {
		t.Errorf("%d of %d tests are left out of a quick run", len(left), len(all))
	}
}
