// Package catalog has what exists everywhere and cannot be changed: zones, machine
// types, disk types and public images.
package catalog

import (
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

// What exists everywhere and cannot be changed: places, machine types and disk
// types, as Google lists them.

const Epoch = "1969-12-31T16:00:00.000-08:00" // when all that Google made itself was made

func zoneDoc(project, zone string) doc.Obj {
	return doc.Obj{
		"kind": "compute#zone", "id": doc.NumberOf(zone), "name": zone, "description": zone, "status": "UP",
		"creationTimestamp": Epoch, "region": doc.RegionLink(project, doc.RegionOf(zone)), "selfLink": doc.ZoneLink(project, zone),
		"availableCpuPlatforms": []any{"Intel Skylake", "Intel Cascade Lake", "AMD Rome"}, "supportsPzs": false,
	}
}

func zones() api.Collection {
	return api.Collection{Resource: "zones", Kind: "zones", Item: "compute#zone", Methods: map[string]api.Handler{
		"get": func(c *api.Call) (doc.Obj, error) { return zoneDoc(c.Project(), c.Params["zone"]), nil },
		"list": func(c *api.Call) (doc.Obj, error) {
			return c.Page("compute#zoneList", doc.Base+"projects/"+c.Project()+"/zones", EachPlace(c, "zones/", zoneDoc))
		},
	}}
}

// EachPlace lists a document for each place of a kind: "zones/", "regions/".
func EachPlace(c *api.Call, prefix string, of func(project, name string) doc.Obj) (out []doc.Obj) {
	for _, s := range doc.Scopes() {
		if name, ok := strings.CutPrefix(s, prefix); ok {
			out = append(out, of(c.Project(), name))
		}
	}
	return out
}
