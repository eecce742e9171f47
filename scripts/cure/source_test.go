package cure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// spelled is a command in a text: a program that hakube names, and a word that it
// takes.
var spelled = regexp.MustCompile(`\b(hakube (--|(up|down|plan|status|validate|repair|local|help|completion)\b)|` +
	`gcloud (compute|auth|config|projects|services|iam)\b|kubectl (get|delete|apply|create|config|describe|drain|cordon|uncordon|--)|chmod [0-7]+ |: export [A-Z])`)

// TestNoCommandIsSpelled: no source of hakube's but this package spells a command
// in a string. One that does could name a command that lacks what it needs, and
// nothing would ever run it.
func TestNoCommandIsSpelled(t *testing.T) {
	files := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "cure" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".."):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		for _, s := range spelledIn(t, path, nil) {
			t.Errorf("%s: take the command from package cure, so that it is whole and run by TestCures", s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 200 {
		t.Errorf("only %d files were looked at", files)
	}
}

// spelledIn is where a source spells commands.
func spelledIn(t *testing.T, path string, source any) (list []string) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field: // its tag is no text that is shown; a description in it is a setting's
			return true
		case *ast.BasicLit:
			if n.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(n.Value)
			if err != nil {
				t.Fatal(err)
			}
			if found := spelled.FindString(text); found != "" {
				list = append(list, set.Position(n.Pos()).String()+": "+strconv.Quote(found))
			}
		}
		return true
	})
	return list
}

// TestSpelled: the net catches what was written by hand before.
func TestSpelled(t *testing.T) {
	for text, want := range map[string]bool{
		`"start it: hakube local start"`: true, "`run \"hakube down\" again`": true, `"KUBE_GCE_ZONE=x hakube up"`: true,
		`"run: gcloud auth application-default login"`: true, `"kubectl delete node " + n`: true, `"or: chmod 700 " + dir`: true,
		`"hakube made it for that cluster"`: false, `"gcloud has no configured project"`: false, `"hakube upgrades nothing"`: false,
	} {
		got := spelledIn(t, "x.go", "package x\nvar n, dir string\nvar s = "+text+"\n")
		if (len(got) > 0) != want {
			t.Errorf("%s: found %q", text, got)
		}
	}
}
