package recorded

import (
	"fmt"
	"slices"
	"strings"
)

// Holds compares what is known of a server's answers with what is known of Google's,
// for the methods that are in both: the fields there are always, those there are at
// all, what they have when nobody gave it, the first state of an operation, the words
// of a refusal. What is listed in Known is left out.
func Holds(server []*Fact, google map[string]*Fact) (differences []string, methods, checks int) {
	for _, is := range server {
		f := google[is.Method]
		if f == nil {
			continue
		}
		methods++
		tell := func(what, field, want, got string) {
			checks++
			d := Difference{is.Method, field, what, want, got}
			if _, listed := newReport().why(d); !listed && rowOf(KnownOfFacts, d) < 0 {
				differences = append(differences, d.String())
			}
		}
		fields := func(m ...map[string]string) map[string]string {
			all := map[string]string{}
			for _, m := range m {
				for k, v := range m {
					all[k] = v
				}
			}
			return all
		}
		ours, theirs := fields(is.Always, is.Sometimes), fields(f.Always, f.Sometimes)
		for field, sort := range f.Always {
			if checks++; ours[field] == "" && is.Statuses["200"] > 0 {
				tell("missing", field, sort, "")
			}
		}
		for field, sort := range ours {
			if checks++; theirs[field] == "" && f.Statuses["200"] > 0 {
				tell("extra", field, "", sort)
			} else if theirs[field] != "" && theirs[field] != sort {
				tell("type", field, theirs[field], sort)
			}
		}
		for field, got := range is.Defaults {
			if want := f.Defaults[field]; len(want) > 0 && !slices.ContainsFunc(got, func(s string) bool { return slices.Contains(want, s) }) {
				tell("value", field, strings.Join(want, " "), strings.Join(got, " "))
			}
		}
		for first := range is.First {
			if checks++; f.First[first] == 0 {
				tell("value", "status", fmt.Sprint(f.First), first)
			}
		}
		for _, e := range is.Errors {
			same := slices.ContainsFunc(f.Errors, func(g ErrorForm) bool { return g.Status == e.Status && g.Reason == e.Reason })
			if checks++; same && !slices.Contains(f.Errors, e) {
				tell("message", "", "", e.Message)
			}
		}
	}
	slices.Sort(differences)
	return differences, methods, checks
}
