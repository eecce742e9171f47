package recorded

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What has to be there before an exchange can be made again.

const doubledName = "one placeholder stands for several objects"

// unready is why an exchange cannot be replayed: it is about something that is not
// there. What another service made before the recording began is made from what was
// recorded of it.
func (p *session) unready(at int, recorded, path string) string {
	x := &p.all[at]
	parts := strings.Split(path, "/")
	if len(parts) > 3 && (parts[2] == "zones" || parts[2] == "regions") && !p.has(strings.Join(parts[:4], "/")) {
		return "the embedded GCE has not all of Google's regions and zones"
	}
	_, verb, _ := strings.Cut(x.id(), ".")
	if verb == "insert" {
		if why := p.lost[path+"/"+p.concrete(nameIn(x.Body))]; why == doubledName {
			return why
		}
	}
	if p.ambiguous(recorded) || p.ambiguous(x.Body) {
		return doubledName
	}
	_, message := errorOf(x.Answer)
	if user := p.user(message); user != "" && !p.has(user) {
		return "refused because of something that is not in the recording or not there"
	}
	if x.Status >= 400 && !slices.Contains([]string{"delete", "patch", "update"}, verb) || slices.Contains([]string{"list", "aggregatedList", "insert"}, verb) {
		return ""
	}
	object := strings.TrimSuffix(path, "/"+verb)
	if why := p.lost[object]; why != "" {
		return why
	}
	if p.has(object) {
		return ""
	}
	if verb != "get" {
		return "changes what another service made"
	}
	why := p.seed(x, object)
	if why != "" {
		p.lost[object] = why
	}
	return why
}

// ambiguous tells whether there is a placeholder in a document that stands for several
// names: which one is meant cannot be known.
func (p *session) ambiguous(v any) bool {
	switch v := v.(type) {
	case string:
		return slices.ContainsFunc(placeholder.FindAllString(v, -1), func(s string) bool { return len(p.is[s]) > 1 })
	case map[string]any:
		for _, e := range v {
			if p.ambiguous(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, p.ambiguous)
	}
	return false
}

func (p *session) has(path string) bool {
	status, _ := p.do(Request{Verb: "GET", Path: path})
	return status < 400
}

// findDoubled finds names in the recording that several objects have: one is made
// though the one before was not removed.
func (p *session) findDoubled() {
	there := map[string]bool{}
	for i := range p.all {
		x := &p.all[i]
		path, _ := x.split()
		switch path = p.concrete(path); {
		case x.Status >= 400:
		case strings.HasSuffix(x.id(), ".insert"):
			if path += "/" + p.concrete(nameIn(x.Body)); there[path] {
				p.lost[path] = doubledName
			}
			there[path] = true
		case x.Verb == "DELETE":
			delete(there, path)
		}
	}
}

// nameGlobally gives the session's project global DNS names when that of the recording
// had them, which shows when a machine is made.
func (p *session) nameGlobally() {
	for i := range p.all {
		if warnings, _ := p.all[i].Answer["warnings"].([]any); strings.Contains(fmt.Sprint(warnings...), "global DNS VM") {
			_, project := p.do(Request{Verb: "GET", Path: "projects/" + p.project})
			now, _ := project["commonInstanceMetadata"].(map[string]any)
			_, op := p.do(Request{Verb: "POST", Path: "projects/" + p.project + "/setCommonInstanceMetadata", Body: map[string]any{
				"fingerprint": now["fingerprint"], "items": []any{map[string]any{"key": "VmDnsSetting", "value": "GlobalDefault"}},
			}})
			p.settle(op)
			return
		}
	}
}

// foreign is what an operation failed with, if that was an object which is not in
// the recording; then it cannot fail here by itself.
func (p *session) foreign(operation map[string]any) *[2]string {
	e, _ := operation["error"].(map[string]any)
	list, _ := e["errors"].([]any)
	if len(list) == 0 {
		return nil
	}
	first, _ := list[0].(map[string]any)
	message := p.concrete(text(first, "message"))
	if user := p.user(message); user != "" && p.has(user) {
		return nil
	}
	return &[2]string{text(first, "code"), message}
}

// user is the path of what uses an object, in the two forms in which Google tells it.
func (p *session) user(message string) string {
	m := usedBy.FindStringSubmatch(p.concrete(message))
	if m == nil {
		return ""
	}
	parts := strings.Split(m[1], "/") // REGION:us-central1/PROJECT:123/BACKEND_SERVICE:x
	if len(parts) != 3 || !strings.Contains(parts[2], ":") {
		return m[1]
	}
	_, scope, _ := strings.Cut(parts[0], ":")
	if strings.HasPrefix(parts[0], "REGION:") {
		scope = "regions/" + scope
	}
	kind, name, _ := strings.Cut(parts[2], ":")
	kind = strings.ToLower(kind)
	for i := strings.IndexByte(kind, '_'); i >= 0; i = strings.IndexByte(kind, '_') {
		kind = kind[:i] + strings.ToUpper(kind[i+1:i+2]) + kind[i+2:]
	}
	return "projects/" + p.project + "/" + scope + "/" + kind + "s/" + name
}

var usedBy = regexp.MustCompile(`already being used by '([^']+)'`)

// fingerprints puts those of the object as it is now into a change that has read it
// before: recorded ones are placeholders.
func (p *session) fingerprints(q Request) {
	o, _ := q.Body.(map[string]any)
	for k, v := range o {
		if v == "abcdef0123A=" {
			_, now := p.do(Request{Verb: "GET", Path: strings.TrimSuffix(q.Path, "/setLabels")})
			o[k] = now[k]
		}
	}
}

func nameIn(body any) string {
	o, _ := body.(map[string]any)
	return fmt.Sprint(o["name"])
}
