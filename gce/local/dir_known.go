package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hakube/scripts/cure"
)

// known are the names of all that the embedded GCE, its machines and the gcloud
// it is used with make in the state directory. Nothing else is ever removed.
var known = []string{
	"objects.db", "daemon.json", "daemon.lock", "daemon.log", "address", "token",
	"authority.pem",    // whom its machines trust
	"objects.contents", // of Cloud Storage
	"model",            // disks of model machines
	"disks", "run",     // of real ones
	"gcloud",       // CLOUDSDK_CONFIG of "hakube local env"
	"options.json", // the proof of earlier versions, so it goes late
	"hakube-state", // the proof: the last to go
}

// replaced are those of them that are written under another name first.
var replaced = []string{"objects.db", "daemon.json", "options.json", "token", "address", "authority.pem"}

// isKnown tells whether a name is one of those, or of a file that was to become one.
func isKnown(name string) bool {
	return slices.Contains(known, name) || slices.ContainsFunc(replaced, func(base string) bool {
		number, ok := strings.CutPrefix(name, base+".")
		return ok && number != "" && strings.Trim(number, "0123456789") == ""
	})
}

// ofFileSystem are names that a new file system comes with.
var ofFileSystem = []string{"lost+found"}

// What a directory is to the embedded GCE.
type dirIs int

const (
	isAbsent dirIs = iota
	isEmpty
	isState
)

// judgeDir tells what a directory is; one that holds somebody's files and was
// never made to be a state directory is an error that names them.
func judgeDir(dir string) (dirIs, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return isAbsent, nil
	}
	if err != nil {
		return 0, fmt.Errorf("looking at the directory of the embedded GCE: %w", err)
	}
	var all, foreign []string
	for _, e := range entries {
		if slices.Contains(ofFileSystem, e.Name()) {
			continue
		}
		all = append(all, e.Name())
		if !isKnown(e.Name()) {
			foreign = append(foreign, e.Name())
		}
	}
	switch {
	case len(all) == 0:
		return isEmpty, nil
	case proven(dir):
		return isState, nil
	case !provenOnce(dir):
		return 0, &dirError{dir, fmt.Sprintf("there is something else in it (%s)", few(all)),
			"name with HAKUBE_LOCAL_DIR the one it was started in, or for a new one a directory that is empty or not there yet"}
	case len(foreign) > 0: // so what has a known name may be somebody's too
		return 0, &dirError{dir, fmt.Sprintf("an earlier version of hakube was started in it beside what is not the embedded GCE's: %s", few(foreign)),
			"move that elsewhere, or choose another directory with HAKUBE_LOCAL_DIR"}
	}
	return isState, nil
}

// few names some of many.
func few(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// proof is written into a directory that was made or found empty, before
// anything else, and nowhere else: what is in it is ours.
var proof = "hakube: this directory is the state of an embedded GCE; this removes it: " + cure.LocalReset("").String() + "\n"

func prove(dir string) error {
	if err := os.WriteFile(proofFile(dir), []byte(proof), 0o600); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	return nil
}

// proven tells whether the proof is there; one that was cut short is one too,
// since it is the first file.
func proven(dir string) bool {
	b, err := os.ReadFile(proofFile(dir))
	return err == nil && (len(b) == 0 || strings.HasPrefix(string(b), "hakube") || strings.HasPrefix(proof, string(b)))
}

// provenOnce tells whether there are options as earlier versions wrote them;
// they wrote no other proof.
func provenOnce(dir string) bool {
	b, err := os.ReadFile(optionsFile(dir))
	if err != nil {
		return false
	}
	var o Options
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(&o) == nil && (o.Machines == Real || o.Machines == Model) && o.Latency != "" && o.Listen != ""
}

// Usable says why a directory cannot be the state of an embedded GCE; it makes
// and changes nothing.
func Usable(dir string) error {
	if _, err := checkDir(dir, "HAKUBE_LOCAL_DIR"); err != nil {
		return err
	}
	_, err := judgeDir(dir)
	return err
}

// ofCache are the names in a cache.
var ofCache = []string{"image", "mirror"}

// judgeCache refuses a directory of somebody's as cache: old versions of what is
// in one are removed.
func judgeCache(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &placeError{fmt.Sprintf("looking at the cache: %v", err), "HAKUBE_CACHE_DIR", "HAKUBE_CACHE_DIR names another"}
	}
	var foreign []string
	for _, e := range entries {
		if !slices.Contains(ofFileSystem, e.Name()) && !slices.Contains(ofCache, e.Name()) {
			foreign = append(foreign, e.Name())
		}
	}
	if len(foreign) == 0 || filepath.Base(dir) == "hakube" && len(foreign) < len(entries) { // by its name it is one
		return nil
	}
	return &dirError{dir, fmt.Sprintf("as its cache it holds what is not the embedded GCE's: %s", few(foreign)),
		"choose a directory that is empty or not there yet with HAKUBE_CACHE_DIR"}
}
