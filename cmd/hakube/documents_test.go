package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// mostReadme is how many lines README.md may have: of a longer one nobody reads what it is
// there for. What is about one subject goes into a document beside that.
const mostReadme = 190

// documents are the project's, but those that tell what was.
func documents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(name, ".") && name != ".." || name == "bin" || name == "release"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".md" || name == "CHANGELOG.md":
			return nil
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if all[readme] == "" || len(all) < 8 {
		t.Fatalf("%d documents were found", len(all))
	}
	if n := strings.Count(all[readme], "\n"); n > mostReadme {
		t.Errorf("README.md has %d lines, there may be %d", n, mostReadme)
	}
	return all
}

// anchorOf is a heading as links name it.
func anchorOf(heading string) string {
	text := strings.ToLower(strings.TrimSpace(strings.TrimLeft(heading, "# ")))
	text = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(text, "")
	return strings.ReplaceAll(text, " ", "-")
}

// TestDocumentLinks: each link of a document to a file of the project, and to a heading in
// one, leads there.
func TestDocumentLinks(t *testing.T) {
	all, links := documents(t), 0
	for path, text := range all {
		text = regexp.MustCompile("`[^`\n]*`").ReplaceAllString(text, "code")
		for _, m := range regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
			links++
			to := path
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(path), m[1])
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s leads nowhere: %v", path, m[0], err)
				continue
			}
			named := m[2] == "" || slices.ContainsFunc(strings.Split(all[to], "\n"), func(l string) bool {
				return strings.HasPrefix(l, "#") && anchorOf(l) == m[2][1:]
			})
			if !named {
				t.Errorf("%s: %s: there is no such heading", path, m[0])
			}
		}
	}
	if links < 20 {
		t.Errorf("%d links were found", links)
	}
}

// TestDocumentCommands: each line of code in a document that calls hakube names a command
// that there is, with flags that it has.
func TestDocumentCommands(t *testing.T) {
	app := newApp(&ui{})
	app.Setup()
	lines := 0
	for path, text := range documents(t) {
		for line := range strings.Lines(text) {
			code, is := strings.CutPrefix(line, "    ")
			words := strings.Fields(strings.SplitN(code, " #", 2)[0])
			for len(words) > 0 && (strings.Contains(words[0], "=") || words[0] == "env") {
				words = words[1:]
			}
			if !is || len(words) < 2 || words[0] != "hakube" {
				continue
			}
			lines++
			if why := unknownIn(app.Commands, app.Flags, words[1:]); why != "" {
				t.Errorf("%s: %s is no command of hakube: %s", path, strings.TrimSpace(code), why)
			}
		}
	}
	if lines < 40 {
		t.Errorf("%d lines were found", lines)
	}
}

// unknownIn is the first word of a command line that is neither a command nor a flag, ""
// if all are, or are what commands are about.
func unknownIn(commands []*cli.Command, flags []cli.Flag, words []string) string {
	for i, w := range words {
		if name, is := strings.CutPrefix(w, "--"); is {
			name, _, _ = strings.Cut(name, "=")
			if !slices.ContainsFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }) {
				return w
			}
			continue
		}
		at := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(w) })
		switch {
		case at >= 0:
			return unknownIn(commands[at].Subcommands, append(slices.Clone(flags), commands[at].Flags...), words[i+1:])
		case len(commands) > 0 && !strings.ContainsAny(w, "|&;>"):
			return w
		case strings.ContainsAny(w, "|&;>"):
			return ""
		}
	}
	return ""
}
