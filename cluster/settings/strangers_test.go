package settings

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// words are the words of a file, but for lines that begin with #.
func words(t *testing.T, path string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			list = append(list, strings.Fields(line)...)
		}
	}
	return list
}

// TestKubeUpVariables: each variable of kube-up is taken, refused or said to
// have no effect; none is left out without a word, and none is two of them.
func TestKubeUpVariables(t *testing.T) {
	names := words(t, "testdata/kube-up.txt")
	taken, refusals, warned := 0, 0, 0
	for _, name := range names {
		isTaken := slices.ContainsFunc(Variables(), func(v Variable) bool { return v.Name == name })
		for _, verb := range []Verb{Up, Down, StatusVerb, RepairVerb} {
			probs, warnings := Strangers([]string{name + "=some-value"}, verb, "example")
			f, listed := untakenOf(name)
			switch {
			case isTaken && (listed || len(probs)+len(warnings) > 0):
				t.Errorf("%s is a setting and is said not to be: %q %q", name, probs, warnings)
			case isTaken:
				taken++
			case !listed || f.why == "":
				t.Errorf("%s is neither taken nor in the table with a reason: %q %q", name, probs, warnings)
			case f.fate == refused && verb.chooses():
				refusals++
				if len(probs) != 1 || len(warnings) > 0 || !strings.HasPrefix(probs[0], name+"=") || !strings.Contains(probs[0], ": not supported: "+f.why) ||
					!strings.HasSuffix(probs[0], "; unset "+name+" to go on without") || strings.Contains(probs[0], "\n") {
					t.Errorf("%s of %s: %q %q", name, verb, probs, warnings)
				}
			default:
				warned++
				if len(warnings) != 1 || len(probs) > 0 || !strings.HasPrefix(warnings[0], name+"=") || !strings.HasSuffix(warnings[0], " has no effect: "+f.why) {
					t.Errorf("%s of %s: %q %q", name, verb, probs, warnings)
				}
			}
		}
	}
	for _, f := range kubeUp {
		if !slices.Contains(names, f.name) {
			t.Errorf("%s is in the table and not in testdata/kube-up.txt", f.name)
		}
	}
	if taken == 0 || refusals == 0 || warned == 0 {
		t.Errorf("%d taken, %d refused, %d warned about", taken, refusals, warned)
	}
}

// TestKubeUpOff: a value that asks for what hakube does anyway is no refusal
// and needs no word.
func TestKubeUpOff(t *testing.T) {
	tried := 0
	for _, f := range kubeUp {
		for same := range strings.FieldsSeq(f.same) {
			tried++
			value := strings.ReplaceAll(same, "$PROJECT", "example")
			if probs, warnings := Strangers([]string{f.name + "=" + value, f.name + "="}, Up, "example"); len(probs)+len(warnings) > 0 {
				t.Errorf("%s=%s: %q %q", f.name, value, probs, warnings)
			}
		}
	}
	if tried < 50 {
		t.Errorf("%d tried", tried)
	}
}

// slips are the texts that one slip of the finger makes of a name.
func slips(name string) []string {
	list := []string{strings.ToLower(name), strings.ReplaceAll(name, "_", ""), name + "S", name + "_", "_" + name, strings.TrimSuffix(name, "S")}
	for i := range name {
		list = append(list, name[:i]+name[i+1:], name[:i]+"X"+name[i:], name[:i]+"X"+name[i+1:], name[:i]+"_"+name[i:])
		if i > 0 {
			list = append(list, name[:i-1]+name[i:i+1]+name[i-1:i]+name[i+1:])
		}
	}
	return list
}

// TestSlips makes every slip of every setting, and of every variable that
// would be refused: each is a problem that names what was meant.
func TestSlips(t *testing.T) {
	names := slices.Sorted(func(yield func(string) bool) {
		for _, v := range Variables() {
			if !yield(v.Name) {
				return
			}
		}
		for _, f := range kubeUp {
			if f.fate == refused && !yield(f.name) {
				return
			}
		}
	})
	others := words(t, "testdata/environment.txt")
	tried := 0
	for _, name := range names {
		for _, s := range slips(name) {
			if _, listed := untakenOf(s); s == "" || listed || slices.Contains(names, s) || slices.Contains(others, s) {
				continue
			}
			tried++
			probs, _ := Strangers([]string{s + "=abc"}, Up, "example")
			if len(probs) != 1 || !strings.HasPrefix(probs[0], shown(s, "abc")+": no such setting; did you mean ") {
				t.Errorf("%s, a slip of %s: %q", s, name, probs)
			}
		}
	}
	t.Logf("%d slips of %d names", tried, len(names))
	for slip, want := range map[string]string{
		"NUM_NODE": "NUM_NODES", "NODE_SIZES": "NODE_SIZE", "MASTERSIZE": "MASTER_SIZE", "NUM_NOEDS": "NUM_NODES", "num_nodes": "NUM_NODES",
		"MULTI_ZONE": "MULTIZONE", "PROEJCT": "PROJECT", "KUBE_CONFIG": "KUBECONFIG", "CLUSTERNAME": "CLUSTER_NAME", "HAKUBE_LOCALDIR": "HAKUBE_LOCAL_DIR",
		"KUBE_FEATURE_GATE": "KUBE_FEATURE_GATES", "NETWORK_PROJET": "NETWORK_PROJECT", "KUBE_USE_EXISTNG_MASTR": "KUBE_USE_EXISTING_MASTER",
	} {
		probs, _ := Strangers([]string{slip + "=abc"}, StatusVerb, "example")
		if len(probs) != 1 || !strings.HasSuffix(probs[0], "did you mean "+want) {
			t.Errorf("%s: %q, want %s", slip, probs, want)
		}
	}
}

// TestOthersVariables: what people have for other reasons is no problem, and
// without our prefixes not worth a word.
func TestOthersVariables(t *testing.T) {
	list := words(t, "testdata/environment.txt")
	for _, v := range list {
		name, value, hasValue := strings.Cut(v, "=")
		if !hasValue {
			value = "abc"
		}
		probs, warnings := Strangers([]string{name + "=" + value}, Up, "example")
		_, listed := untakenOf(name)
		if len(probs) > 0 || len(warnings) > 0 && !prefixed(name) && !listed {
			t.Errorf("%s: %q %q", name, probs, warnings)
		}
	}
	// Both are set: the second is somebody's own.
	for _, pair := range [][]string{{"PROJECT=a-project", "PROJECTS=another"}, {"KUBECONFIG=/a", "KUBE_CONFIG=/b"}} {
		if probs, _ := Strangers(pair, Up, "example"); len(probs) > 0 {
			t.Errorf("%q: %q", pair, probs)
		}
	}
	t.Logf("%d variables", len(list))
}

// TestNoSecretsInWarnings: what is said of a variable goes to logs of CI.
func TestNoSecretsInWarnings(t *testing.T) {
	for _, name := range []string{"KUBE_PASSWORD", "KUBE_BEARER_TOKEN", "KUBE_TOKEN", "KUBE_CA_PEM", "KUBE_CLIENT_KEY_DATA", "ETCD_CA_KEY", "ENCRYPTION_PROVIDER_CONFIG"} {
		probs, warnings := Strangers([]string{name + "=hunter2"}, Up, "example")
		said := strings.Join(append(probs, warnings...), "\n")
		if !strings.HasPrefix(said, name+"=…") || strings.Contains(said, "hunter2") {
			t.Errorf("%s: %q", name, said)
		}
	}
}
