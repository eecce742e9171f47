package recorded

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/discovery"
)

// A Report is the account of a replay.
type Report struct {
	Exchanges, Compared, Equal int
	Differing                  map[string]int // exchanges, by the first reason that is listed
	NotSent                    map[string]int // by reason
	Methods                    map[string]int // recorded, by id
	Unlisted                   []string       // differences without a reason, each once
	Used                       map[int]int    // differences by the row of Known that lists them
}

func newReport() *Report {
	return &Report{Differing: map[string]int{}, NotSent: map[string]int{}, Methods: map[string]int{}, Used: map[int]int{}}
}

func (r *Report) notSent(why string) { r.NotSent[why]++ }

func (r *Report) judged(x *Exchange, differences []Difference) {
	r.Compared++
	if len(differences) == 0 {
		r.Equal++
		return
	}
	reason, listed := "", true
	for _, d := range differences {
		why, ok := r.why(d)
		if !ok {
			listed = false
			if s := project.ReplaceAllString(d.String(), "PROJECT"); !slices.Contains(r.Unlisted, s) {
				r.Unlisted = append(r.Unlisted, s)
			}
			continue
		}
		if reason == "" {
			reason = why
		}
	}
	if listed {
		r.Differing[reason]++
	} else {
		r.Differing["(a difference without a reason)"]++
	}
}

// why is the reason that lists a difference.
func (r *Report) why(d Difference) (reason string, listed bool) {
	if d.What == "missing" && !inDocument(d.Method, d.Field) {
		return "a field that v1 has not: it was recorded from compute/beta", true
	}
	i := row(d)
	if i < 0 {
		return "", false
	}
	r.Used[i]++
	return Known[i].Why, true
}

// inDocument tells whether answers of a method can have a field.
func inDocument(method, field string) bool {
	api := discovery.Load()
	m := api.Methods[method]
	if m == nil || m.Response == nil {
		return true
	}
	s := m.Response
	for part := range strings.SplitSeq(strings.ReplaceAll(field, "[]", ""), ".") {
		for s != nil && (s.Ref != "" || s.Items != nil) {
			if s.Ref != "" {
				s = api.Schemas[s.Ref]
			} else {
				s = s.Items
			}
		}
		if s == nil {
			return true
		}
		next := s.Properties[part]
		if next == nil {
			next = s.Additional
		}
		if s = next; s == nil {
			return false
		}
	}
	return true
}

// row is the first of Known that lists a difference, -1 if none does.
func row(d Difference) int { return rowOf(Known, d) }

func rowOf(rows []Row, d Difference) int {
	return slices.IndexFunc(rows, func(k Row) bool {
		return slices.Contains(strings.Fields(k.What), d.What) && glob(k.Method, d.Method) && glob(k.Field, d.Field) && strings.Contains(d.Got, k.Got)
	})
}

func glob(pattern, s string) bool {
	for p := range strings.SplitSeq(pattern, " ") {
		// Fields have brackets, which are nobody's pattern here.
		if ok, err := path.Match(plain.Replace(p), plain.Replace(s)); err == nil && ok {
			return true
		}
	}
	return pattern == s
}

var project = regexp.MustCompile(`recorded-\d{4}`)

var plain = strings.NewReplacer("[", "<", "]", ">", "/", "|")

// String is the account in lines.
func (r *Report) String() string {
	var b strings.Builder
	sum := func(m map[string]int) (n int) {
		for _, k := range m {
			n += k
		}
		return n
	}
	fmt.Fprintf(&b, "%d exchanges, %d compared: %d equal, %d differ by a listed reason; %d not sent\n", r.Exchanges, r.Compared, r.Equal, sum(r.Differing), sum(r.NotSent))
	for _, part := range []struct {
		title string
		m     map[string]int
	}{{"differ", r.Differing}, {"not sent", r.NotSent}} {
		keys := slices.SortedFunc(maps.Keys(part.m), func(a, b string) int {
			if n := part.m[b] - part.m[a]; n != 0 {
				return n
			}
			return strings.Compare(a, b)
		})
		for _, k := range keys {
			fmt.Fprintf(&b, "  %s %4d: %s\n", part.title, part.m[k], k)
		}
	}
	return b.String()
}
