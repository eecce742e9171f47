package filter

import (
	"strings"

	"hakube/gce/emulator/internal/discovery"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

// A Selection is which fields of a document are answered: "items(name,disks/source)".
// One without fields is all of what it stands at.
type Selection map[string]Selection

// maxSelection is how deep a selection may be; each level costs stack.
const maxSelection = 50

// Fields reads the parameter fields for an answer of a schema.
func Fields(api *discovery.API, answer *discovery.Schema, text string) (Selection, error) {
	p := &selector{rest: text}
	s := p.list(maxSelection)
	if p.rest != "" || p.bad {
		return nil, problem.New(400, "invalidParameter", "INVALID_PARAMETER", "Invalid field selection "+text)
	}
	if unknown := s.unknownIn(api, answer); unknown != "" {
		return nil, problem.New(400, "invalidParameter", "INVALID_PARAMETER", "Invalid field selection "+unknown)
	}
	return s, nil
}

type selector struct {
	rest string
	bad  bool
}

func (p *selector) take(c byte) bool {
	if p.rest != "" && p.rest[0] == c {
		p.rest = p.rest[1:]
		return true
	}
	return false
}

// list reads "a,b/c,d(e,f)".
func (p *selector) list(depth int) Selection {
	s := Selection{}
	for {
		p.path(s, depth)
		if p.bad || !p.take(',') {
			return s
		}
	}
}

func (p *selector) path(in Selection, depth int) {
	n := strings.IndexAny(p.rest, ",/()")
	if n < 0 {
		n = len(p.rest)
	}
	name := strings.TrimSpace(p.rest[:n])
	p.rest = p.rest[n:]
	if p.bad = name == "" || depth == 0; p.bad {
		return
	}
	sub := in[name]
	if sub == nil {
		sub = Selection{}
		in[name] = sub
	}
	switch {
	case p.take('/'):
		p.path(sub, depth-1)
	case p.take('('):
		for k, v := range p.list(depth - 1) {
			sub[k] = v
		}
		p.bad = p.bad || !p.take(')')
	}
}

// unknownIn is a field that no value of the schema has.
func (s Selection) unknownIn(api *discovery.API, schema *discovery.Schema) string {
	for schema != nil && (schema.Ref != "" || schema.Items != nil) {
		if schema.Ref != "" {
			schema = api.Schemas[schema.Ref]
		} else {
			schema = schema.Items
		}
	}
	for _, name := range doc.SortedKeys(s) {
		if name == "*" {
			continue
		}
		var of *discovery.Schema
		if schema != nil {
			if of = schema.Properties[name]; of == nil {
				of = schema.Additional
			}
		}
		if of == nil {
			return name
		}
		if unknown := s[name].unknownIn(api, of); unknown != "" {
			return name + "/" + unknown
		}
	}
	return ""
}

// Of is what the selection leaves of a value, in a list of each. The value itself
// stays as it is: it may be the store's.
func (s Selection) Of(v any) any {
	if len(s) == 0 {
		return v
	}
	switch v := v.(type) {
	case doc.Obj:
		out := doc.Obj{}
		for k, e := range v {
			sub, named := s[k]
			if !named {
				sub, named = s["*"]
			}
			if named {
				out[k] = sub.Of(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = s.Of(e)
		}
		return out
	}
	return v
}
