package local

import (
	"fmt"
	"os"
	"path/filepath"

	"hakube/gce/local/mirror"
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
			return "", noHome("state", err, "HAKUBE_LOCAL_DIR")
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "hakube", "local"), nil
}

// cacheDir is where the embedded GCE keeps what takes long to make. It is made
// if it is not there.
func cacheDir() (string, error) {
	dir, err := mirror.CacheDir()
	if err != nil {
		return "", noHome("cache", err, "HAKUBE_CACHE_DIR")
	}
	if os.Getenv("HAKUBE_CACHE_DIR") != "" { // the default is ours by its name
		if err := judgeCache(dir); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", &placeError{fmt.Sprintf("making the cache: %v", err), "HAKUBE_CACHE_DIR", "HAKUBE_CACHE_DIR names another"}
	}
	return dir, nil
}

// noHome is a directory that nothing names.
func noHome(what string, err error, variable string) error {
	return &placeError{fmt.Sprintf("finding a directory for the %s of the embedded GCE: %v", what, err), variable,
		"set HOME, or " + variable + " to a directory that is there or can be made"}
}

// A placeError is about where one of the embedded GCE's directories is, which a
// variable says.
type placeError struct{ what, variable, cure string }

func (e *placeError) Error() string { return e.what }

// Hint says what to set.
func (e *placeError) Hint() string { return e.cure }

// Setting names the variable.
func (e *placeError) Setting() string { return e.variable }

// RealDir is a state directory as the kernel names it, however it was spelled.
func RealDir(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}

// Files of the state directory. What is added here is added to known too, or a
// reset leaves it.
func storeFile(dir string) string   { return filepath.Join(dir, "objects.db") }
func addressFile(dir string) string { return filepath.Join(dir, "daemon.json") }
func lockFile(dir string) string    { return filepath.Join(dir, "daemon.lock") }
func optionsFile(dir string) string { return filepath.Join(dir, "options.json") }
func keptFile(dir string) string    { return filepath.Join(dir, "address") }
func authorityFile(dir string) string {
	return filepath.Join(dir, "authority.pem")
}
func proofFile(dir string) string { return filepath.Join(dir, "hakube-state") }

// TokenFile holds the token of [Token].
func TokenFile(dir string) string { return filepath.Join(dir, "token") }

// LogFile is where a daemon in the background writes.
func LogFile(dir string) string { return filepath.Join(dir, "daemon.log") }
