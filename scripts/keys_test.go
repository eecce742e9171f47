package scripts

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// readByOthers are the keys no script of ours reads, with who does.
var readByOthers = map[string]string{
	"KeyGuestAttributes": "the metadata server",
	"KeySSHKeys":         "Google's guest agent",
	"KeyOSLogin":         "Google's guest agent",
	"KeyDNS":             "Compute Engine's DNS and the metadata server",
	"KeyStartupScript":   "Google's guest agent",
	"KeyClusterLocation": "people and kube-up's tools",
}

// keys returns the constants Key… of keys.go with their values.
func keys(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "keys.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Key") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found[spec.Names[0].Name] = value
		return true
	})
	return found
}

func TestEveryKeyIsReadAndEveryReadHasAKey(t *testing.T) {
	read := map[string]bool{}
	for _, m := range regexp.MustCompile(`attributes/([a-z0-9-]+)`).FindAllStringSubmatch(Startup(), -1) {
		read[m[1]] = true
	}
	known := map[string]bool{}
	for name, key := range keys(t) {
		known[key] = true
		_, others := readByOthers[name]
		switch {
		case others && read[key]:
			t.Errorf("%s is read by a script, yet listed as read by %s", name, readByOthers[name])
		case !others && !read[key]:
			t.Errorf("%s = %q has no reader", name, key)
		}
	}
	for key := range read {
		if !known[key] {
			t.Errorf("a script reads attributes/%s, which has no constant", key)
		}
	}
}

func TestPhasesAreThoseTheScriptWrites(t *testing.T) {
	text := Startup()
	for _, want := range []string{
		"tell " + GuestNamespace + "/" + GuestPhase + " ",
		"END=" + PhaseRunning + "\n",
		"END=" + PhasePrepared + "\n",
		"word=" + strings.TrimSuffix(PhaseFailed, ": "),
		"word=" + strings.TrimSuffix(PhaseRetrying, ": "),
		`phase "$word: `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the startup-script has no %q", want)
		}
	}
}
