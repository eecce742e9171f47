package projects

import (
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/store"
)

func regionDoc(project, region string) doc.Obj {
	var zones []any
	for _, s := range doc.Scopes() {
		if z, ok := strings.CutPrefix(s, "zones/"); ok && doc.RegionOf(z) == region {
			zones = append(zones, doc.ZoneLink(project, z))
		}
	}
	return doc.Obj{
		"kind": "compute#region", "id": doc.NumberOf(region), "name": region, "description": region, "status": "UP",
		"creationTimestamp": catalog.Epoch, "selfLink": doc.RegionLink(project, region), "zones": zones,
		"supportsPzs": false,
	}
}

// region is a region with what is used of its quotas.
func quotaRegion(c *api.Call, project, name string) doc.Obj {
	o := regionDoc(project, name)
	if c.S.Opts.QuotasUnknown {
		o["quotaStatusWarning"] = doc.Obj{"code": "QUOTA_INFO_UNAVAILABLE", "message": "Quota information of region '" + name + "' is not available now."}
		return o
	}
	c.S.Store.View(func(t *store.Tx) { o["quotas"] = quotasOf(c.S, t, project, name+"/", regionMetrics) })
	return o
}

func regions() api.Collection {
	return api.Collection{Resource: "regions", Kind: "regions", Item: "compute#region", Methods: map[string]api.Handler{
		"get": func(c *api.Call) (doc.Obj, error) { return quotaRegion(c, c.Project(), c.Params["region"]), nil },
		"list": func(c *api.Call) (doc.Obj, error) {
			return c.Page("compute#regionList", doc.Base+"projects/"+c.Project()+"/regions", catalog.EachPlace(c, "regions/", func(project, name string) doc.Obj { return quotaRegion(c, project, name) }))
		},
	}}
}
