package gce

import (
	"context"
	"slices"
	"strings"

	// The questions of Cloud Resource Manager: Compute Engine has none about
	// the project as a whole.
	"google.golang.org/api/cloudresourcemanager/v1"
	// And those of IAM: service accounts and roles are its.
	"google.golang.org/api/iam/v1"
)

// WithheldPermissions returns those of the permissions that the account has not
// got on the project, in their order. One that is granted on a part of it only
// (a service account, a network) counts as withheld. It asks another service
// than Compute Engine, which may be switched off in the project: that is an
// error by which nothing is known. At most 100 can be asked for.
// (https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions)
func (c *Client) WithheldPermissions(ctx context.Context, permissions ...string) ([]string, error) {
	asked := &cloudresourcemanager.TestIamPermissionsRequest{Permissions: permissions}
	granted, err := read(ctx, c, &c.resourceManager, call{"reading", "permissions on project", c.Project()},
		func(ctx context.Context, rest *cloudresourcemanager.Service) (*cloudresourcemanager.TestIamPermissionsResponse, error) {
			return rest.Projects.TestIamPermissions(c.Project(), asked).Context(ctx).Do()
		})
	if err != nil {
		return nil, err
	}
	return without(permissions, granted.Permissions), nil
}

// WithheldOnAccount is the same on a service account, given by its project ("-": its
// address tells) and its address, where a permission may have been granted beside the
// project's policy. It asks IAM, which may be switched off too.
// (https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/testIamPermissions)
func (c *Client) WithheldOnAccount(ctx context.Context, project, account string, permissions ...string) ([]string, error) {
	asked := &iam.TestIamPermissionsRequest{Permissions: permissions}
	granted, err := read(ctx, c, &c.iam, call{"reading", "permissions on service account", account},
		func(ctx context.Context, rest *iam.Service) (*iam.TestIamPermissionsResponse, error) {
			return rest.Projects.ServiceAccounts.TestIamPermissions("projects/"+project+"/serviceAccounts/"+account, asked).Context(ctx).Do()
		})
	if err != nil {
		return nil, err
	}
	return without(permissions, granted.Permissions), nil
}

func without(list, some []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(p string) bool { return slices.Contains(some, p) })
}

// A Binding is a line of the project's policy.
type Binding struct {
	Role        string   // "roles/editor", "projects/p/roles/own", "organizations/1/roles/own"
	Members     []string // "serviceAccount:x@p.iam.gserviceaccount.com", "group:x@example.com"
	Conditional bool     // it holds at times, or for some objects only
}

// Bindings are the project's policy. What a folder or an organisation above it grants is
// not among them.
// (https://cloud.google.com/resource-manager/reference/rest/v1/projects/getIamPolicy)
func (c *Client) Bindings(ctx context.Context) ([]Binding, error) {
	// A version below three leaves conditions out of its answer, and names roles otherwise.
	asked := &cloudresourcemanager.GetIamPolicyRequest{Options: &cloudresourcemanager.GetPolicyOptions{RequestedPolicyVersion: 3}}
	policy, err := read(ctx, c, &c.resourceManager, call{"reading", "policy of project", c.Project()},
		func(ctx context.Context, rest *cloudresourcemanager.Service) (*cloudresourcemanager.Policy, error) {
			return rest.Projects.GetIamPolicy(c.Project(), asked).Context(ctx).Do()
		})
	if err != nil {
		return nil, err
	}
	var list []Binding
	for _, b := range policy.Bindings {
		list = append(list, Binding{b.Role, b.Members, b.Condition != nil})
	}
	return list, nil
}

// Above tells whether the project is in a folder or an organisation, which may grant what
// its own policy does not.
// (https://cloud.google.com/resource-manager/reference/rest/v1/projects/get)
func (c *Client) Above(ctx context.Context) (bool, error) {
	project, err := read(ctx, c, &c.resourceManager, call{"reading", "project", c.Project()},
		func(ctx context.Context, rest *cloudresourcemanager.Service) (*cloudresourcemanager.Project, error) {
			return rest.Projects.Get(c.Project()).Context(ctx).Do()
		})
	return err == nil && project.Parent != nil, err
}

// RolePermissions are what a role holds, predefined or somebody's own.
// (https://cloud.google.com/iam/docs/reference/rest/v1/roles/get)
func (c *Client) RolePermissions(ctx context.Context, role string) ([]string, error) {
	r, err := read(ctx, c, &c.iam, call{"reading", "role", role},
		func(ctx context.Context, rest *iam.Service) (*iam.Role, error) {
			switch kind, _, _ := strings.Cut(role, "/"); kind {
			case "projects":
				return rest.Projects.Roles.Get(role).Context(ctx).Do()
			case "organizations":
				return rest.Organizations.Roles.Get(role).Context(ctx).Do()
			}
			return rest.Roles.Get(role).Context(ctx).Do()
		})
	if err != nil {
		return nil, err
	}
	return r.IncludedPermissions, nil
}

// Enforced tells whether an organisation's policy that is on or off, such as
// constraints/compute.requireOsLogin, is on for the project, wherever it was set. Who
// may not know it, or asks where the service is switched off, gets an error by which
// nothing is known.
// (https://cloud.google.com/resource-manager/reference/rest/v1/projects/getEffectiveOrgPolicy)
func (c *Client) Enforced(ctx context.Context, constraint string) (bool, error) {
	policy, err := c.effectivePolicy(ctx, constraint)
	return err == nil && policy.BooleanPolicy != nil && policy.BooleanPolicy.Enforced, err
}

// Denied tells whether an organisation's policy that is about values, such as
// constraints/compute.restrictLoadBalancerCreationForTypes, keeps one of them from the
// project. What cannot be asked is an error, as with Enforced.
// (https://cloud.google.com/resource-manager/docs/organization-policy/understanding-constraints#list-constraints)
func (c *Client) Denied(ctx context.Context, constraint, value string) (bool, error) {
	policy, err := c.effectivePolicy(ctx, constraint)
	if err != nil || policy.ListPolicy == nil {
		return false, err
	}
	names := func(list []string) bool {
		return slices.ContainsFunc(list, func(x string) bool {
			if group, ok := strings.CutPrefix(x, "in:"); ok { // "in:EXTERNAL" is all types of that scheme
				return strings.HasPrefix(value, group+"_")
			}
			return strings.TrimPrefix(x, "is:") == value
		})
	}
	list := policy.ListPolicy
	return list.AllValues == "DENY" || names(list.DeniedValues) || len(list.AllowedValues) > 0 && !names(list.AllowedValues), nil
}

func (c *Client) effectivePolicy(ctx context.Context, constraint string) (*cloudresourcemanager.OrgPolicy, error) {
	asked := &cloudresourcemanager.GetEffectiveOrgPolicyRequest{Constraint: constraint}
	return read(ctx, c, &c.resourceManager, call{"reading", "policy " + constraint + " of project", c.Project()},
		func(ctx context.Context, rest *cloudresourcemanager.Service) (*cloudresourcemanager.OrgPolicy, error) {
			return rest.Projects.GetEffectiveOrgPolicy("projects/"+c.Project(), asked).Context(ctx).Do()
		})
}
