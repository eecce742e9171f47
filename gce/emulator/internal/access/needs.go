package access

import (
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/store"
)

// What a method takes is one permission on what it is about, which follows from its
// name, and others on what the request refers to or sets.
// (https://cloud.google.com/compute/docs/access/iam-permissions, and "IAM Permissions" of
// each method's reference)

// verbs are the methods whose permission has another name. Whatever else looks or
// changes has its own.
var verbs = map[string]string{
	"aggregatedList": "list", "insert": "create", "patch": "update", "wait": "get",
	"listManagedInstances": "get", "listInstances": "get", "getHealth": "get",
	"instanceGroupManagers.deleteInstances": "update", "instanceGroupManagers.recreateInstances": "update",
	"listErrors": "get", "listPerInstanceConfigs": "get",
	"instanceGroupManagers.abandonInstances": "update", "instanceGroupManagers.createInstances": "update", "instanceGroupManagers.applyUpdatesToInstances": "update",
	"instanceGroupManagers.updatePerInstanceConfigs": "update", "instanceGroupManagers.patchPerInstanceConfigs": "update", "instanceGroupManagers.deletePerInstanceConfigs": "update",
	"instanceGroupManagers.resize": "update", "instanceGroupManagers.setInstanceTemplate": "update",
	"targetPools.setBackup": "update", "imageFamilyViews.get": "getFromFamily",
	"instanceGroups.addInstances": "update", "instanceGroups.removeInstances": "update", "instanceGroups.setNamedPorts": "update",
}

// resources are those whose permissions are of another resource.
var resources = map[string]string{
	"regionAutoscalers": "autoscalers", "regionDisks": "disks", "regionDiskTypes": "diskTypes",
	"imageFamilyViews":     "images", // no role has a permission of theirs
	"regionInstanceGroups": "instanceGroups", "regionInstanceGroupManagers": "instanceGroupManagers",
}

// permissionOf is what a method takes on what it is about.
func permissionOf(method string) string {
	resource, verb, _ := strings.Cut(method, ".")
	if v := verbs[method]; v != "" {
		verb = v
	} else if v := verbs[verb]; v != "" {
		verb = v
	}
	if r := resources[resource]; r != "" {
		resource = r
	}
	return "compute." + resource + "." + verb
}

// Takes is the permission that a method takes on what it is about, and whether any role
// has it: a method that nobody can be granted is a mistake in the table.
func Takes(method string) (permission string, known bool) {
	permission = permissionOf(method)
	return permission, roles()["roles/compute.admin"].permits("", permission)
}

// A need is a permission and what it is needed on.
type need struct {
	permission string
	on         string // as in the sentence that refuses
}

// A use is a permission that a request takes when it has the field of a path: on what that
// refers to if it is a link, else on what the method is about. Without a path it
// always takes it.
type use struct{ path, permission string }

var (
	ofInstance = []use{
		{"disks.initializeParams", "disks.create"}, {"disks.source", "disks.use"}, {"disks.initializeParams.sourceImage", "images.useReadOnly"},
		{"disks.initializeParams.sourceSnapshot", "snapshots.useReadOnly"},
		{"networkInterfaces.subnetwork", "subnetworks.use"}, {"networkInterfaces.accessConfigs", "subnetworks.useExternalIp"},
		{"networkInterfaces.accessConfigs.natIP", "addresses.use"},
		{"labels", "instances.setLabels"}, {"metadata.items", "instances.setMetadata"}, {"tags.items", "instances.setTags"},
		{"serviceAccounts", "instances.setServiceAccount"},
	}
	ofService  = []use{{"backends.group", "instanceGroups.use"}, {"healthChecks", "useReadOnly"}}
	ofTemplate = []use{{"instanceTemplate", "instanceTemplates.useReadOnly"}, {"versions.instanceTemplate", "instanceTemplates.useReadOnly"}}
	ofNetwork  = []use{{"", "networks.updatePolicy"}}
)

