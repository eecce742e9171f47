package api

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

// Of Cloud Resource Manager two questions are answered: what the caller may do in
// a project, and which policies of an organisation hold there. Here that is everything,
// and none, unless an option says otherwise; the answer is all that comes of it, since
// the embedded GCE knows no users.
// (https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions
// and …/getEffectiveOrgPolicy)

var policyPath = regexp.MustCompile(`^/v1/projects/[a-z0-9:.-]+:getEffectiveOrgPolicy$`)

// An orgPolicy is a policy as it is answered; what is not enforced says nothing.
type orgPolicy struct {
	Constraint    string      `json:"constraint"`
	BooleanPolicy *boolPolicy `json:"booleanPolicy,omitempty"`
	ListPolicy    *listPolicy `json:"listPolicy,omitempty"`
}

type boolPolicy struct {
	Enforced bool `json:"enforced,omitempty"`
}

type listPolicy struct {
	AllValues string `json:"allValues"`
}

// listConstraints are those about values; here such a policy denies all of them.
var listConstraints = []string{"constraints/compute.vmCanIpForward", "constraints/compute.vmExternalIpAccess", "constraints/compute.restrictLoadBalancerCreationForTypes"}

func (s *Server) effectivePolicy(r *http.Request) (doc.Obj, error) {
	raw, err := io.ReadAll(r.Body) // limited where it was received
	if err != nil {
		return nil, problem.Refuse("Reading request: %v", err)
	}
	var asked struct{ Constraint string }
	if err := json.Unmarshal(raw, &asked); err != nil {
		return nil, problem.New(400, "parseError", "", "Parse Error: "+err.Error())
	}
	name, _ := strings.CutPrefix(asked.Constraint, "constraints/")
	is := slices.Contains(s.Opts.Enforced, asked.Constraint) || slices.Contains(s.Opts.Policies, name)
	holds := orgPolicy{Constraint: asked.Constraint}
	switch {
	case !slices.Contains(listConstraints, asked.Constraint):
		holds.BooleanPolicy = &boolPolicy{is}
	case is:
		holds.ListPolicy = &listPolicy{"DENY"}
	default:
		holds.ListPolicy = &listPolicy{"ALLOW"}
	}
	if raw, err = json.Marshal(holds); err != nil {
		return nil, err
	}
	var policy doc.Obj
	err = json.Unmarshal(raw, &policy)
	return policy, err
}

var permissionsPath = regexp.MustCompile(`^/v1/projects/[a-z0-9:.-]+:testIamPermissions$`)

// maxPermissions is how many can be asked for at once.
const maxPermissions = 100

func (s *Server) testPermissions(r *http.Request) (doc.Obj, error) {
	raw, err := io.ReadAll(r.Body) // limited where it was received
	if err != nil {
		return nil, problem.Refuse("Reading request: %v", err)
	}
	var asked struct{ Permissions []string }
	if err := json.Unmarshal(raw, &asked); err != nil {
		return nil, problem.New(400, "parseError", "", "Parse Error: "+err.Error())
	}
	if len(asked.Permissions) > maxPermissions {
		return nil, problem.Refuse("At most %d permissions can be tested at once.", maxPermissions)
	}
	granted := slices.DeleteFunc(asked.Permissions, func(p string) bool { return slices.Contains(s.Opts.Withheld, p) })
	if len(granted) == 0 {
		return doc.Obj{}, nil // left out when empty, as Google does
	}
	return doc.Obj{"permissions": granted}, nil
}
