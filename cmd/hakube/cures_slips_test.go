//go:build linux

package main

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// slips brings hakube to name commands, one slip after the other, and runs them.
func (s *shell) slips(t *testing.T, run map[string]bool, list []slip) (named int) {
	t.Helper()
	for _, x := range list {
		t.Run(cmp.Or(x.name, strings.Join(x.kinds, "_")), func(t *testing.T) {
			before := s.env
			defer func() { s.env = before }() // make may export more
			s.env = slices.Clone(s.env)
			if x.make != nil {
				x.make(t, s)
			}
			said, _ := s.typed(t, t.TempDir(), s.exe, x.call...)
			lines := commandsIn(said)
			for i, kind := range x.kinds {
				if i >= len(lines) {
					t.Fatalf("%v names %q:\n%s", x.call, lines, said)
				}
				if kind == "" { // another way than the one before
					continue
				}
				out, code := s.cured(t, lines[i], kind)
				if code != 0 {
					t.Fatalf("%s\nexits with %d:\n%s", lines[i], code, out)
				}
				if !regexp.MustCompile(x.shows[kind]).MatchString(out) {
					t.Fatalf("%s\ndoes not print %q:\n%s", lines[i], x.shows[kind], out)
				}
				run[kind] = true
				named++
				if then := x.after[kind]; then != "" {
					if out, code := s.typed(t, t.TempDir(), "sh", "-c", then); code != 0 {
						t.Fatalf("after %s\n%s exits with %d:\n%s", lines[i], then, code, out)
					}
				}
			}
		})
	}
	return named
}
