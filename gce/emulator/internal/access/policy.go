package access

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/projects"
	"hakube/gce/emulator/internal/store"
)

// A Policy says who has which roles on something.
// (https://cloud.google.com/iam/docs/reference/rest/v1/Policy)
type Policy struct {
	Version  int       `json:"version"`
	Etag     string    `json:"etag"`
	Bindings []binding `json:"bindings,omitempty"`
}

type binding struct {
	Role      string          `json:"role"`
	Members   []string        `json:"members"`
	Condition json.RawMessage `json:"condition,omitempty"`
}

// An identity is what is kept of a project's accounts and policies.
type identity struct {
	Policy   *Policy             `json:"policy,omitempty"` // nil: as a new project has it
	Accounts map[string]*account `json:"accounts,omitempty"`
	// NoDefault tells that the default account was deleted.
	NoDefault bool `json:"noDefault,omitempty"`
}

func noteOf(project string) doc.Ref { return doc.Ref("~access/" + project) }

// identityOf is what a project has, with the policy of a new one where nobody set
// another: its default service account and Google's own are editors.
// (https://cloud.google.com/compute/docs/access/service-accounts#default_service_account)
func identityOf(t *store.Tx, project string) identity {
	var i identity
	if o := t.Get(noteOf(project)); o != nil {
		if err := doc.Convert(o, &i); err != nil {
			panic(fmt.Sprintf("what was kept of the accounts of project %s: %v", project, err))
		}
	}
	if i.Policy == nil {
		number := fmt.Sprint(projects.ProjectNumber(project))
		i.Policy = &Policy{Version: 1, Bindings: []binding{
			{Role: "roles/editor", Members: []string{member(projects.DefaultAccount(project)), member(number + "@cloudservices.gserviceaccount.com")}},
			{Role: owner, Members: []string{"user:user@hakube.local"}},
		}}
	}
	if i.Accounts == nil {
		i.Accounts = map[string]*account{}
	}
	return i
}

func (i identity) keep(t *store.Tx, project string) error {
	var o doc.Obj
	if err := doc.Convert(i, &o); err != nil {
		return err
	}
	t.Put(noteOf(project), o)
	return nil
}

func member(email string) string { return "serviceAccount:" + email }

// Shown is a policy with its etag, which follows from what it says.
func (p *Policy) Shown() *Policy {
	if p == nil {
		return &Policy{Etag: "ACAB"} // Google's of one that was never set
	}
	raw, _ := json.Marshal(p.Bindings) // strings do not fail
	sum := sha256.Sum256(raw)
	return &Policy{Version: 1, Etag: base64.StdEncoding.EncodeToString(sum[:8]), Bindings: p.Bindings}
}

func (p *Policy) permits(email, permission string) bool {
	return p != nil && slices.ContainsFunc(p.Bindings, func(b binding) bool {
		return roles()[b.Role].permits(b.Role, permission) && slices.ContainsFunc(b.Members, func(m string) bool { return strings.EqualFold(m, member(email)) })
	})
}

// holds tells whether a service account has a permission on a project.
func holds(t *store.Tx, project, email, permission string) bool {
	return identityOf(t, project).Policy.permits(email, permission)
}

// Holds tells whether a service account has a permission on something of a project that
// has a policy of its own, nil if none was set.
func Holds(t *store.Tx, project, email, permission string, own *Policy) bool {
	return holds(t, project, email, permission) || own.permits(email, permission)
}

// actsAs tells whether one account may give another one to a machine of a project: the
// policy of the project says so, or that of the account.
func actsAs(t *store.Tx, project, email, other string) bool {
	home := projectOf(t, other, project)
	return holds(t, home, email, actAs) || identityOf(t, home).accountNamed(home, other).policyNow().permits(email, actAs)
}

// Check checks a policy that is to come in place of another.
func (p *Policy) Check(t *store.Tx, project string, was *Policy) error {
	if p.Etag != "" && plain(p.Etag) != plain(was.Shown().Etag) {
		return newer(problem.New(409, "aborted", "", fmt.Sprintf("There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. "+
			"The request's ETag '%s' did not match the current policy's ETag '%s'.", p.Etag, was.Shown().Etag)), "ABORTED")
	}
	for i, b := range p.Bindings {
		if len(b.Condition) > 0 && string(b.Condition) != "null" {
			return problem.NotWritten("a policy with conditions")
		}
		if strings.HasPrefix(b.Role, "projects/") || strings.HasPrefix(b.Role, "organizations/") {
			return problem.NotWritten("a role of one's own, " + b.Role + ",")
		}
		if _, ok := roles()[b.Role]; !ok {
			return invalidArgument(fmt.Sprintf("Role %s is not supported for this resource.", b.Role))
		}
		for _, m := range b.Members {
			if err := checkMember(t, project, m, was); err != nil {
				return err
			}
		}
		slices.Sort(p.Bindings[i].Members)
	}
	p.Bindings = slices.DeleteFunc(p.Bindings, func(b binding) bool { return len(b.Members) == 0 })
	slices.SortStableFunc(p.Bindings, func(a, b binding) int { return strings.Compare(a.Role, b.Role) })
	return nil
}

// plain is what base64 means in either of its alphabets: clients write back that of their
// own, gcloud the one for URLs.
func plain(etag string) string {
	return strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(etag), "=")
}

// checkMember refuses who is nobody. A member that has gone stays where it was.
func checkMember(t *store.Tx, project, m string, was *Policy) error {
	kind, name, ok := strings.Cut(m, ":")
	switch {
	case kind == "deleted" || was != nil && slices.ContainsFunc(was.Bindings, func(b binding) bool { return slices.Contains(b.Members, m) }):
		return nil
	case !ok || name == "" || !slices.Contains([]string{"user", "group", "domain", "serviceAccount"}, kind):
		return invalidArgument(fmt.Sprintf("The member %s is of an unknown type. Please set a valid type prefix for the member.", m))
	case kind == "serviceAccount" && !known(t, project, name):
		return invalidArgument(fmt.Sprintf("Service account %s does not exist.", name))
	}
	return nil
}

func invalidArgument(message string) *problem.Problem {
	return newer(problem.New(400, "badRequest", "", message), "INVALID_ARGUMENT")
}
