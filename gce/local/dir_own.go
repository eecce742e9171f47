package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode"

	"hakube/scripts/cure"
)

// A dirError is a directory that other users of this machine have a hand in.
// What is in it decides what the daemon runs, as root with real machines, and
// whom hakube talks to.
type dirError struct{ dir, why, cure string }

func (e *dirError) Error() string {
	return fmt.Sprintf("%s cannot be the embedded GCE's directory: %s", e.dir, e.why)
}

// Hint says how to make it safe.
func (e *dirError) Hint() string { return e.cure }

// ownDir makes a state directory, or sees that one that is there is ours alone:
// it belongs to us, nobody else may write to it, it holds nothing but what it is
// for, and from now on nobody else may look into it.
func ownDir(dir string) error {
	perm, err := checkDir(dir, "HAKUBE_LOCAL_DIR")
	if err != nil {
		return err
	}
	is, err := judgeDir(dir)
	if err != nil {
		return err
	}
	if is == isAbsent {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return &placeError{fmt.Sprintf("making the state directory: %v", err), "HAKUBE_LOCAL_DIR", "HAKUBE_LOCAL_DIR names another"}
		}
		perm, err = checkDir(dir, "HAKUBE_LOCAL_DIR")
	}
	if err == nil && perm&0o077 != 0 {
		err = os.Chmod(dir, 0o700)
	}
	if err == nil && is != isState {
		err = prove(dir)
	}
	return err
}

// checkDir returns the mode of a directory that is there and is ours, 0 when
// there is none. The variable names another.
func checkDir(dir, variable string) (fs.FileMode, error) {
	for _, look := range []func(string) (os.FileInfo, error){os.Lstat, os.Stat} { // a link's owner says where it leads
		info, err := look(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		if errors.Is(err, fs.ErrPermission) {
			return 0, &dirError{dir, fmt.Sprintf("the user with number %d may not look into it", os.Geteuid()), "choose another with " + variable}
		}
		if err != nil {
			return 0, fmt.Errorf("looking at the directory of the embedded GCE: %w", err)
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
			return 0, &dirError{dir, fmt.Sprintf("it belongs to the user with number %d", s.Uid), "choose another with " + variable}
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return 0, fmt.Errorf("looking at the directory of the embedded GCE: %w", err)
	}
	switch perm := info.Mode().Perm(); {
	case !info.IsDir():
		return 0, &dirError{dir, "it is a file", "choose another with " + variable}
	case perm&0o022 != 0:
		return 0, &dirError{dir, fmt.Sprintf("others may write to it, mode %04o", perm), cure.Hint("choose another with "+variable+", or if it is for nothing else take it from the others", cure.Private(dir))}
	default:
		return perm, nil
	}
}

// mountable refuses a path that the options of a mount, of which it becomes
// one, would read as more than one.
func mountable(dir, variable string) error {
	if strings.ContainsFunc(dir, func(r rune) bool { return strings.ContainsRune(`,:\"`, r) || !unicode.IsPrint(r) }) {
		return &dirError{fmt.Sprintf("%q", dir), "the machines' file systems are mounted from it, and its path has a comma, a colon, a backslash, a quote or a control character", "choose another with " + variable}
	}
	return nil
}
