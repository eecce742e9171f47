package access

import (
	"fmt"
	"net/http"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/discovery"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/projects"
	"hakube/gce/emulator/internal/store"
)

// ScopePrefix begins the scopes of Google's services.
const ScopePrefix = "https://www.googleapis.com/auth/"

const (
	cloudPlatform = ScopePrefix + "cloud-platform"
	readOnly      = ScopePrefix + "cloud-platform.read-only"
	actAs         = "iam.serviceAccounts.actAs"
)

// Scoped refuses a method of Compute Engine that the token was not given for.
func (a *Access) Scoped(r *http.Request, m *discovery.Method) error {
	c := api.CallerOf(r)
	if c == nil || c.May(cloudPlatform, ScopePrefix+"compute") || m.Reads() && c.May(ScopePrefix+"compute.readonly") {
		return nil
	}
	resource, verb, _ := strings.Cut(m.ID, ".")
	return insufficient("compute.googleapis.com", "compute.v1."+upper(resource)+"Service."+upper(verb))
}

// ScopedForStorage refuses a method of Cloud Storage that a caller's token was not given
// for; the operator has none.
func ScopedForStorage(c *api.Caller, method string, reads bool) error {
	storage := ScopePrefix + "devstorage."
	if c == nil || c.May(cloudPlatform, storage+"read_write", storage+"full_control") || reads && c.May(readOnly, storage+"read_only") {
		return nil
	}
	return insufficient("storage.googleapis.com", "google.storage.v2.Storage."+method)
}

// insufficient is the front end's answer, which names the method as gRPC does.
func insufficient(service, method string) *problem.Problem {
	p := newer(problem.New(403, "insufficientPermissions", "", "Request had insufficient authentication scopes."), "PERMISSION_DENIED")
	p.First = "Insufficient Permission"
	p.Details = []any{detail{"type.googleapis.com/google.rpc.ErrorInfo", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "googleapis.com", map[string]string{"service": service, "method": method}}}
	return p
}

// A detail is Google's ErrorInfo.
type detail struct {
	Type     string            `json:"@type"`
	Reason   string            `json:"reason"`
	Domain   string            `json:"domain"`
	Metadata map[string]string `json:"metadata"`
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// Allowed refuses a method of Compute Engine that the account has no permission for.
func (a *Access) Allowed(c *api.Call) error {
	by := c.Caller()
	if by == nil || strings.HasPrefix(c.Method.ID, "image") && catalog.Public(c.Project()) { // images for everybody
		return nil
	}
	var err error
	needs := needsOf(c)
	a.s.Store.View(func(t *store.Tx) {
		for _, n := range needs {
			if !holds(t, doc.Ref(n.on).Project(), by.Email, n.permission) {
				err = problem.New(403, "forbidden", "FORBIDDEN", fmt.Sprintf("Required '%s' permission for '%s'", n.permission, n.on))
				return
			}
		}
		for _, email := range accountsIn(t, c) {
			if !actsAs(t, c.Project(), by.Email, email) {
				err = problem.New(403, "forbidden", "SERVICE_ACCOUNT_ACCESS_DENIED", fmt.Sprintf("The user does not have access to service account '%s'.  User: '%s'.  "+
					"Ask a project owner to grant you the iam.serviceAccountUser role on the service account", email, by.Email))
				return
			}
		}
	})
	return err
}

// accountsIn are the service accounts that a request gives to machines.
func accountsIn(t *store.Tx, c *api.Call) (emails []string) {
	var found []any
	switch c.Method.ID {
	case "instances.insert":
		found = at(c.Body, []string{"serviceAccounts", "email"})
	case "instanceTemplates.insert":
		found = at(c.Body, []string{"properties", "serviceAccounts", "email"})
	case "instances.setServiceAccount":
		found = at(c.Body, []string{"email"})
	}
	for _, v := range found {
		email, _ := v.(string)
		if email == "default" {
			email = projects.DefaultAccount(c.Project())
		}
		emails = append(emails, email)
	}
	return emails
}

// newer gives a problem the form of Google's newer services.
func newer(p *problem.Problem, canonical string) *problem.Problem {
	p.Canonical = canonical
	return p
}