var uses = map[string][]use{
	"projects.setCommonInstanceMetadata": {{"", actAs}},
	"instances.insert":                   ofInstance, "instances.attachDisk": {{"source", "disks.use"}}, "instances.setDiskAutoDelete": {{"", "disks.update"}},
	"instances.addAccessConfig": {{"", "subnetworks.useExternalIp"}, {"natIP", "addresses.use"}},
	"disks.insert": {
		{"sourceSnapshot", "snapshots.useReadOnly"}, {"sourceImage", "images.useReadOnly"}, {"sourceDisk", "disks.useReadOnly"},
		{"labels", "disks.setLabels"}, {"resourcePolicies", "resourcePolicies.use"},
	},
	"disks.addResourcePolicies": {{"resourcePolicies", "resourcePolicies.use"}},
	"disks.createSnapshot":      {{"", "snapshots.create"}, {"labels", "snapshots.setLabels"}},
	"snapshots.insert":          {{"sourceDisk", "disks.createSnapshot"}, {"labels", "snapshots.setLabels"}},
	"images.insert": {
		{"sourceDisk", "disks.useReadOnly"}, {"sourceSnapshot", "snapshots.useReadOnly"}, {"sourceImage", "images.useReadOnly"}, {"labels", "images.setLabels"},
	},
	"addresses.insert":   {{"subnetwork", "subnetworks.use"}},
	"subnetworks.insert": {{"network", "networks.updatePolicy"}},
	"firewalls.insert":   {{"network", "networks.updatePolicy"}},
	"firewalls.patch":    ofNetwork,
	"firewalls.update":   ofNetwork,
	"firewalls.delete":   ofNetwork,
	"routes.insert":      {{"network", "networks.updatePolicy"}},
	"routes.delete":      ofNetwork,
	"autoscalers.insert": {{"target", "instanceGroupManagers.use"}},
	"forwardingRules.insert": {
		{"target", "targetPools.use"}, {"backendService", "regionBackendServices.use"}, {"IPAddress", "addresses.use"}, {"subnetwork", "subnetworks.use"},
	},
	"regionBackendServices.insert": ofService, "regionBackendServices.patch": ofService, "regionBackendServices.update": ofService,
	"targetPools.insert": {{"instances", "instances.use"}, {"healthChecks", "useReadOnly"}}, "targetPools.addInstance": {{"instances.instance", "instances.use"}},
	"targetPools.addHealthCheck":   {{"healthChecks.healthCheck", "useReadOnly"}},
	"instanceGroups.addInstances":  {{"instances.instance", "instances.use"}},
	"instanceGroupManagers.insert": append([]use{{"", "instances.create"}}, ofTemplate...),
	"instanceGroupManagers.patch":  ofTemplate, "instanceGroupManagers.setInstanceTemplate": ofTemplate[:1],
}

// needsOf is all that a call takes.
func needsOf(c *api.Call) []need {
	on := target(c)
	all := []need{{permissionOf(c.Method.ID), on}}
	if doc.Str(c.Body, "addressType") == "INTERNAL" { // an address that is made
		all[0].permission += "Internal"
	}
	for _, u := range uses[c.Method.ID] {
		found := []any{nil}
		if u.path != "" {
			found = at(c.Body, strings.Split(u.path, "."))
		}
		for _, v := range found {
			n := need{qualified(u.permission), on}
			link, isLink := v.(string)
			if isLink && strings.Contains(link, "/") {
				n.on = pathOf(link, c.Project())
			} else if isLink && u.permission == "addresses.use" {
				n.on = addressOf(c, link)
			}
			if u.permission == "disks.use" && slices.ContainsFunc(append(doc.Objects(c.Body, "disks"), c.Body), func(d doc.Obj) bool {
				return doc.Str(d, "source") == link && doc.Str(d, "mode") == "READ_ONLY"
			}) {
				n.permission += "ReadOnly"
			}
			if u.permission == "useReadOnly" { // of which kind a check is, the link says
				n.permission = "compute." + checkKind(doc.Ref(n.on)) + ".useReadOnly"
			}
			if n.on != "" && !catalog.Public(doc.Ref(n.on).Project()) && !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	return all
}

// qualified is a permission with the name of its service.
func qualified(permission string) string {
	if permission == actAs {
		return permission
	}
	return "compute." + permission
}

// pathOf is what a link means, in any of the forms clients write, from "projects/" on.
func pathOf(link, project string) string {
	if _, after, ok := strings.Cut(link, "/projects/"); ok {
		return "projects/" + after
	}
	link = strings.Trim(link, "/")
	if strings.HasPrefix(link, "projects/") {
		return link
	}
	return "projects/" + project + "/" + link
}

// at are the values at a path of fields below v, through lists.
func at(v any, path []string) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		var all []any
		for _, e := range v {
			all = append(all, at(e, path)...)
		}
		return all
	case map[string]any:
		for name, e := range v {
			if len(path) > 0 && name == path[0] {
				return at(e, path[1:])
			}
		}
		if len(v) == 0 {
			return nil
		}
	}
	if len(path) > 0 || v == "" {
		return nil
	}
	return []any{v}
}

// checkKind is the collection of permissions for a health check.
func checkKind(r doc.Ref) string {
	if r.Kind() == "healthChecks" && strings.HasPrefix(r.Scope(), "regions/") {
		return "regionHealthChecks"
	}
	return r.Kind()
}

// addressOf is the reserved address that has a number, "" if none has: one of the
// moment takes no permission.
func addressOf(c *api.Call, number string) (on string) {
	c.S.Store.View(func(t *store.Tx) {
		for _, o := range t.All(c.Project(), "addresses") {
			if doc.Str(o, "address") == number {
				on = string(doc.RefOf(doc.Str(o, "selfLink")))
			}
		}
	})
	return on
}

// target is what a call is about, as the sentence that refuses names it: a list is
// about the project.
func target(c *api.Call) string {
	_, verb, _ := strings.Cut(c.Method.ID, ".")
	if verb == "list" || verb == "aggregatedList" {
		return "projects/" + c.Project()
	}
	var path []string
	segments := strings.Split(c.Method.Path, "/")
	for i, s := range segments {
		name, isParameter := strings.CutPrefix(s, "{")
		if isParameter {
			path = append(path, c.Params[strings.TrimSuffix(name, "}")])
		} else if i+1 < len(segments) || verb == "insert" {
			path = append(path, s)
		}
	}
	if name := doc.Str(c.Body, "name"); verb == "insert" && name != "" {
		path = append(path, name)
	}
	return strings.Join(path, "/")
}
