package recorded

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// A leaf is a value in a document: of what sort it is, and what it is where that
// means something. Times, ids, addresses and fingerprints are made anew by every
// server, so that of them only the sort counts.
type leaf struct{ sort, value string }

var (
	aTime   = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`)
	digits  = regexp.MustCompile(`^\d{6,}$|^0+$`)
	address = regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+$`)
)

// flatten lists what is in a document by field, as "disks[].source".
func flatten(at string, v any, into map[string][]leaf) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			into[at] = append(into[at], leaf{sort: "object"})
		}
		for k, e := range v {
			flatten(strings.TrimPrefix(at+"."+k, "."), e, into)
		}
	case []any:
		if len(v) == 0 {
			into[at] = append(into[at], leaf{sort: "list"})
		}
		for _, e := range v {
			flatten(at+"[]", e, into)
		}
	default:
		into[at] = append(into[at], leafOf(at, v))
	}
}

func leafOf(at string, v any) leaf {
	s, ok := v.(string)
	if !ok {
		return leaf{fmt.Sprintf("%T", v), fmt.Sprint(v)}
	}
	field := at[strings.LastIndexByte(at, '.')+1:]
	switch {
	case strings.HasSuffix(strings.ToLower(field), "fingerprint"), field == "etag":
		return leaf{sort: "fingerprint"}
	case aTime.MatchString(s):
		return leaf{sort: "time"}
	case field == "user":
		return leaf{sort: "user"}
	case field == "id", field == "targetId":
		return leaf{sort: "number"}
	case field == "selfLinkWithId":
		return leaf{"string", s[:strings.LastIndexByte(s, '/')+1]}
	case digits.MatchString(s):
		return leaf{sort: "number"}
	case address.MatchString(s):
		return leaf{sort: "address"}
	}
	if _, err := netip.ParsePrefix(s); err == nil {
		return leaf{"range", s}
	}
	return leaf{"string", s}
}

// A Difference is one field in which two answers differ.
type Difference struct {
	Method    string // "networks.get"
	Field     string // "routingConfig.routingMode"; "" of the answer as a whole
	What      string // "missing", "extra", "type", "value", "status", "reason", "message", "refused"
	Want, Got string
}

func (d Difference) String() string {
	return fmt.Sprintf("%s: %s %s: Google %q, the embedded GCE %q", d.Method, d.What, d.Field, d.Want, d.Got)
}

// compare tells in what an answer differs from the recorded one.
func (n names) compare(method string, wantStatus int, want map[string]any, gotStatus int, got map[string]any) []Difference {
	if wantStatus >= 400 || gotStatus >= 400 {
		return n.compareErrors(method, wantStatus, want, gotStatus, got)
	}
	var out []Difference
	if wantStatus != gotStatus {
		out = append(out, Difference{method, "", "status", fmt.Sprint(wantStatus), fmt.Sprint(gotStatus)})
	}
	return append(out, n.compareFields(method, want, got)...)
}

func (n names) compareFields(method string, want, got map[string]any) (out []Difference) {
	a, b := map[string][]leaf{}, map[string][]leaf{}
	flatten("", want, a)
	flatten("", got, b)
	for field, theirs := range a {
		ours, ok := b[field]
		if !ok {
			out = append(out, Difference{method, field, "missing", theirs[0].value, ""})
			continue
		}
		if theirs[0].sort != ours[0].sort {
			out = append(out, Difference{method, field, "type", theirs[0].sort + " " + theirs[0].value, ours[0].sort + " " + ours[0].value})
			continue
		}
		for i, w := range theirs {
			if i < len(ours) && !n.equal(w.value, ours[i].value) && !slices.ContainsFunc(ours, func(l leaf) bool { return n.equal(w.value, l.value) }) {
				out = append(out, Difference{method, field, "value", w.value, ours[i].value})
				break
			}
		}
	}
	for field, ours := range b {
		if _, ok := a[field]; !ok {
			out = append(out, Difference{method, field, "extra", "", ours[0].value})
		}
	}
	return sorted(out)
}

// compareErrors looks at what clients decide by: status, reason, words.
func (n names) compareErrors(method string, wantStatus int, want map[string]any, gotStatus int, got map[string]any) (out []Difference) {
	wr, wm := errorOf(want)
	gr, gm := errorOf(got)
	if wantStatus < 400 {
		return []Difference{{method, "", "refused", fmt.Sprint(wantStatus), fmt.Sprintf("%d %s: %s", gotStatus, gr, gm)}}
	}
	if wantStatus != gotStatus {
		out = append(out, Difference{method, "", "status", fmt.Sprintf("%d %s: %s", wantStatus, wr, wm), fmt.Sprintf("%d %s: %s", gotStatus, gr, gm)})
	}
	if gotStatus >= 400 && wr != gr {
		out = append(out, Difference{method, "", "reason", wr, gr})
	} else if gotStatus >= 400 && !n.equal(wm, gm) {
		out = append(out, Difference{method, "", "message", wm, gm})
	}
	if len(out) == 0 {
		out = n.compareFields(method, want, got)
	}
	return out
}

// errorOf is the first reason of an error answer, and its message.
func errorOf(answer map[string]any) (reason, message string) {
	e, _ := answer["error"].(map[string]any)
	list, _ := e["errors"].([]any)
	if len(list) > 0 {
		first, _ := list[0].(map[string]any)
		reason = text(first, "reason")
	}
	return reason, text(e, "message")
}

func sorted(all []Difference) []Difference {
	slices.SortFunc(all, func(a, b Difference) int { return strings.Compare(a.Field+a.What, b.Field+b.What) })
	return all
}
