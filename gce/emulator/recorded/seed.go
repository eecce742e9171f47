package recorded

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"hakube/gce/emulator/internal/discovery"
)

// seed makes an object that was there before the recording began: what was recorded
// of it, without what a server fills in. It tells why it cannot.
func (p *session) seed(x *Exchange, object string) string {
	m := x.method()
	resource, _, _ := strings.Cut(m.ID, ".")
	insert := discovery.Load().Methods[resource+".insert"]
	if insert == nil {
		return "reads what is Google's own, and that is another one here"
	}
	body, _ := p.concreteAll(given(insert.Request, x.Answer)).(map[string]any)
	if template := text(body, "instanceTemplate"); template != "" { // of a region: there are only global ones
		delete(body, "versions")
		body["instanceTemplate"] = "global/instanceTemplates/" + template[strings.LastIndexByte(template, '/')+1:]
	}
	collection := object[:strings.LastIndexByte(object, '/')]
	for range 10 {
		status, answer := p.do(Request{Verb: "POST", Path: collection, Body: body})
		if status < 400 {
			p.settle(answer)
			p.await(x, object)
			return ""
		}
		_, message := errorOf(answer)
		missing := notThere.FindStringSubmatch(message)
		if missing == nil || !p.prerequisite(missing[1]) {
			return "another service made it, and here it cannot be made: " + generic(message)
		}
	}
	return "another service made it, and here too much is missing to make it"
}

var notThere = regexp.MustCompile(`'(projects/[^']+)' was not found`)

// prerequisite makes an object that another one refers to, as small as can be.
func (p *session) prerequisite(path string) bool {
	parts := strings.Split(path, "/")
	kind, name := parts[len(parts)-2], parts[len(parts)-1]
	body := map[string]any{"name": name}
	switch kind {
	case "instanceTemplates":
		p.prerequisite("projects/" + p.project + "/global/networks/default")
		body["properties"] = map[string]any{
			"machineType": "e2-medium", "networkInterfaces": []any{map[string]any{"network": "global/networks/default"}},
			"disks": []any{map[string]any{"boot": true, "initializeParams": map[string]any{"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}},
		}
	case "networks":
		body["autoCreateSubnetworks"] = true
	default:
		return false
	}
	status, answer := p.do(Request{Verb: "POST", Path: path[:strings.LastIndexByte(path, '/')], Body: body})
	if status >= 400 {
		return false
	}
	p.settle(answer)
	return true
}

// await gives an object a moment to become what it was recorded as: a managed group
// makes its machines by and by.
func (p *session) await(x *Exchange, object string) {
	for range 100 {
		status, answer := p.do(Request{Verb: "GET", Path: object})
		if !slices.ContainsFunc(p.compare(x.id(), x.Status, x.Answer, status, answer), func(d Difference) bool { return d.What == "value" && row(d) < 0 }) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// settle waits for the operation of a change nobody recorded.
func (p *session) settle(answer map[string]any) {
	if _, own, ok := strings.Cut(text(answer, "selfLink"), "/compute/v1/"); ok && isOperation(answer) {
		p.do(Request{Verb: "POST", Path: own + "/wait"})
	}
}

// given is what of a document a client can say: without output-only fields and what
// has a server's number in it.
func given(s *discovery.Schema, v any) any {
	api := discovery.Load()
	if s != nil && s.Ref != "" {
		s = api.Schemas[s.Ref]
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			var p *discovery.Schema
			if s != nil {
				if p = s.Properties[k]; p == nil {
					p = s.Additional
				}
			}
			if p == nil || p.ReadOnly || k == "kind" || k == "fingerprint" || k == "labelFingerprint" || k == "id" || k == "selfLink" || k == "creationTimestamp" {
				continue
			}
			if e = given(p, e); e != nil {
				out[k] = e
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		var out []any
		for _, e := range v {
			var item *discovery.Schema
			if s != nil {
				item = s.Items
			}
			if e = given(item, e); e != nil {
				out = append(out, e)
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	return v
}

var quoted = regexp.MustCompile(`'[^']*'`)

// generic is a message without what is one object's.
func generic(message string) string { return quoted.ReplaceAllString(message, "…") }
