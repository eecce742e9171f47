package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const (
	readme        = "../../README.md"
	settingsFile  = "README.md" // beside this test
	settingsBegin = "<!-- settings: written by \"make golden\" from hakube help env -->\n"
	settingsEnd   = "<!-- end of settings -->"
)

// TestReadmeNames: what README, and the documents that it sends to first, name of the
// settings are settings.
func TestReadmeNames(t *testing.T) {
	named := 0
	for _, file := range []string{readme, settingsFile, "../../cluster/backup/README.md", "../../cluster/repair/README.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("`([A-Z][A-Z_]{4,})(?:=[^`]*)?`").FindAllStringSubmatch(string(text), -1) {
			if file == readme {
				named++
			}
			if m[1] != "PROJECT" && m[1] != "HOME" && !strings.Contains(markdown(), "| `"+m[1]+"` |") {
				t.Errorf("%s names %s, which is no setting", file, m[1])
			}
		}
	}
	if named < 12 {
		t.Errorf("README.md names %d settings", named)
	}
}

// The table of settings is what "hakube help env" prints. HAKUBE_GOLDEN
// rewrites it and still fails, so that CI cannot do it unseen.
func TestReadmeSettings(t *testing.T) {
	text, err := os.ReadFile(settingsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), settingsBegin)
	table, after, ok2 := strings.Cut(rest, settingsEnd)
	if !ok || !ok2 {
		t.Fatalf("cmd/hakube/README.md has not the two lines around the settings")
	}
	want := "\n" + markdown() + "\n"
	if table == want {
		return
	}
	if os.Getenv("HAKUBE_GOLDEN") == "" {
		t.Fatal("cmd/hakube/README.md's settings are not those of hakube help env; make golden rewrites them")
	}
	if err := os.WriteFile(settingsFile, []byte(before+settingsBegin+want+settingsEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Fatal("cmd/hakube/README.md's settings are rewritten; look at them and commit")
}
