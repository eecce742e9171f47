package emulator

import (
	"flag"
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
	beside, err := filepath.Glob("../gcetest/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, f := range slices.Concat(files, inner, beside) {
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
	before, rest, _ := strings.Cut(string(text), "<!-- methods -->\n")
	table, after, ok := strings.Cut(rest, "<!-- end -->")
	want := methodTable(newWorld(t).s)
	if !ok || table != want {
		t.Error("the tables at the end of SEMANTICS.md are not the server's: go test ./gce/emulator -run TestSemantics -update")
	}
	if ok && *update {
		if err := os.WriteFile("SEMANTICS.md", []byte(before+"<!-- methods -->\n"+want+"<!-- end -->"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Error("SEMANTICS.md is written anew")
	}
}

var update = flag.Bool("update", false, "rewrite the tables of SEMANTICS.md, and fail")

// methodTable tells of each resource in Google's document which methods answer,
// and of those that do, what of their requests is not followed.
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
	fmt.Fprint(&out, "| resource | there | not written |\n|---|---|---|\n")
	for _, r := range slices.Sorted(maps.Keys(there)) {
		fmt.Fprintf(&out, "| %s | %s | %s |\n", r, strings.Join(there[r], " "), strings.Join(not[r], " "))
	}
	fmt.Fprint(&out, "\nNo method of these is written:")
	for _, r := range slices.Sorted(maps.Keys(not)) {
		if there[r] == nil {
			fmt.Fprintf(&out, " %s", r)
		}
	}
	fmt.Fprint(&out, ".\n\n| method | not written of what it is asked (internal/missing says how to read it) |\n|---|---|\n")
	for _, id := range slices.Sorted(maps.Keys(s.core.Methods)) {
		if l := s.core.Lacking(id); len(l) > 0 {
			fmt.Fprintf(&out, "| %s | `%s` |\n", id, strings.ReplaceAll(strings.Join(l, "` `"), "|", "\\|"))
		}
	}
	return out.String()
}
