package discovery

import "strings"

// Fielded tells whether objects of a kind, as the field kind has it, have a field.
func (a *API) Fielded(kind, field string) bool {
	_, name, _ := strings.Cut(kind, "#")
	if name == "" {
		return false
	}
	s := a.Schemas[strings.ToUpper(name[:1])+name[1:]]
	return s != nil && s.Properties[field] != nil
}

// Strip takes out of a body what Google reads over: fields for output only, which
// clients send back as they read them, and in an insert those that only another
// method sets (labels of addresses, for one).
func (a *API) Strip(m *Method, body map[string]any) {
	if m.Request != nil {
		a.strip(m.Request, body, strings.HasSuffix(m.ID, ".insert"))
	}
}

func (a *API) strip(s *Schema, v any, insert bool) {
	if s == nil {
		return
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
			if p != nil && (p.ReadOnly || p.Afterwards && insert) {
				delete(v, k)
				continue
			}
			a.strip(p, e, insert)
		}
	case []any:
		for _, e := range v {
			a.strip(s.Items, e, insert)
		}
	}
}
