package local

import (
	"fmt"
	"os"
	"path/filepath"
)

// Dir is where the embedded GCE keeps its state: $HAKUBE_LOCAL_DIR, or
// hakube/local below $XDG_STATE_HOME, or below ~/.local/state.
func Dir() (string, error) {
	if d := os.Getenv("HAKUBE_LOCAL_DIR"); d != "" {
		return filepath.Abs(d)
	}
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding a directory for the embedded GCE: %w", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "hakube", "local"), nil
}

// Files of the state directory.
func storeFile(dir string) string   { return filepath.Join(dir, "objects.db") }
func addressFile(dir string) string { return filepath.Join(dir, "daemon.json") }
func lockFile(dir string) string    { return filepath.Join(dir, "daemon.lock") }
func optionsFile(dir string) string { return filepath.Join(dir, "options.json") }

// TokenFile holds the token of [Token].
func TokenFile(dir string) string { return filepath.Join(dir, "token") }

// LogFile is where a daemon in the background writes.
func LogFile(dir string) string { return filepath.Join(dir, "daemon.log") }
