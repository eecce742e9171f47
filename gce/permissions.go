package gce

import (
	"context"
	"slices"
	"strings"

	// The questions of Cloud Resource Manager: Compute Engine has none about
	// the project as a whole.
	"google.golang.org/api/cloudresourcemanager/v1"
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
	return slices.DeleteFunc(slices.Clone(permissions), func(p string) bool {
		return slices.Contains(granted.Permissions, p)
	}), nil
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
