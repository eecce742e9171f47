package emulator

import "fmt"

// instanceGroups mirror the managed ones: each has one of its name.
func instanceGroups() collection {
	return collection{
		resource: "instanceGroups", kind: "instanceGroups", item: "compute#instanceGroup", view: mirrorView,
		methods: map[string]handler{"listInstances": listInstances},
	}
}

func autoscalers() collection {
	// None can be made; gcloud asks for them with every managed group.
	return collection{resource: "autoscalers", kind: "autoscalers", item: "compute#autoscaler"}
}

func regionAutoscalers() collection {
	return collection{resource: "regionAutoscalers", kind: "autoscalers", item: "compute#regionAutoscaler"}
}

// managed reports whether an instance group belongs to a managed one.
func managed(t *tx, group ref) bool {
	return t.get(group.within("instanceGroupManagers", group.name())) != nil
}

// makeMirror stores the instance group of a managed one.
func makeMirror(s *Server, t *tx, r ref, manager obj) error {
	template := t.get(toRef(str(manager, "instanceTemplate")))
	nic := obj{}
	if nics := objects(sub(template, "properties"), "networkInterfaces"); len(nics) > 0 {
		nic = nics[0]
	}
	o := obj{
		"kind": "compute#instanceGroup", "id": t.id(), "name": r.name(), "creationTimestamp": stamp(s.opts.Now()), "selfLink": r.link(),
		"description": fmt.Sprintf("This instance group is controlled by Instance Group Manager '%s'. To modify instances in this group, use the Instance Group Manager API: https://cloud.google.com/compute/docs/reference/latest/instanceGroupManagers", r.name()),
		"network":     nic["network"], "subnetwork": nic["subnetwork"], "zone": zoneLink(r.project(), r.place()), "fingerprint": fingerprint(manager["namedPorts"]),
		"namedPorts": manager["namedPorts"],
	}
	t.put(r, o)
	return nil
}

// groupInstances are the instances of a group that exist.
func groupInstances(t *tx, group ref) (out []obj) {
	for _, m := range t.list(members(group.within("instanceGroupManagers", group.name()))) {
		if o := t.get(group.within("instances", str(m, "name"))); o != nil {
			out = append(out, o)
		}
	}
	return out
}

func mirrorView(t *tx, r ref, o obj) obj {
	out := clone(o)
	out["size"] = float64(len(groupInstances(t, r)))
	return out
}

func listInstances(c *call) (obj, error) {
	r := c.target("instanceGroups")
	var items []obj
	var err error
	c.s.store.view(func(t *tx) {
		o := t.get(r)
		if o == nil {
			err = notFound(r)
			return
		}
		for _, i := range groupInstances(t, r) {
			if str(c.body, "instanceState") == "RUNNING" && str(i, "status") != "RUNNING" {
				continue
			}
			item := obj{"instance": i["selfLink"], "status": i["status"]}
			if has(o, "namedPorts") {
				item["namedPorts"] = o["namedPorts"]
			}
			items = append(items, item)
		}
	})
	if err != nil {
		return nil, err
	}
	return c.page("compute#instanceGroupsListInstances", r.link(), items)
}
