package api

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/beta"
	"hakube/gce/emulator/internal/discovery"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/filter"
	"hakube/gce/emulator/internal/problem"
)

var slashes = regexp.MustCompile(`//+`)

// OneSlash is a path as it is meant.
func OneSlash(path string) string { return slashes.ReplaceAllString(path, "/") }

// Route finds the method of a path. Clients that are given an endpoint with
// the path in it may double it.
func (s *Server) Route(verb, path string) (*discovery.Method, map[string]string) {
	return route(s.API, verb, path)
}

func route(api *discovery.API, verb, path string) (*discovery.Method, map[string]string) {
	const prefix = "/compute/v1/"
	path = beta.Path(path)
	if !strings.HasPrefix(path, prefix) {
		return nil, nil
	}
	for strings.HasPrefix(path, prefix) {
		path = path[len(prefix)-1:]
	}
	m, params := api.Route(verb, strings.Trim(path, "/"))
	return m, params
}

// ChangeOf is the method that a request is to change something with, such as
// "compute.instances.insert", and "" of one that reads or waits.
func ChangeOf(r *http.Request) string {
	m, _ := route(discovery.Load(), r.Method, OneSlash(r.URL.Path))
	if m == nil || m.Reads() {
		return ""
	}
	return m.ID
}

// IsChange reports whether the request is to change something, as opposed to
// reading or waiting.
func IsChange(r *http.Request) bool {
	return ChangeOf(r) != ""
}

// Do answers one request of a method, nil for none that is known.
func (s *Server) Do(r *http.Request, m *discovery.Method, params map[string]string, fault Fault) (status int, body doc.Obj) {
	defer s.Rescue(r.Method+" "+r.URL.Path, func(p *problem.Problem) { status, body = p.Status, p.Body() })
	out, err := s.answer(r, m, params, fault)
	if out != nil && beta.Asked(OneSlash(r.URL.Path)) {
		out = beta.Show(out).(doc.Obj)
	}
	if err != nil {
		p := problem.Of(err)
		return p.Status, p.Body()
	}
	if out == nil {
		return http.StatusNoContent, nil
	}
	return http.StatusOK, out
}

func (s *Server) answer(r *http.Request, m *discovery.Method, params map[string]string, fault Fault) (doc.Obj, error) {
	if m == nil {
		if out, is, err := s.Beside(r); is {
			return out, err
		}
		return nil, problem.NotWritten(r.Method + " " + r.URL.Path)
	}
	h := s.Methods[m.ID]
	if h == nil {
		return nil, problem.NotWritten(m.ID)
	}
	if err := s.Scoped(r, m); err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem.Refuse("Malformed query: %v", err)
	}
	for _, values := range query {
		for i, v := range values {
			values[i], _ = beta.Read(v).(string)
		}
	}
	c := &Call{S: s, r: r, Method: m, Params: params, Query: query, fault: fault.Operation, stuck: fault.Stuck}
	if err := c.read(); err != nil {
		return nil, err
	}
	if what := s.missing[m.ID].In(c.asked()); what != "" {
		return nil, problem.NotWritten(m.ID + " with " + what)
	}
	if err := understood(m, query); err != nil {
		return nil, err
	}
	if p := s.API.Params(m, params, query); p != nil {
		return nil, asInvalid(p)
	}
	if err := knownPlace(m.ID, params); err != nil {
		return nil, err
	}
	if m.Request != nil {
		doc.DropNulls(c.Body)
		if p := s.API.Request(m, c.Body); p != nil && p.Unknown && beta.Asked(OneSlash(r.URL.Path)) {
			return nil, problem.NotWritten(m.ID + " of compute/beta with " + strings.TrimPrefix(p.Field, "resource."))
		} else if p != nil {
			return nil, asInvalid(p)
		}
	}
	if err := s.Allowed(c); err != nil {
		return nil, err
	}
	// An image project has images, and nobody makes anything in it.
	if p := params["project"]; p != "" && !strings.HasPrefix(m.ID, "image") {
		if err := s.Found(p); err != nil {
			return nil, err
		}
	}
	fields := query.Get("fields")
	if fields == "" || m.Response == nil {
		return h(c)
	}
	only, err := filter.Fields(s.API, m.Response, fields)
	if err != nil {
		return nil, err
	}
	out, err := h(c)
	if err != nil || out == nil {
		return nil, err
	}
	return only.Of(out).(doc.Obj), nil
}

// asked is what of a body asks for something: not what an object of its kind has that
// nobody gave, nor what this one has already. Clients send back what they have read.
func (c *Call) asked() doc.Obj {
	resource, verb, _ := strings.Cut(c.Method.ID, ".")
	of := c.S.kinds[resource]
	for k, v := range of.Shown {
		if doc.SaysNoMore(c.Body[k], v) {
			delete(c.Body, k)
		}
	}
	if verb != "patch" && verb != "update" {
		return c.Body
	}
	asked, now := maps.Clone(c.Body), c.S.Store.Read(c.Target(of.Kind))
	for k, v := range asked {
		if doc.Has(now, k) && doc.SaysNoMore(v, now[k]) {
			delete(asked, k)
		}
	}
	return asked
}

// knownPlace refuses zones and regions that are not in the catalog. A get of
// one says that it is not there; imageFamilyViews takes "-" for any zone.
func knownPlace(method string, params map[string]string) error {
	for _, what := range []string{"zone", "region"} {
		if v := params[what]; v != "" && v != "-" && !slices.Contains(doc.Scopes(), what+"s/"+v) {
			if method == what+"s.get" {
				return problem.NotFound(doc.Ref("projects/" + params["project"] + "/" + what + "s/" + v))
			}
			return problem.Invalid(what, v, "Unknown "+what+".")
		}
	}
	return nil
}
