package recorded

import (
	"regexp"
	"slices"
	"strings"
)

// names turn the placeholders of a recording into names of a project, and tell
// whether an answer says the same with them.
type names struct {
	project string
	is      map[string][]string // what a placeholder stands for, where the recording tells
}

// aliases reads out of a recording which placeholders of paths stand for names that
// stand elsewhere as they are.
func aliases(all []Exchange) map[string][]string {
	is := map[string][]string{}
	note := func(p, name string) {
		if m := placeholder.FindString(p); m == p && p != "" && name != "" && name != p && !slices.Contains(is[p], name) {
			is[p] = append(is[p], name)
		}
	}
	for i := range all {
		x := &all[i]
		path, _ := x.split()
		note(path[strings.LastIndexByte(path, '/')+1:], x.ownName())
		if link := text(x.Answer, "targetLink"); isOperation(x.Answer) && strings.HasSuffix(x.id(), ".insert") {
			note(link[strings.LastIndexByte(link, '/')+1:], nameIn(x.Body))
		}
	}
	return is
}

// ownName is the name of the object an exchange is about as its answer has it, ""
// when it does not.
func (x *Exchange) ownName() string {
	if x.Verb == "GET" && x.Status < 400 && !isOperation(x.Answer) {
		return text(x.Answer, "name")
	}
	_, message := errorOf(x.Answer)
	if m := notThere.FindStringSubmatch(message); m != nil && x.Status == 404 {
		return m[1][strings.LastIndexByte(m[1], '/')+1:]
	}
	return ""
}

var placeholder = regexp.MustCompile(`\$\{[^}]*\}`)

// anew are placeholders of what a server makes up: any text stands for them. Others
// stand for names that a request gives.
var anew = []string{"projectNumber", "operationID", "routeID", "routeName", "subnetworkNumber"}

// concrete is s with its placeholders replaced by names that are the same wherever
// they stand.
func (n names) concrete(s string) string {
	return placeholder.ReplaceAllStringFunc(otherImage.ReplaceAllString(s, "family/debian-12"), n.standsFor)
}

// otherImage is one the embedded GCE has not: its own takes the place of it, and what
// is answered of the image differs.
var otherImage = regexp.MustCompile(`family/debian-(10|11)$`)

// standsFor is the name that a placeholder is replaced by.
func (n names) standsFor(p string) string {
	if is := n.is[p]; len(is) == 1 {
		return placeholder.ReplaceAllStringFunc(is[0], func(p string) string { return n.name(p[2 : len(p)-1]) })
	}
	return n.name(p[2 : len(p)-1])
}

func (n names) name(p string) string {
	if p == "projectId" || p == "projectNumber" {
		return n.project
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(p))
}

// concreteAll is concrete of all strings in a document, keys included.
func (n names) concreteAll(v any) any {
	switch v := v.(type) {
	case string:
		return n.concrete(v)
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[n.concrete(k)] = n.concreteAll(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = n.concreteAll(e)
		}
		return out
	}
	return v
}

var betaLinks = regexp.MustCompile(`/compute/(beta|v1beta1)/`)

// equal tells whether a recorded text and an answered one are the same.
func (n names) equal(want, got string) bool {
	want = betaLinks.ReplaceAllString(want, "/compute/v1/") // of clients that asked there
	if !strings.Contains(want, "${") {
		return want == got
	}
	var re strings.Builder
	re.WriteString("^")
	for at := 0; at < len(want); {
		next := placeholder.FindStringIndex(want[at:])
		if next == nil {
			re.WriteString(regexp.QuoteMeta(want[at:]))
			break
		}
		re.WriteString(regexp.QuoteMeta(want[at : at+next[0]]))
		if p := want[at+next[0] : at+next[1]]; slices.Contains(anew, p[2:len(p)-1]) || len(n.is[p]) > 1 {
			re.WriteString(`[^/]+`)
		} else {
			re.WriteString(regexp.QuoteMeta(n.standsFor(p)))
		}
		at += next[1]
	}
	return regexp.MustCompile(re.String() + "$").MatchString(got)
}
