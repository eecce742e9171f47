package discovery

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Read turns the values of a body into the form the document gives them: how Google's
// reader of JSON takes what clients write. A number may be a string and a string of a
// 64 bit integer a number, at any depth; a boolean may be its word. What is none of
// that stays, for Request to refuse. Without this an object would be answered in the
// form its maker happened to write. A field that the document requires and gives a
// default for has that when nobody wrote it.
func (a *API) Read(m *Method, body map[string]any) {
	if m.Request == nil {
		return
	}
	a.read(m.Request, body)
	for _, where := range []string{"project", "zone", "region"} {
		if a.Schemas[m.Request.Ref].Properties[where] == nil {
			delete(body, where) // clients say it here too; the path counts
		}
	}
	for name, p := range a.Schemas[m.Request.Ref].Properties {
		if p.Default != "" && body[name] == nil && slices.Contains(p.Required, m.ID) {
			body[name] = a.read(p, p.Default)
		}
	}
}

func (a *API) read(s *Schema, v any) any {
	if s == nil {
		return v
	}
	if s.Ref != "" {
		s = a.Schemas[s.Ref]
	}
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			p := s.Properties[k]
			if p == nil {
				p = s.Additional
			}
			v[k] = a.read(p, e)
		}
	case []any:
		for i, e := range v {
			v[i] = a.read(s.Items, e)
		}
	case string:
		return s.fromString(v)
	case float64:
		if s.Type == "string" && (s.Format == "int64" || s.Format == "uint64") && v == float64(int64(v)) {
			return strconv.FormatInt(int64(v), 10)
		}
	}
	return v
}

func (s *Schema) fromString(v string) any {
	switch s.Type {
	case "integer", "number":
		var f float64 // as JSON has numbers, so that it can be written again
		if json.Unmarshal([]byte(v), &f) == nil {
			return f
		}
	case "boolean":
		if v == "true" || v == "false" {
			return v == "true"
		}
	}
	return v
}
