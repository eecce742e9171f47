package emulator

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// What exists everywhere and cannot be changed: places, machine types and disk
// types, as Google lists them.

// knownPlace refuses zones and regions that are not in the catalog. A get of
// one says that it is not there; imageFamilyViews takes "-" for any zone.
func knownPlace(method string, params map[string]string) error {
	for _, what := range []string{"zone", "region"} {
		if v := params[what]; v != "" && v != "-" && !slices.Contains(scopes(), what+"s/"+v) {
			if method == what+"s.get" {
				return notFound(ref("projects/" + params["project"] + "/" + what + "s/" + v))
			}
			return invalid(what, v, "Unknown "+what+".")
		}
	}
	return nil
}

const epoch = "1969-12-31T16:00:00.000-08:00" // when all that Google made itself was made

// numberOf gives catalog entries and projects an id that never changes.
func numberOf(s string) string {
	h := fnv.New64a()
	h.Write([]byte(s))
	return fmt.Sprint(100000000000 + h.Sum64()%899999999999)
}

func zoneDoc(project, zone string) obj {
	return obj{
		"kind": "compute#zone", "id": numberOf(zone), "name": zone, "description": zone, "status": "UP",
		"creationTimestamp": epoch, "region": regionLink(project, regionOf(zone)), "selfLink": zoneLink(project, zone),
		"availableCpuPlatforms": []any{"Intel Skylake", "Intel Cascade Lake", "AMD Rome"}, "supportsPzs": false,
	}
}

func regionDoc(project, region string) obj {
	var zones []any
	for _, s := range scopes() {
		if z, ok := strings.CutPrefix(s, "zones/"); ok && regionOf(z) == region {
			zones = append(zones, zoneLink(project, z))
		}
	}
	return obj{
		"kind": "compute#region", "id": numberOf(region), "name": region, "description": region, "status": "UP",
		"creationTimestamp": epoch, "selfLink": regionLink(project, region), "zones": zones,
		"supportsPzs": false,
	}
}

// region is a region with what is used of its quotas.
func (c *call) region(project, name string) obj {
	o := regionDoc(project, name)
	c.s.store.view(func(t *tx) { o["quotas"] = c.s.quotas(t, project, name+"/", regionMetrics) })
	return o
}

func zones() collection {
	return collection{resource: "zones", kind: "zones", item: "compute#zone", methods: map[string]handler{
		"get": func(c *call) (obj, error) { return zoneDoc(c.project(), c.params["zone"]), nil },
		"list": func(c *call) (obj, error) {
			return c.page("compute#zoneList", base+"projects/"+c.project()+"/zones", c.places("zones/", zoneDoc))
		},
	}}
}

func regions() collection {
	return collection{resource: "regions", kind: "regions", item: "compute#region", methods: map[string]handler{
		"get": func(c *call) (obj, error) { return c.region(c.project(), c.params["region"]), nil },
		"list": func(c *call) (obj, error) {
			return c.page("compute#regionList", base+"projects/"+c.project()+"/regions", c.places("regions/", c.region))
		},
	}}
}

func (c *call) places(prefix string, doc func(project, name string) obj) (out []obj) {
	for _, s := range scopes() {
		if name, ok := strings.CutPrefix(s, prefix); ok {
			out = append(out, doc(c.project(), name))
		}
	}
	return out
}
