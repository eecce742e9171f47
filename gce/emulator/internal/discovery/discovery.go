// Package discovery knows the Compute Engine v1 API as Google's discovery
// document describes it: which methods there are, where they live, and what
// their requests and responses look like. It holds no object and answers no
// request.
package discovery

import (
	"bytes"
	"compress/gzip"
	_ "embed" // the document is part of the binary
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

//go:generate go run ./gen

//go:embed compute.json.gz
var document []byte

// An API is the document, indexed.
type API struct {
	Revision string
	Methods  map[string]*Method // by id without "compute.", as "instances.insert"
	Schemas  map[string]*Schema

	patterns map[string]*regexp.Regexp
	routes   map[route][]*Method
}

// A Method is one call of the API.
type Method struct {
	ID         string                `json:"id"`
	Path       string                `json:"flatPath"` // below /compute/v1/
	HTTP       string                `json:"httpMethod"`
	Parameters map[string]*Parameter `json:"parameters"`
	Request    *Schema               `json:"request"`
	Response   *Schema               `json:"response"`

	segments []segment
	literals int // how many of them are no parameters
}

// A Parameter is in the path or in the query.
type Parameter struct {
	Location string   `json:"location"`
	Pattern  string   `json:"pattern"`
	Required bool     `json:"required"`
	Type     string   `json:"type"`
	Format   string   `json:"format"`
	Enum     []string `json:"enum"`
	Repeated bool     `json:"repeated"`
	Minimum  int64    `json:"minimum,string"`
	Maximum  int64    `json:"maximum,string"` // zero: there is none
}

// A Schema describes a JSON value.
type Schema struct {
	Ref        string             `json:"$ref"`
	Type       string             `json:"type"`
	Format     string             `json:"format"`
	Enum       []string           `json:"enum"`
	Pattern    string             `json:"pattern"`
	Default    string             `json:"default"`    // of kind: what it always is; of a required field: see Read
	ReadOnly   bool               `json:"readOnly"`   // output only
	Afterwards bool               `json:"afterwards"` // only by a method of its own, not by insert
	Required   []string           `json:"required"`   // methods that need it
	Items      *Schema            `json:"items"`
	Properties map[string]*Schema `json:"properties"`
	Additional *Schema            `json:"additionalProperties"`
}

// Load returns the embedded API. It is read once.
var Load = sync.OnceValue(func() *API {
	api, err := load(document)
	if err != nil {
		panic(fmt.Sprintf("reading the embedded discovery document: %v", err))
	}
	return api
})

func load(gz []byte) (*API, error) {
	zr, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		return nil, err
	}
	api := &API{patterns: map[string]*regexp.Regexp{}, routes: map[route][]*Method{}}
	if err := json.NewDecoder(zr).Decode(api); err != nil {
		return nil, err
	}
	for _, m := range api.Methods {
		m.split()
		at := route{m.HTTP, len(m.segments)}
		api.routes[at] = append(api.routes[at], m)
		for _, p := range m.Parameters {
			if err := api.compile(p.Pattern); err != nil {
				return nil, err
			}
		}
	}
	for _, s := range api.Schemas {
		if err := api.compileSchema(s); err != nil {
			return nil, err
		}
	}
	return api, nil
}

func (a *API) compileSchema(s *Schema) error {
	if s == nil {
		return nil
	}
	if err := a.compile(s.Pattern); err != nil {
		return err
	}
	for _, p := range s.Properties {
		if err := a.compileSchema(p); err != nil {
			return err
		}
	}
	if err := a.compileSchema(s.Items); err != nil {
		return err
	}
	return a.compileSchema(s.Additional)
}

func (a *API) compile(pattern string) error {
	if pattern == "" || a.patterns[pattern] != nil {
		return nil
	}
	re, err := regexp.Compile(`^(?:` + pattern + `)$`)
	a.patterns[pattern] = re
	return err
}

// A route is what methods are looked up by: the HTTP method, and how many segments
// the path has.
type route struct {
	verb     string
	segments int
}

// A segment is one of a method's path.
type segment struct {
	text      string // of a parameter its name
	parameter bool
}

func (m *Method) split() {
	m.segments = nil
	for s := range strings.SplitSeq(m.Path, "/") {
		parameter := strings.HasPrefix(s, "{")
		m.segments = append(m.segments, segment{strings.Trim(s, "{}"), parameter})
		if !parameter {
			m.literals++
		}
	}
}

// Route finds the method for an HTTP method and a path below /compute/v1/
// and returns its path parameters. A literal segment wins over a parameter.
// No method is no error: the result is nil.
func (a *API) Route(verb, path string) (*Method, map[string]string) {
	segments := strings.Split(path, "/")
	var best *Method
	for _, m := range a.routes[route{verb, len(segments)}] {
		if (best == nil || m.literals > best.literals) && m.fits(segments) {
			best = m
		}
	}
	if best == nil {
		return nil, nil
	}
	params := map[string]string{}
	for i, s := range best.segments {
		if s.parameter {
			params[s.text] = segments[i]
		}
	}
	return best, params
}

func (m *Method) fits(segments []string) bool {
	for i, s := range m.segments {
		if !s.parameter && s.text != segments[i] {
			return false
		}
	}
	return true
}

// Object is the name of the last path parameter: the object the method is
// about ("instance"), or its scope where it is about a collection ("zone").
func (m *Method) Object() string {
	last := ""
	for _, s := range m.segments {
		if s.parameter {
			last = s.text
		}
	}
	return last
}

// Reads reports whether the method leaves everything as it is: GET, and the
// few POSTs that only ask.
func (m *Method) Reads() bool {
	if m.HTTP == "GET" {
		return true
	}
	_, verb, _ := strings.Cut(m.ID, ".")
	return verb == "wait" || strings.HasPrefix(verb, "list") || verb == "getHealth" || verb == "testIamPermissions"
}
