package api

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"hakube/gce/emulator/internal/beta"
	"hakube/gce/emulator/internal/discovery"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

// A Call is one request of a known method.
type Call struct {
	S      *Server
	r      *http.Request
	Method *discovery.Method
	Params map[string]string
	Query  url.Values
	Body   doc.Obj
	fault  *OperationFault
	stuck  <-chan struct{} // see Fault
}

// Project the method is about.
func (c *Call) Project() string { return c.Params["project"] }

// Caller is who makes the call, nil the operator.
func (c *Call) Caller() *Caller { return CallerOf(c.r) }

// scope the method is about.
func (c *Call) scope() string {
	switch {
	case c.Params["zone"] != "":
		return "zones/" + c.Params["zone"]
	case c.Params["region"] != "":
		return "regions/" + c.Params["region"]
	}
	return "global"
}

// Ref of an object of a kind in the scope of the call.
func (c *Call) Ref(kind, name string) doc.Ref { return doc.RefIn(c.Project(), c.scope(), kind, name) }

// Target is the object the path names.
func (c *Call) Target(kind string) doc.Ref { return c.Ref(kind, c.Params[c.Method.Object()]) }

// read decodes the body.
func (c *Call) read() error {
	raw, err := io.ReadAll(c.r.Body)
	if err != nil {
		return problem.Refuse("Reading request: %v", err)
	}
	if c.Method.Request == nil {
		return nil
	}
	if len(strings.TrimSpace(string(raw))) == 0 {
		raw = []byte("{}")
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return problem.New(400, "parseError", "", "Parse Error: "+err.Error())
	}
	if v == "" {
		v = doc.Obj{} // what Google's client for Node makes of a request without fields
	}
	body, ok := v.(doc.Obj)
	if !ok {
		return problem.New(400, "parseError", "", "Parse Error: the body is not an object")
	}
	c.S.API.Strip(c.Method, body)
	c.S.API.Read(c.Method, body)
	beta.Read(body)
	c.Body = body
	return nil
}

func asInvalid(p *discovery.Problem) *problem.Problem {
	reason, code := "invalid", "INVALID_FIELD_VALUE"
	if p.Missing {
		reason, code = "required", "REQUIRED_FIELD_MISSING"
	}
	return problem.New(400, reason, code, p.Error())
}
