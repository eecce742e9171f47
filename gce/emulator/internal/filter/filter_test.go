package filter

import (
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

func TestFilters(t *testing.T) {
	o := doc.Obj{"name": "web-1", "status": "RUNNING", "zone": doc.Base + "projects/p/zones/europe-west1-b", "id": "12",
		"labels": doc.Obj{"role": "node", "app.kubernetes": "x"}, "tags": doc.Obj{"items": []any{"a", "b"}},
		"scheduling": doc.Obj{"automaticRestart": false}, "sizeGb": "200"}
	for text, want := range map[string]bool{
		"":                                      true,
		"name eq web-.*":                        true,
		"name eq 'web-[0-9]'":                   true,
		"name eq eb":                            false, // the whole value
		"name ne web-.*":                        false,
		"name=web-1":                            true,
		"name = \"web-1\"":                      true,
		"name!=web-1":                           false,
		"name=web-*":                            true,
		"labels.role=node":                      true,
		"labels.role:*":                         true,
		"labels.owner:*":                        false,
		"NOT labels.owner:*":                    true,
		"labels.owner!=x":                       true,
		"labels.app.kubernetes=x":               true,
		"labels:role":                           true,
		"status=running AND labels.role=node":   true,
		"status=RUNNING AND name=x":             false,
		"name=x OR status=RUNNING":              true,
		"(name=x) (status=RUNNING)":             false,
		"(name=x) OR (status=RUNNING)":          true,
		"name=x OR name=web-1 AND status=x":     false, // OR binds closer
		"zone=europe-west1-b":                   true,
		"tags.items=b":                          true,
		"scheduling.automaticRestart = false":   true,
		"sizeGb>100":                            true,
		"sizeGb<=100":                           false,
		"zone:europe":                           true,
		"(name eq web-1)(zone eq .*west1-b)":    true,
		`description eq "hakube: cluster=.*"`:   false,
		"creationTimestamp<'2020-01-01T00:00'":  false,
		"name=web-1 AND (id=12 OR id=13) id<20": true,
	} {
		f, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if f(o) != want {
			t.Errorf("%s: %v, want %v", text, !want, want)
		}
	}
	for _, text := range []string{"name", "name eq", "name eq [", "(name=x", "name=x)", "name ~ x", "= x y"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
}

// FuzzFilter parses any filter and holds it against an object; it fits or it
// does not, and what it negates is the other.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"", "name eq web-.*", "name ne 'x'", `name = "a\"b"`, "labels.a.b:*", "NOT a=b OR (c<d AND e>=1) f:g", "- a=b", "((a=b))", "zone=*west1-b", "tags.items=b id<20", "name eq [", "(a=b"} {
		f.Add(s)
	}
	o := doc.Obj{"name": "web-1", "zone": doc.Base + "projects/p/zones/europe-west1-b", "labels": doc.Obj{"a.b": "x"}, "tags": doc.Obj{"items": []any{"a", "b"}}, "on": false, "n": 1.5}
	f.Fuzz(func(t *testing.T, s string) {
		keep, err := Parse(s)
		if err != nil {
			if p := problem.Of(err); p.Status != 400 || len(p.Message) > 2*maxFilter+200 {
				t.Errorf("%q: %d %s", s, p.Status, p.Message)
			}
			return
		}
		is := keep(o)
		if strings.TrimSpace(s) == "" {
			return
		}
		if not, err := Parse("NOT (" + s + ")"); err == nil && not(o) == is {
			t.Errorf("%q and its contrary are both %t", s, is)
		}
	})
}
