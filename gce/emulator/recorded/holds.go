package recorded

import (
	"fmt"
	"slices"
	"strings"
)

// A Judged difference has the reason that lists it, "" if none does.
type Judged struct {
	Difference
	Why string
}

// Holds are the differences that no reason lists, see [Judge].
func Holds(server []*Fact, google map[string]*Fact) (differences []string, methods, checks int) {
	all, methods, checks := Judge(server, google)
	for _, d := range all {
		if d.Why == "" {
			differences = append(differences, d.String())
		}
	}
	slices.Sort(differences)
	return differences, methods, checks
}

// Judge compares what is known of a server's answers with what is known of Google's,
// for the methods that are in both: the fields there are always, those there are at
// all, what they have when nobody gave it, the first state of an operation, the words
// of a refusal.
func Judge(server []*Fact, google map[string]*Fact) (differences []Judged, methods, checks int) {
	for _, is := range server {
		f := google[is.Method]
		if f == nil {
			continue
		}
		methods++
		tell := func(what, field, want, got string) {
			checks++
			d := Difference{is.Method, field, what, want, got}
			why, _ := newReport().why(d)
			if i := rowOf(KnownOfFacts, d); why == "" && i >= 0 {
				why = KnownOfFacts[i].Why
			}
			differences = append(differences, Judged{d, why})
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
	slices.SortFunc(differences, func(a, b Judged) int { return strings.Compare(a.String(), b.String()) })
	return differences, methods, checks
}
