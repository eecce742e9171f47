// Package projects is what a project is and may have: its metadata, its regions,
// quotas, and what zones have left.
package projects

import (
	"strconv"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/store"
)

// Projects exist when asked for; only what was set on one is kept.
func projects() api.Collection {
	return api.Collection{
		Resource: "projects", Kind: "projects", Item: "compute#project",
		Methods: map[string]api.Handler{
			"get": func(c *api.Call) (out doc.Obj, err error) {
				c.S.Store.View(func(t *store.Tx) {
					out = doc.Clone(ProjectDoc(t, c.Project()))
					out["quotas"] = quotasOf(c.S, t, c.Project(), "", projectMetrics)
				})
				return out, nil
			},
			"setCommonInstanceMetadata": setCommonInstanceMetadata,
		},
		Works: map[string]api.Work{"setCommonInstanceMetadata": {}},
	}
}

func projectRef(name string) doc.Ref { return doc.Ref("projects/" + name) }

// ProjectNumber is the number of a project, always the same.
func ProjectNumber(name string) uint64 {
	n, _ := strconv.ParseUint(doc.NumberOf("project "+name), 10, 64)
	return n
}

// DefaultAccount is the service account that a project's machines have unless they are
// given another.
func DefaultAccount(name string) string {
	return strconv.FormatUint(ProjectNumber(name), 10) + "-compute@developer.gserviceaccount.com"
}

// ProjectDoc is a project with what was set on it.
func ProjectDoc(t *store.Tx, name string) doc.Obj {
	o := doc.Obj{
		"kind": "compute#project", "id": strconv.FormatUint(ProjectNumber(name), 10), "name": name,
		"creationTimestamp": catalog.Epoch, "selfLink": projectRef(name).Link(), "defaultNetworkTier": "PREMIUM",
		"xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS", "vmDnsSetting": "ZONAL_ONLY",
		"defaultServiceAccount":  DefaultAccount(name),
		"commonInstanceMetadata": identity.NewMetadata(nil),
	}
	for k, v := range t.Get(projectRef(name)) {
		o[k] = v
	}
	switch said := identity.MetadataMap(doc.Sub(o, "commonInstanceMetadata"))[dnsKey]; {
	case strings.HasPrefix(said, "Global"):
		o["vmDnsSetting"] = "GLOBAL_DEFAULT"
	case said == "ZonalPreferred":
		o["vmDnsSetting"] = "ZONAL_DEFAULT"
	}
	return o
}

const dnsKey = "VmDnsSetting"

// DNSSetting is how an instance is named, as its metadata say, or else the project's:
// GlobalDefault by its name alone, ZonalOnly with its zone.
func DNSSetting(t *store.Tx, project string, metadata map[string]string) string {
	if said := metadata[dnsKey]; said != "" {
		return said
	}
	if ProjectDoc(t, project)["vmDnsSetting"] == "GLOBAL_DEFAULT" {
		return "GlobalDefault"
	}
	return "ZonalOnly"
}

func setCommonInstanceMetadata(c *api.Call) (doc.Obj, error) {
	r := projectRef(c.Project())
	return c.Change(r, nil, func(t *store.Tx) error {
		next, err := identity.ReplaceMetadata(doc.Sub(ProjectDoc(t, c.Project()), "commonInstanceMetadata"), c.Body)
		if err != nil {
			return err
		}
		o := doc.Clone(t.Get(r))
		if o == nil {
			o = doc.Obj{"name": c.Project(), "id": strconv.FormatUint(ProjectNumber(c.Project()), 10)}
		}
		o["commonInstanceMetadata"] = next
		t.Put(r, o)
		return nil
	})
}
