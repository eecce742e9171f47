package access

import (
	"slices"
	"strings"

	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/projects"
	"hakube/gce/emulator/internal/store"
)

// getProject is a project as Cloud Resource Manager knows it.
func getProject(k *ask) (any, error) {
	return struct {
		ID     string `json:"projectId"`
		Number uint64 `json:"projectNumber,string"`
		Name   string `json:"name"`
		State  string `json:"lifecycleState"`
	}{k.project, projects.ProjectNumber(k.project), k.project, "ACTIVE"}, nil
}

func getPolicy(k *ask) (any, error) {
	i := identityOf(k.t, k.project)
	if k.account == "" {
		return i.Policy.Shown(), nil
	}
	return i.accountNamed(k.project, k.account).policyNow().Shown(), nil
}

func setPolicy(k *ask) (any, error) {
	var asked struct{ Policy Policy }
	if err := k.read(&asked); err != nil {
		return nil, err
	}
	i := identityOf(k.t, k.project)
	was, next := i.Policy, &asked.Policy
	var a *account
	if k.account != "" {
		a = i.accountNamed(k.project, k.account)
		was = a.policyNow()
	}
	if err := next.Check(k.t, k.project, was); err != nil {
		return nil, err
	}
	if a != nil {
		a.Policy = next
		i.Accounts[k.account] = a
	} else {
		i.Policy = next
	}
	return next.Shown(), i.keep(k.t, k.project)
}

func createAccount(k *ask) (any, error) {
	var asked newAccount
	if err := k.read(&asked); err != nil {
		return nil, err
	}
	return identityOf(k.t, k.project).create(k.t, k.project, asked)
}

func getAccount(k *ask) (any, error) {
	return identityOf(k.t, k.project).accountNamed(k.project, k.account).shown(k.project, k.account), nil
}

func disable(k *ask, off bool) (any, error) {
	i := identityOf(k.t, k.project)
	a := i.accountNamed(k.project, k.account)
	a.Disabled = off
	i.Accounts[k.account] = a
	return struct{}{}, i.keep(k.t, k.project)
}

// maxPermissions is how many can be asked for at once.
const maxPermissions = 100

// testPermissions says which of some permissions the caller has: the operator those that
// no option withholds, an account those of its roles.
// (https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions)
func testPermissions(k *ask) (any, error) {
	var asked struct{ Permissions []string }
	if err := k.read(&asked); err != nil {
		return nil, err
	}
	if len(asked.Permissions) > maxPermissions {
		return nil, problem.Refuse("At most %d permissions can be tested at once.", maxPermissions)
	}
	granted := slices.DeleteFunc(asked.Permissions, func(p string) bool { return !k.has(p) })
	return struct {
		Permissions []string `json:"permissions,omitempty"` // left out when empty, as Google does
	}{granted}, nil
}

func (k *ask) has(permission string) bool {
	if k.by == nil {
		return !slices.Contains(k.a.s.Opts.Withheld, permission)
	}
	return holds(k.t, k.project, k.by.Email, permission) ||
		k.account != "" && identityOf(k.t, k.project).accountNamed(k.project, k.account).policyNow().permits(k.by.Email, permission)
}

// An orgPolicy is a policy of an organisation as it is answered; what is not enforced
// says nothing. (https://cloud.google.com/resource-manager/reference/rest/v1/projects/getEffectiveOrgPolicy)
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

func effectivePolicy(k *ask) (any, error) {
	var asked struct{ Constraint string }
	if err := k.read(&asked); err != nil {
		return nil, err
	}
	o := k.a.s.Opts
	name := strings.TrimPrefix(asked.Constraint, "constraints/")
	is := slices.Contains(o.Enforced, asked.Constraint) || slices.Contains(o.Policies, name)
	holds := orgPolicy{Constraint: asked.Constraint}
	switch {
	case !slices.Contains(listConstraints, asked.Constraint):
		holds.BooleanPolicy = &boolPolicy{is}
	case is:
		holds.ListPolicy = &listPolicy{"DENY"}
	default:
		holds.ListPolicy = &listPolicy{"ALLOW"}
	}
	return holds, nil
}

// Alive tells whether a service account that a machine of a project has is there and not
// switched off, and what its number is.
func (a *Access) Alive(project, email string) (id string, ok bool) {
	a.s.Store.View(func(t *store.Tx) {
		if found := alive(t, project, email); found != nil {
			id, ok = found.ID, true
		}
	})
	return id, ok
}
