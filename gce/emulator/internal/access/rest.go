package access

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// Two of Google's other services are answered as far as they are about who may do what:
// Cloud Resource Manager and IAM, both v1.

// Access is what an embedded GCE knows of identities.
type Access struct{ s *api.Server }

// New lets a server know callers.
func New(s *api.Server) *Access {
	a := &Access{s}
	s.Scoped, s.Allowed, s.Beside = a.Scoped, a.Allowed, a.Beside
	return a
}

// An ask is one request to one of the services.
type ask struct {
	a       *Access
	t       *store.Tx
	by      *api.Caller
	project string
	account string // its address, "" where the request is about a project
	query   url.Values
	body    []byte
}

// A route is a method of one of the services.
type route struct {
	method     string // as gRPC names it, for who lacks a scope
	verb       string
	path       *regexp.Regexp
	permission string // what it takes on the project, "" is nothing
	reads      bool
	answer     func(*ask) (any, error)
}

// names of projects and accounts in paths; "-" is the project of the account.
const (
	inProject = `^/v1/projects/([-a-z0-9:.]+)`
	inAccount = inProject + `/serviceAccounts/([^/:]+)`
)

func path(s string) *regexp.Regexp { return regexp.MustCompile(s + "$") }

var routes []route

func init() { // the table's functions read roles, which read nothing of it
	manager, iam := "google.cloudresourcemanager.v1.Projects.", "google.iam.admin.v1.IAM."
	routes = []route{
		{manager + "GetProject", "GET", path(inProject), "resourcemanager.projects.get", true, getProject},
		{manager + "GetIamPolicy", "POST", path(inProject + ":getIamPolicy"), "resourcemanager.projects.getIamPolicy", true, getPolicy},
		{manager + "SetIamPolicy", "POST", path(inProject + ":setIamPolicy"), "resourcemanager.projects.setIamPolicy", false, setPolicy},
		{manager + "TestIamPermissions", "POST", path(inProject + ":testIamPermissions"), "", true, testPermissions},
		{manager + "GetEffectiveOrgPolicy", "POST", path(inProject + ":getEffectiveOrgPolicy"), "orgpolicy.policy.get", true, effectivePolicy},
		{iam + "ListServiceAccounts", "GET", path(inProject + "/serviceAccounts"), "iam.serviceAccounts.list", true, func(k *ask) (any, error) { return identityOf(k.t, k.project).list(k.project) }},
		{iam + "CreateServiceAccount", "POST", path(inProject + "/serviceAccounts"), "iam.serviceAccounts.create", false, createAccount},
		{iam + "GetServiceAccount", "GET", path(inAccount), "iam.serviceAccounts.get", true, getAccount},
		{iam + "DeleteServiceAccount", "DELETE", path(inAccount), "iam.serviceAccounts.delete", false, func(k *ask) (any, error) { return identityOf(k.t, k.project).delete(k.t, k.project, k.account) }},
		{iam + "DisableServiceAccount", "POST", path(inAccount + ":disable"), "iam.serviceAccounts.disable", false, func(k *ask) (any, error) { return disable(k, true) }},
		{iam + "EnableServiceAccount", "POST", path(inAccount + ":enable"), "iam.serviceAccounts.enable", false, func(k *ask) (any, error) { return disable(k, false) }},
		{iam + "GetIamPolicy", "POST", path(inAccount + ":getIamPolicy"), "iam.serviceAccounts.getIamPolicy", true, getPolicy},
		{iam + "SetIamPolicy", "POST", path(inAccount + ":setIamPolicy"), "iam.serviceAccounts.setIamPolicy", false, setPolicy},
		{iam + "TestIamPermissions", "POST", path(inAccount + ":testIamPermissions"), "", true, testPermissions},
		{iam + "ListRoles", "GET", path("^/v1/roles"), "", true, func(*ask) (any, error) { return listRoles() }},
		{iam + "GetRole", "GET", path("^/v1/(roles/[A-Za-z.0-9]+)"), "", true, func(k *ask) (any, error) { return getRole(k.project) }},
	}
}

// Beside answers a request to one of the services, and says whether it is one.
func (a *Access) Beside(r *http.Request) (doc.Obj, bool, error) {
	for _, m := range routes {
		if found := m.path.FindStringSubmatch(r.URL.Path); found != nil && m.verb == r.Method {
			out, err := a.serve(r, m, append(found, "", "")[1:3])
			return out, true, err
		}
	}
	return nil, false, nil
}

func (a *Access) serve(r *http.Request, m route, named []string) (doc.Obj, error) {
	service, _, _ := strings.Cut(strings.TrimPrefix(m.method, "google."), ".")
	k := &ask{a: a, by: api.CallerOf(r), project: named[0], account: named[1], query: r.URL.Query()}
	if k.by != nil && !k.by.May(cloudPlatform) && !(m.reads && k.by.May(readOnly)) && !(service == "iam" && k.by.May(ScopePrefix+"iam")) {
		return nil, insufficient(service+".googleapis.com", m.method)
	}
	var err error
	if k.body, err = io.ReadAll(r.Body); err != nil { // limited where it was received
		return nil, problem.Refuse("Reading request: %v", err)
	}
	var out any
	answer := func(t *store.Tx) (err error) {
		k.t = t
		if err := k.find(m.permission); err != nil {
			return err
		}
		out, err = m.answer(k)
		return err
	}
	if m.reads {
		a.s.Store.View(func(t *store.Tx) { err = answer(t) })
	} else {
		err = a.s.Store.Update(answer)
	}
	if err != nil {
		return nil, err
	}
	var o doc.Obj
	return o, doc.Convert(out, &o)
}

// find sees that the account is there, and that the caller has a permission where it is.
func (k *ask) find(permission string) error {
	if k.account != "" {
		k.account, _ = url.PathUnescape(k.account)
		for email, a := range identityOf(k.t, k.project).all(k.project) {
			if a.ID == k.account {
				k.account = email
			}
		}
		if k.project == "-" {
			k.project = projectOf(k.t, k.account, "")
		}
	}
	if k.by != nil && permission != "" && !holds(k.t, k.project, k.by.Email, permission) &&
		!(k.account != "" && identityOf(k.t, k.project).accountNamed(k.project, k.account).policyNow().permits(k.by.Email, permission)) {
		return denied(permission, k)
	}
	if k.account != "" && identityOf(k.t, k.project).accountNamed(k.project, k.account) == nil {
		return newer(problem.New(404, "notFound", "", "Unknown service account"), "NOT_FOUND")
	}
	return nil
}

// denied is how each service says that a permission lacks.
func denied(permission string, k *ask) error {
	if !strings.HasPrefix(permission, "iam.") {
		return newer(problem.New(403, "forbidden", "", "The caller does not have permission"), "PERMISSION_DENIED")
	}
	on := "projects/" + k.project
	if k.account != "" {
		on += "/serviceAccounts/" + k.account
	}
	p := newer(problem.New(403, "forbidden", "", fmt.Sprintf("Permission '%s' denied on resource (or it may not exist).", permission)), "PERMISSION_DENIED")
	p.Details = []any{detail{"type.googleapis.com/google.rpc.ErrorInfo", "IAM_PERMISSION_DENIED", "iam.googleapis.com", map[string]string{"permission": permission, "resource": on}}}
	return p
}

// read is the body of a request.
func (k *ask) read(into any) error {
	if len(strings.TrimSpace(string(k.body))) == 0 {
		return nil
	}
	if err := json.Unmarshal(k.body, into); err != nil {
		return problem.New(400, "parseError", "", "Parse Error: "+err.Error())
	}
	return nil
}
