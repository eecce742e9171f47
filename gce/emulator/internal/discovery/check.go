package discovery

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// A Problem is one field that does not fit the document.
type Problem struct {
	Field   string // "resource.disks[0].mode", "zone", "networkInterface"
	Value   string
	Reason  string // a sentence
	Missing bool   // the field is required and not there
	Unknown bool   // there is no such field
}

func (p *Problem) Error() string {
	if p.Missing {
		return fmt.Sprintf("Required field '%s' not specified", p.Field)
	}
	return fmt.Sprintf("Invalid value for field '%s': '%s'. %s", p.Field, p.Value, p.Reason)
}

// Params checks path and query parameters. Unknown query parameters pass:
// clients older than the document send some it no longer lists, such as
// returnPartialSuccess.
func (a *API) Params(m *Method, path map[string]string, query url.Values) *Problem {
	names := make([]string, 0, len(m.Parameters))
	for name := range m.Parameters {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		p := m.Parameters[name]
		values := query[name]
		if p.Location == "path" {
			values = []string{path[name]}
		}
		if len(values) == 0 && p.Required {
			return &Problem{Field: name, Missing: true}
		}
		for _, v := range values {
			if v == "-" && name == "zone" && strings.HasPrefix(m.ID, "imageFamilyViews.") {
				continue // any zone: clients write it though the pattern forbids it
			}
			if why := a.param(p, v); why != "" {
				return &Problem{Field: name, Value: v, Reason: why}
			}
		}
	}
	return nil
}

func (a *API) param(p *Parameter, v string) string {
	if p.Pattern != "" && !a.patterns[p.Pattern].MatchString(v) {
		return fmt.Sprintf("Must be a match of regex '%s'", p.Pattern)
	}
	if len(p.Enum) > 0 && !slices.Contains(p.Enum, v) {
		return "Unknown value."
	}
	switch p.Type {
	case "integer":
		bits := 64
		if p.Format == "int32" || p.Format == "uint32" {
			bits = 33 // maxResults is uint32
		}
		n, err := strconv.ParseInt(v, 10, bits)
		if err != nil {
			return "Not an integer."
		}
		if p.Maximum > 0 && (n < p.Minimum || n > p.Maximum) {
			return fmt.Sprintf("Must be between %d and %d.", p.Minimum, p.Maximum)
		}
	case "boolean":
		if _, err := strconv.ParseBool(strings.ToLower(v)); err != nil {
			return "Not a boolean."
		}
	case "string":
		return number(p.Format, v)
	}
	return ""
}

// Request checks a body. Fields for output only pass: see Strip.
func (a *API) Request(m *Method, body map[string]any) *Problem {
	if m.Request == nil {
		return nil
	}
	c := checker{api: a, method: m.ID, input: strings.HasSuffix(m.ID, ".insert"), asked: true}
	c.required = m.HTTP == "POST" || m.HTTP == "PUT"
	return c.value("resource", "", m.Request, body)
}

// Sent checks a request as strictly as the document allows: a field for output
// only is a mistake in any method, a 64 bit integer is a string, and there is
// no query parameter but the method's own and those of every method. seen is
// told each field, as "Instance.name".
func (a *API) Sent(m *Method, path map[string]string, query url.Values, body map[string]any, seen func(string)) *Problem {
	if p := a.Params(m, path, query); p != nil {
		return p
	}
	for _, name := range sortedKeys(query) {
		p := m.Parameters[name]
		if p == nil && slices.Contains(ofEveryMethod, name) {
			continue
		}
		if p == nil || p.Location != "query" {
			return &Problem{Field: name, Value: query.Get(name), Reason: "No such parameter."}
		}
		if len(query[name]) > 1 && !p.Repeated {
			return &Problem{Field: name, Value: show(query[name]), Reason: "The parameter cannot be repeated."}
		}
	}
	if m.Request == nil {
		if body != nil {
			return &Problem{Field: "resource", Value: show(body), Reason: "The method has no body."}
		}
		return nil
	}
	c := checker{api: a, method: m.ID, input: true, asked: true, strict: true, seen: seen}
	c.required = m.HTTP == "POST" || m.HTTP == "PUT"
	if body == nil {
		return &Problem{Field: "resource", Missing: true}
	}
	return c.value("resource", "", m.Request, body)
}

// ofEveryMethod are the parameters at the top of the document, and "$alt",
// which Google's client for Go sends to every REST service.
var ofEveryMethod = []string{
	"$.xgafv", "$alt", "access_token", "alt", "callback", "fields", "key", "oauth_token", "prettyPrint",
	"quotaUser", "uploadType", "upload_protocol", "userIp",
}

// Answered checks what a server answered. seen is told each field that has a
// value, as "Instance.name".
func (a *API) Answered(m *Method, body map[string]any, seen func(string)) *Problem {
	if m.Response == nil {
		return nil
	}
	c := checker{api: a, method: m.ID, output: true, seen: seen}
	return c.value("response", "", m.Response, body)
}

