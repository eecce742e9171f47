package gce

import (
	"context"
	"slices"

	// The one question of Cloud Resource Manager: Compute Engine has none about
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
