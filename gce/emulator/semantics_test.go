package emulator

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSemantics holds SEMANTICS.md to what there is: each test it names is one
// of this package's or of those inside it, and its table of methods is the server's.
func TestSemantics(t *testing.T) {
	text, err := os.ReadFile("SEMANTICS.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	inner, err := filepath.Glob("internal/*/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, f := range append(files, inner...) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(b, -1) {
			tests[string(m[1])] = true
		}
	}
	named := regexp.MustCompile(`\bTest\w+`).FindAllString(string(text), -1)
	for _, name := range named {
		if !tests[name] {
			t.Errorf("SEMANTICS.md names %s, and there is no such test", name)
		}
	}
	_, table, _ := strings.Cut(string(text), "<!-- methods -->\n")
	table, _, ok := strings.Cut(table, "<!-- end -->")
	if want := methodTable(newWorld(t).s); !ok || table != want {
		t.Errorf("the table of methods in SEMANTICS.md has to be\n%s", want)
	}
}

// methodTable tells of each resource which methods answer.
func methodTable(s *Server) string {
	there, not := map[string][]string{}, map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(s.core.API.Methods)) {
		resource, verb, _ := strings.Cut(id, ".")
		if s.core.Methods[id] != nil {
			there[resource] = append(there[resource], verb)
		} else {
			not[resource] = append(not[resource], verb)
		}
	}
	var out strings.Builder
	fmt.Fprint(&out, "| resource | there | 501 |\n|---|---|---|\n")
	all := slices.Sorted(maps.Keys(there))
	for r := range not {
		if there[r] == nil {
			all = append(all, r)
		}
	}
	slices.Sort(all)
	for _, r := range all {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", r, strings.Join(there[r], " "), strings.Join(not[r], " "))
	}
	return out.String()
}
