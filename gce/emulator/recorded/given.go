package recorded

import (
	"fmt"
	"strings"
)

// Reasons for a difference that lies in what was asked for, not in who answers.
const (
	askedFor = "it was asked for here, and where it was recorded it was not"
	filled   = "it has something in it here"
	newForm  = "a refusal that was not recorded of this method"
)

// Explain gives those differences a reason that come of other requests than were
// recorded, and adds what only the requests show: refusals that were not recorded, and
// fields that were given and are not answered, where Google was seen to answer them.
func Explain(differences []Judged, all []Exchange, google map[string]*Fact) []Judged {
	asked, inserted := map[string]bool{}, map[string]bool{}
	for _, x := range all {
		if body, ok := x.Body.(map[string]any); ok {
			fields := map[string][]leaf{}
			flatten("", body, fields)
			for field := range fields {
				asked[element(field)] = true
				if of, is := strings.CutSuffix(x.id(), ".insert"); is && x.Status < 400 {
					inserted[of+".get "+element(field)] = true
				}
			}
		}
	}
	out := make([]Judged, len(differences))
	for i, d := range differences {
		if d.Why == "" && d.What == "extra" && wasAsked(asked, google[d.Method], d.Field) {
			d.Why = askedFor
		}
		if d.Why == "" && d.What == "missing" && (d.Want == "object" || d.Want == "list") && hasWithin(asked, d.Field) {
			d.Why = filled
		}
		out[i] = d
	}
	for _, is := range Reduce(all) {
		f := google[is.Method]
		if f == nil {
			continue
		}
		for field, sort := range f.Sometimes {
			if inserted[is.Method+" "+field] && is.Statuses["200"] > 0 && is.Always[field]+is.Sometimes[field] == "" {
				out = append(out, Judged{Difference: Difference{is.Method, field, "missing", sort, ""}})
			}
		}
		for _, e := range is.Errors {
			known := false
			for _, g := range f.Errors {
				known = known || g.Status == e.Status && g.Reason == e.Reason
			}
			if !known {
				out = append(out, Judged{Difference{is.Method, "", "refused", "", fmt.Sprintf("%d %s: %s", e.Status, e.Reason, e.Message)}, newForm})
			}
		}
	}
	return out
}

// wasAsked tells whether a request gave a field, or something beside it in a part of the
// object that the table knows nothing of. Another request may have made the object, as
// that of a machine makes its disk.
func wasAsked(asked map[string]bool, f *Fact, field string) bool {
	field = strings.TrimPrefix(field, "items[].") // of a list
	parent, _, in := cutLast(field)
	for _, known := range []map[string]string{f.Always, f.Sometimes} {
		for k := range known {
			in = in && !strings.HasPrefix(strings.TrimPrefix(k, "items[]."), parent+".")
		}
	}
	for a := range asked {
		if a == field || strings.HasSuffix(a, "."+field) || strings.HasSuffix(field, "."+a) && strings.Contains(a, ".") {
			return true
		}
		if above, _, ok := cutLast(a); ok && in && (above == parent || strings.HasSuffix(parent, "."+above) || strings.HasSuffix(above, "."+parent)) {
			return true
		}
	}
	return false
}

func hasWithin(asked map[string]bool, field string) bool {
	_, last, ok := cutLast(field)
	if !ok {
		last = field
	}
	for a := range asked {
		if strings.HasPrefix(a, last+".") || strings.Contains(a, "."+last+".") || strings.HasPrefix(a, last+"[]") {
			return true
		}
	}
	return false
}

func cutLast(field string) (before, last string, found bool) {
	i := strings.LastIndexByte(field, '.')
	if i < 0 {
		return "", field, false
	}
	return field[:i], field[i+1:], true
}
