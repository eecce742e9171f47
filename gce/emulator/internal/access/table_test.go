package access

import (
	"slices"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/discovery"
)

// TestTableOfNeeds: what a method takes is named as Google names it, and each field that
// asks for more is one of the method's request: one that is misspelt would ask for
// nothing, for ever.
func TestTableOfNeeds(t *testing.T) {
	admin := append(slices.Clone(roles()["roles/compute.admin"].Permissions), roles()[owner].Permissions...)
	for method, list := range uses {
		m := discovery.Load().Methods[method]
		if m == nil {
			t.Errorf("there is no method %s", method)
			continue
		}
		if !slices.Contains(admin, permissionOf(method)) {
			t.Errorf("%s takes %s, which no role has", method, permissionOf(method))
		}
		for _, u := range list {
			if u.permission != "useReadOnly" && !slices.Contains(admin, qualified(u.permission)) {
				t.Errorf("%s takes %s, which no role has", method, u.permission)
			}
			if u.path != "" && !spelt(m.Request, strings.Split(u.path, ".")) {
				t.Errorf("%s has no field %s", method, u.path)
			}
		}
	}
}

// spelt tells whether a schema has a path of fields.
func spelt(s *discovery.Schema, path []string) bool {
	for s != nil && (s.Ref != "" || s.Items != nil) {
		if s.Items != nil {
			s = s.Items
		} else {
			s = discovery.Load().Schemas[s.Ref]
		}
	}
	return len(path) == 0 || s != nil && s.Properties[path[0]] != nil && spelt(s.Properties[path[0]], path[1:])
}

// TestRoles: what the roles are that everybody knows.
func TestRoles(t *testing.T) {
	for name, c := range map[string]struct{ has, lacks string }{
		"roles/compute.viewer":            {"compute.instances.list", "compute.instances.create"},
		"roles/compute.instanceAdmin.v1":  {"compute.instances.create compute.disks.create compute.subnetworks.use compute.instanceGroupManagers.create compute.addresses.use", "compute.networks.create compute.firewalls.create iam.serviceAccounts.actAs"},
		"roles/compute.networkAdmin":      {"compute.networks.create compute.addresses.create compute.forwardingRules.create", "compute.firewalls.create compute.instances.create"},
		"roles/compute.securityAdmin":     {"compute.firewalls.create compute.networks.updatePolicy", "compute.instances.delete"},
		"roles/compute.loadBalancerAdmin": {"compute.targetPools.addInstance compute.instances.use compute.forwardingRules.create", "compute.instances.delete compute.firewalls.create"},
		"roles/compute.storageAdmin":      {"compute.disks.create compute.snapshots.create", "compute.instances.attachDisk"},
		"roles/iam.serviceAccountUser":    {"iam.serviceAccounts.actAs", "iam.serviceAccounts.create"},
		"roles/viewer":                    {"compute.instances.get", "iam.serviceAccounts.actAs"},
		"roles/editor":                    {"compute.instances.create iam.serviceAccounts.actAs", "resourcemanager.projects.setIamPolicy"},
		owner:                             {"resourcemanager.projects.setIamPolicy any.thing.atAll", ""},
	} {
		for _, p := range strings.Fields(c.has) {
			if !roles()[name].permits(name, p) {
				t.Errorf("%s has not got %s", name, p)
			}
		}
		for _, p := range strings.Fields(c.lacks) {
			if roles()[name].permits(name, p) {
				t.Errorf("%s has %s", name, p)
			}
		}
	}
}