// Field is the description of a field of s, by its way there; nil if there is none.
func (a *API) Field(s *Schema, at []string) *Schema {
	for s != nil && (s.Ref != "" || s.Items != nil || s.Additional != nil) {
		switch {
		case s.Ref != "":
			s = a.Schemas[s.Ref]
		case s.Items != nil && len(at) > 0:
			s = s.Items
		case s.Additional != nil && len(at) > 0:
			s = s.Additional
		default:
			return s
		}
	}
	if s == nil || len(at) == 0 {
		return s
	}
	return a.Field(s.Properties[at[0]], at[1:])
}

// Fields are all fields a value of the schema can have, as Sent and Answered
// tell them. What is for output only is left out of a request's.
func (a *API) Fields(s *Schema, request bool) []string {
	found := map[string]bool{}
	var walk func(in string, s *Schema)
	walk = func(in string, s *Schema) {
		if s == nil {
			return
		}
		if s.Ref != "" {
			in, s = s.Ref, a.Schemas[s.Ref]
		}
		walk(in, s.Items)
		walk(in+".*", s.Additional)
		for name, p := range s.Properties {
			field := in + "." + name
			if request && p.ReadOnly || found[field] {
				continue
			}
			found[field] = true
			walk(field, p)
		}
	}
	walk("", s)
	return sortedKeys(found)
}

type checker struct {
	api      *API
	method   string
	input    bool
	asked    bool // it is what somebody asks for
	output   bool
	strict   bool // refuse output fields
	required bool
	seen     func(string)
}

// value checks v, found at a place in the document at, as s says; in is the
// schema and field that s is of.
func (c checker) value(at, in string, s *Schema, v any) *Problem {
	if s.Ref != "" {
		in, s = s.Ref, c.api.Schemas[s.Ref]
	}
	bad := func(why string) *Problem { return &Problem{Field: at, Value: show(v), Reason: why} }
	if v == nil {
		return nil // a null is a field that is not given, or one a patch removes
	}
	switch s.Type {
	case "object":
		o, ok := v.(map[string]any)
		if !ok {
			return bad("Must be an object.")
		}
		return c.object(at, in, s, o)
	case "array":
		l, ok := v.([]any)
		if !ok {
			return bad("Must be a list.")
		}
		for i, e := range l {
			item := *s.Items
			if item.Pattern == "" {
				item.Pattern = s.Pattern // the document puts the pattern of Tags.items on the list
			}
			if p := c.value(fmt.Sprintf("%s[%d]", at, i), in, &item, e); p != nil {
				return p
			}
		}
	case "string":
		t, ok := v.(string)
		if !ok {
			return bad("Must be a string.")
		}
		if s.Pattern != "" && !c.api.patterns[s.Pattern].MatchString(t) {
			return bad(fmt.Sprintf("Must be a match of regex '%s'", s.Pattern))
		}
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, t) {
			return bad("Unknown value.")
		}
		if c.output && s.Default != "" && s.Default != t && strings.HasSuffix(in, ".kind") {
			return bad("Must be " + s.Default + ".")
		}
		if why := number(s.Format, t); why != "" {
			return bad(why)
		}
	case "integer", "number":
		f, ok := v.(float64)
		if !ok {
			return bad("Must be a number.")
		}
		if s.Type == "integer" && f != float64(int64(f)) {
			return bad("Must be a whole number.")
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return bad("Must be a boolean.")
		}
	}
	return nil
}

func (c checker) object(at, in string, s *Schema, o map[string]any) *Problem {
	if c.asked && s.Additional != nil && (at == "labels" || strings.HasSuffix(at, ".labels")) {
		if p := labels(at, o); p != nil {
			return p
		}
	}
	for _, k := range sortedKeys(o) {
		p, field := s.Properties[k], in+"."+k
		if p == nil {
			p, field = s.Additional, in+".*"
		}
		if p == nil {
			return &Problem{Field: at + "." + k, Value: show(o[k]), Reason: "No such field.", Unknown: true}
		}
		if c.strict && p.ReadOnly && o[k] != nil {
			return &Problem{Field: at + "." + k, Value: show(o[k]), Reason: "The field is for output only."}
		}
		if c.seen != nil && o[k] != nil {
			c.seen(field)
		}
		if prob := c.value(at+"."+k, field, p, o[k]); prob != nil {
			return prob
		}
	}
	if c.required {
		for _, k := range sortedKeys(s.Properties) {
			if _, ok := o[k]; !ok && slices.Contains(s.Properties[k].Required, c.method) {
				return &Problem{Field: at + "." + k, Missing: true}
			}
		}
	}
	return nil
}

func number(format, v string) string {
	var err error
	switch format {
	case "int64":
		_, err = strconv.ParseInt(v, 10, 64)
	case "uint64":
		_, err = strconv.ParseUint(v, 10, 64)
	case "byte":
		v = strings.TrimRight(v, "=") // in either alphabet, with or without padding
		if _, err = base64.RawStdEncoding.DecodeString(v); err != nil {
			_, err = base64.RawURLEncoding.DecodeString(v)
		}
	}
	if err != nil {
		return "Not a value of format " + format + "."
	}
	return ""
}

func show(v any) string {
	s := fmt.Sprint(v)
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return s
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
