package main

import (
	"os"
	"strings"
	"testing"
)

const (
	readme        = "../../README.md"
	settingsBegin = "<!-- settings: written by \"make golden\" from hakube help env -->\n"
	settingsEnd   = "<!-- end of settings -->"
)

// The README's table of settings is what "hakube help env" prints. HAKUBE_GOLDEN
// rewrites it and still fails, so that CI cannot do it unseen.
func TestReadmeSettings(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), settingsBegin)
	table, after, ok2 := strings.Cut(rest, settingsEnd)
	if !ok || !ok2 {
		t.Fatalf("README.md has not the two lines around the settings")
	}
	want := "\n" + markdown() + "\n"
	if table == want {
		return
	}
	if os.Getenv("HAKUBE_GOLDEN") == "" {
		t.Fatal("README.md's settings are not those of hakube help env; make golden rewrites them")
	}
	if err := os.WriteFile(readme, []byte(before+settingsBegin+want+settingsEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Fatal("README.md's settings are rewritten; look at them and commit")
}
