package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A fate is what becomes of a variable that hakube does not take.
type fate string

const (
	refused fate = "refused" // the cluster would be another than was asked for
	idle    fate = "idle"    // nothing of the kind is made; that is said
)

// An untaken is a variable of kube-up that is no setting of hakube.
type untaken struct {
	name string
	fate fate
	same string // values, with blanks between, that ask for nothing hakube does not do
	why  string // what is instead, and how to have it
}

// elsewhere are variables with our prefixes that others read: other parts of
// hakube, kubectl, and the build of Kubernetes.
var elsewhere = map[string]bool{
	"HAKUBE_LOCAL_DIR": true, "HAKUBE_CACHE_DIR": true, "HAKUBE_MIRROR_SOURCE": true, "HAKUBE_LIVE_PROJECT": true, "HAKUBE_LIVE_REGION": true, "HAKUBE_LIVE_ENDPOINT": true, "HAKUBE_GOLDEN": true,
	"HAKUBE_LOCAL_CONTRACT": true,
	"KUBE_EDITOR":           true, "KUBE_CACHE_MUTATION_DETECTOR": true, "KUBE_GIT_VERSION": true,
}

// untakenOf is the variable of that name, of kube-up's.
func untakenOf(name string) (untaken, bool) {
	for _, f := range kubeUp {
		if f.name == name {
			return f, true
		}
	}
	for _, f := range kubeUpFamilies {
		if strings.HasPrefix(name, f.name) {
			return f, true
		}
	}
	return untaken{}, false
}

// Strangers judges the variables of the environment that are no settings. One
// that is a slip of a setting's name is a problem, whatever it begins with:
// leaving it out would do something else than was asked for. So is one of
// kube-up's that would have made another cluster, where the verb makes or
// removes something. Others with our prefixes are worth a warning.
func Strangers(environ []string, verb Verb, project Project) (probs, warnings []string) {
	known := map[string]bool{}
	for _, v := range Variables() {
		known[v.Name] = true
	}
	maps.Copy(known, elsewhere)
	names := slices.Sorted(maps.Keys(known))
	for _, f := range kubeUp {
		if f.fate == refused { // a slip of one of them asks for the same
			names = append(names, f.name)
		}
	}
	set := map[string]bool{}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		set[name] = value != ""
	}
	environ = slices.Sorted(slices.Values(environ))
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if value == "" || known[name] {
			continue
		}
		if f, ok := untakenOf(name); ok {
			switch {
			case f.asIs(value, project):
			case f.fate == refused && verb.chooses():
				probs = append(probs, fmt.Sprintf("%s: not supported: %s; unset %s to go on without", shown(name, value), f.why, name))
			default:
				warnings = append(warnings, fmt.Sprintf("%s has no effect: %s", shown(name, value), f.why))
			}
			continue
		}
		if near := slip(name, value, names, set); near != "" {
			probs = append(probs, fmt.Sprintf("%s: no such setting; did you mean %s", shown(name, value), near))
			continue
		}
		if verb == Down && strings.HasPrefix(name, "KUBE_DELETE_") { // it would keep something that goes
			probs = append(probs, fmt.Sprintf("%s: no such setting, and what it is to keep would be removed; unset %s to go on without", shown(name, value), name))
			continue
		}
		if prefixed(name) {
			warnings = append(warnings, fmt.Sprintf("%s is not a setting of hakube and has no effect%s", shown(name, value), perhaps(name, names)))
		}
	}
	return probs, warnings
}

// prefixed tells whether a name begins as ours and kube-up's do.
func prefixed(name string) bool {
	return strings.HasPrefix(name, "KUBE_") && !strings.HasPrefix(name, "KUBE_PS1_") || strings.HasPrefix(name, "HAKUBE_")
}

// asIs tells whether the value asks for nothing that hakube would not do.
func (f untaken) asIs(value string, project Project) bool {
	for same := range strings.FieldsSeq(f.same) {
		if value == same || same == "$PROJECT" && value == string(project) {
			return true
		}
	}
	return false
}

// shown is NAME="value" for a message. What may be a secret stays one, and a
// name like none of ours is cut.
func shown(name, value string) string {
	folded := strings.ToUpper(name)
	secret := func(word string) bool { return strings.Contains(folded, word) }
	if len(name) > 2*len("KUBE_CLUSTER_INITIALIZATION_TIMEOUT") {
		name = quoted(name)
	}
	if slices.ContainsFunc([]string{"PASSWORD", "TOKEN", "KEY", "SECRET", "CERT", "PEM", "ENCRYPTION", "CREDENTIAL", "AUTH"}, secret) {
		return name + "=…"
	}
	return name + "=" + quoted(value)
}

// slip is the setting that name was probably meant to be, or "". One slip of
// the finger is taken for the same whatever the name begins with: a letter left
// out, added, changed or swapped with its neighbour, a plural, underscores more
// or less, small letters. Two are, with our own prefixes.
func slip(name, value string, names []string, set map[string]bool) string {
	mine := folded(name)
	for _, n := range names {
		other := folded(n)
		if len(mine)-len(other) > 1 || len(other)-len(mine) > 1 || Distance(mine, other) > 1 {
			continue
		}
		if common(n, value) || set[n] && (n == "PROJECT" || n == "KUBECONFIG") {
			return ""
		}
		return n
	}
	if prefixed(name) {
		return Nearest(name, names)
	}
	return ""
}

// common tells whether the setting's name is such a common word that its
// neighbours are other people's, unless the value is one that it would take:
// PROJECTS is a directory more often than a project, and KUBE_CONFIG the text of
// a kubeconfig more often than its path.
func common(name, value string) bool {
	switch name {
	case "PROJECT":
		var p Project
		return p.Decode(value) != nil
	case "KUBECONFIG":
		return len(value) > 255 || !printable(value)
	}
	return false
}

func folded(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "_", "")) }

// perhaps names the setting that only lacks, or has too much, kube-up's KUBE_
// or GCE_ in front: such names are often other people's, so it is no slip.
func perhaps(name string, names []string) string {
	core := func(s string) string {
		return strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(s, "HA"), "KUBE_"), "GCE_")
	}
	for _, n := range names {
		if core(n) == core(name) {
			return "; did you mean " + n
		}
	}
	return ""
}

// Nearest is the one of names that s was probably meant to be, or "". Two
// slips of the finger in a name, one in a short one, are taken for the same.
func Nearest(s string, names []string) string {
	limit := min(2, len(s)/4)
	best := ""
	for _, n := range names {
		if len(s)-len(n) > limit || len(n)-len(s) > limit {
			continue // as far apart at least; and a stranger's name may be a megabyte long
		}
		if d := Distance(s, n); d <= limit {
			limit, best = d-1, n
		}
	}
	return best
}

// Distance is the number of letters to insert, delete, change or swap with the
// neighbour to get from a to b (optimal string alignment).
func Distance(a, b string) int {
	rows := make([]int, 3*(len(b)+1)) // this letter's of a and those of the two before it
	before, last, row := rows[:len(b)+1], rows[len(b)+1:2*(len(b)+1)], rows[2*(len(b)+1):]
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
