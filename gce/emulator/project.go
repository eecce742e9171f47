package emulator

import "strconv"

// projects exist when asked for; only what was set on one is kept.
func projects() collection {
	return collection{
		resource: "projects", kind: "projects", item: "compute#project",
		methods: map[string]handler{
			"get": func(c *call) (out obj, err error) {
				c.s.store.view(func(t *tx) {
					out = clone(projectDoc(t, c.project()))
					out["quotas"] = c.s.quotas(t, c.project(), "", projectMetrics)
				})
				return out, nil
			},
			"setCommonInstanceMetadata": setCommonInstanceMetadata,
		},
		works: map[string]work{"setCommonInstanceMetadata": {}},
	}
}

func projectRef(name string) ref { return ref("projects/" + name) }

func projectNumber(name string) uint64 {
	n, _ := strconv.ParseUint(numberOf("project "+name), 10, 64)
	return n
}

func projectDoc(t *tx, name string) obj {
	o := obj{
		"kind": "compute#project", "id": strconv.FormatUint(projectNumber(name), 10), "name": name,
		"creationTimestamp": epoch, "selfLink": projectRef(name).link(), "defaultNetworkTier": "PREMIUM",
		"xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS", "vmDnsSetting": "ZONAL_ONLY",
		"defaultServiceAccount":  strconv.FormatUint(projectNumber(name), 10) + "-compute@developer.gserviceaccount.com",
		"commonInstanceMetadata": newMetadata(nil),
	}
	for k, v := range t.get(projectRef(name)) {
		o[k] = v
	}
	return o
}

func setCommonInstanceMetadata(c *call) (obj, error) {
	r := projectRef(c.project())
	return c.change(r, nil, func(t *tx) error {
		next, err := replaceMetadata(sub(projectDoc(t, c.project()), "commonInstanceMetadata"), c.body)
		if err != nil {
			return err
		}
		o := clone(t.get(r))
		if o == nil {
			o = obj{"name": c.project(), "id": strconv.FormatUint(projectNumber(c.project()), 10)}
		}
		o["commonInstanceMetadata"] = next
		t.put(r, o)
		return nil
	})
}
