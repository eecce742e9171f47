package access

import (
	_ "embed" // the roles are part of the binary
	"maps"
	"slices"
	"strings"
	"sync"

	"hakube/gce/emulator/internal/problem"
)

// roleText has a role's name and title, and below it its permissions, a line for each
// kind of object: Google's predefined roles as they were in August 2026, as far as they
// are about kinds of objects that are here. (https://cloud.google.com/iam/docs/roles-permissions/compute)
//
//go:embed roles.txt
var roleText string

// A role is what it permits, in sorted order.
type role struct {
	Title       string
	Permissions []string
}

// roles is the table of roles, by name.
var roles = sync.OnceValue(func() map[string]role {
	all, name := map[string]role{}, ""
	for line := range strings.Lines(roleText) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(line, "\t") {
			name = kind
			all[name] = role{Title: rest}
			continue
		}
		r := all[name]
		for _, verb := range strings.Fields(rest) {
			r.Permissions = append(r.Permissions, kind+"."+verb)
		}
		all[name] = r
	}
	for _, r := range all {
		slices.Sort(r.Permissions)
	}
	return all
})

// owner has every permission, those too that no line of the table has.
const owner = "roles/owner"

func (r role) permits(name, permission string) bool {
	_, found := slices.BinarySearch(r.Permissions, permission)
	return found || name == owner
}

// A shownRole is one as the IAM API answers it.
type shownRole struct {
	Name        string   `json:"name"`
	Title       string   `json:"title"`
	Stage       string   `json:"stage"`
	Etag        string   `json:"etag"`
	Permissions []string `json:"includedPermissions,omitempty"`
}

func show(name string, r role, whole bool) shownRole {
	s := shownRole{Name: name, Title: r.Title, Stage: "GA", Etag: "AA=="}
	if whole {
		s.Permissions = r.Permissions
	}
	return s
}

func listRoles() (any, error) {
	var list []shownRole
	for _, name := range slices.Sorted(maps.Keys(roles())) {
		list = append(list, show(name, roles()[name], false))
	}
	return struct {
		Roles []shownRole `json:"roles"`
	}{list}, nil
}

func getRole(name string) (any, error) {
	r, ok := roles()[name]
	if !ok {
		return nil, newer(problem.New(404, "notFound", "", "The role named "+name+" was not found."), "NOT_FOUND")
	}
	return show(name, r, true), nil
}
