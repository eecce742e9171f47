package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCutReset: a command without steps that was begun, such as `hakube local reset`,
// never says after a signal that nothing was changed: its daemon may be gone by then, and
// machines of it not. It says what ends it.
func TestCutReset(t *testing.T) {
	for _, begun := range []bool{false, true} {
		name := filepath.Join(t.TempDir(), "said")
		file, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		u := newUI(os.Stdin, file, file)
		if begun {
			u.flight.begins()
		}
		if code := u.finish(errInterrupted); code != exitInterrupted {
			t.Errorf("exit code %d", code)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		said := string(text)
		if untouched := strings.Contains(said, "nothing was changed"); untouched == begun {
			t.Errorf("begun %v: it says\n%s", begun, said)
		}
		if begun && (!strings.Contains(said, "it may be half done") || !strings.Contains(said, "go on from here")) {
			t.Errorf("it says\n%s", said)
		}
	}
}
