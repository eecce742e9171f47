package access

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/projects"
	"hakube/gce/emulator/internal/store"
)

// An account is a service account that somebody made, or what was set on the default
// one.
type account struct {
	ID          string  `json:"id,omitempty"`
	DisplayName string  `json:"displayName,omitempty"`
	Description string  `json:"description,omitempty"`
	Disabled    bool    `json:"disabled,omitempty"`
	Policy      *Policy `json:"policy,omitempty"`
}

func (a *account) policyNow() *Policy {
	if a == nil {
		return nil
	}
	return a.Policy
}

// A shownAccount is one as the IAM API answers it.
// (https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts)
type shownAccount struct {
	Name           string `json:"name"`
	ProjectID      string `json:"projectId"`
	UniqueID       string `json:"uniqueId"`
	Email          string `json:"email"`
	DisplayName    string `json:"displayName,omitempty"`
	Etag           string `json:"etag"`
	Description    string `json:"description,omitempty"`
	Oauth2ClientID string `json:"oauth2ClientId"`
	Disabled       bool   `json:"disabled,omitempty"`
}

func (a *account) shown(project, email string) shownAccount {
	return shownAccount{
		Name: "projects/" + project + "/serviceAccounts/" + email, ProjectID: project, UniqueID: a.ID, Email: email, DisplayName: a.DisplayName,
		Etag: "MDEwMjE5MjA=", Description: a.Description, Oauth2ClientID: a.ID, Disabled: a.Disabled,
	}
}

const domain = ".iam.gserviceaccount.com"

var accountID = regexp.MustCompile(`^[a-z]([-a-z0-9]{4,28}[a-z0-9])$`)

// account is one of a project, nil if there is none.
func (i identity) accountNamed(project, email string) *account {
	if a := i.Accounts[email]; a != nil {
		return a
	}
	if email == projects.DefaultAccount(project) && !i.NoDefault {
		return &account{ID: "1" + doc.NumberOf("account "+email), DisplayName: "Compute Engine default service account"}
	}
	return nil
}

// all are the accounts of a project by address.
func (i identity) all(project string) map[string]*account {
	all := maps.Clone(i.Accounts)
	if d := projects.DefaultAccount(project); i.accountNamed(project, d) != nil {
		all[d] = i.accountNamed(project, d)
	}
	return all
}

// projectOf is the project that an account is of by its address; other is what it is of
// where that does not say.
func projectOf(t *store.Tx, email, other string) string {
	_, at, _ := strings.Cut(email, "@")
	if home, ok := strings.CutSuffix(at, domain); ok {
		if name, org, scoped := strings.Cut(home, "."); scoped { // of project example.com:p
			return org + ":" + name
		}
		return home
	}
	for _, p := range t.Projects() {
		if email == projects.DefaultAccount(p) {
			return p
		}
	}
	return other
}

// known tells whether there is a service account of an address. Google's own, by which
// its services act, are.
func known(t *store.Tx, project, email string) bool {
	if strings.HasSuffix(email, "@cloudservices.gserviceaccount.com") || strings.HasPrefix(email, "service-") {
		return true
	}
	home := projectOf(t, email, project)
	return identityOf(t, home).accountNamed(home, email) != nil
}

// alive is the account if it is there and not switched off.
func alive(t *store.Tx, project, email string) *account {
	home := projectOf(t, email, project)
	if a := identityOf(t, home).accountNamed(home, email); a != nil && !a.Disabled {
		return a
	}
	return nil
}

type newAccount struct {
	AccountID      string
	ServiceAccount struct{ DisplayName, Description string }
}

func (i identity) create(t *store.Tx, project string, n newAccount) (any, error) {
	if !accountID.MatchString(n.AccountID) {
		return nil, invalidArgument(fmt.Sprintf("The account ID \"%s\" does not have a length between 6 and 30. It must match the regular expression \"[a-z]([-a-z0-9]{4,28}[a-z0-9])\".", n.AccountID))
	}
	home := project
	if org, name, scoped := strings.Cut(project, ":"); scoped {
		home = name + "." + org
	}
	email := n.AccountID + "@" + home + domain
	if i.Accounts[email] != nil {
		return nil, newer(problem.New(409, "alreadyExists", "", fmt.Sprintf("Service account %s already exists within project projects/%s.", n.AccountID, project)), "ALREADY_EXISTS")
	}
	a := &account{ID: "10" + t.ID(), DisplayName: n.ServiceAccount.DisplayName, Description: n.ServiceAccount.Description}
	i.Accounts[email] = a
	return a.shown(project, email), i.keep(t, project)
}

func (i identity) list(project string) (any, error) {
	var list []shownAccount
	all := i.all(project)
	for _, email := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[email].shown(project, email))
	}
	return struct {
		Accounts []shownAccount `json:"accounts,omitempty"`
	}{list}, nil
}

func (i identity) delete(t *store.Tx, project, email string) (any, error) {
	delete(i.Accounts, email)
	if email == projects.DefaultAccount(project) {
		i.NoDefault = true
	}
	return struct{}{}, i.keep(t, project)
}
