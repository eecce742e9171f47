package emulator

import (
	"fmt"
	"slices"
)

// groupInstances are the instances of a group that exist, by name.
func groupInstances(t *tx, group ref) (out []obj) {
	for _, i := range groupMembers(t, group) {
		if o := t.get(i); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// groupMembers are the members of a group, by name.
func groupMembers(t *tx, group ref) (out []ref) {
	if managed(t, group) {
		for _, m := range t.list(members(group.within("instanceGroupManagers", group.name()))) {
			out = append(out, group.within("instances", str(m, "name")))
		}
		return out
	}
	for _, link := range stringsOf(t.get(group), "instances") {
		out = append(out, toRef(link))
	}
	slices.Sort(out)
	return out
}

// referred reads the instances of a request, which must be in the group's zone.
func referred(c *call, r ref) (out []ref, err error) {
	for i, x := range objects(c.body, "instances") {
		field, s := fmt.Sprintf("resource.instances[%d].instance", i), str(x, "instance")
		m := parse(s, r.project(), r.scope(), "instances")
		if m == "" {
			return nil, invalid(field, s, "The URL is malformed.")
		}
		if m.collection() != r.within("instances", "x").collection() {
			return nil, invalid(field, s, "The instance is not in the zone of the instance group.")
		}
		out = append(out, m)
	}
	if len(out) == 0 {
		return nil, missing("resource.instances")
	}
	return out, nil
}

func addInstances(c *call) (obj, error) {
	return c.groupEdited(func(t *tx, r ref, o obj) error {
		add, err := referred(c, r)
		if err != nil {
			return err
		}
		for _, i := range add {
			if slices.Contains(stringsOf(o, "instances"), i.link()) {
				return &problem{400, "memberAlreadyExists", "MEMBER_ALREADY_EXISTS", fmt.Sprintf("Resource '%s' is already a member of '%s'.", i, r)}
			}
			machine := t.get(i)
			if machine == nil {
				return notFound(i)
			}
			nic := objects(machine, "networkInterfaces")[0]
			if has(o, "network") && o["network"] != nic["network"] {
				return refuse("The network interface of '%s' is not in the network of the instance group '%s'.", i, r)
			}
			// The first member decides, and it stays so when all have gone.
			fill(o, obj{"network": nic["network"], "subnetwork": nic["subnetwork"]})
			o["instances"] = append(slices.Clone(list(o, "instances")), i.link())
			if note := drainRef(r, i); t.get(note) != nil {
				t.delete(note)
			}
		}
		return alone(t, r.project(), groupUsed(t, r))
	})
}

func removeInstances(c *call) (obj, error) {
	return c.groupEdited(func(t *tx, r ref, o obj) error {
		drop, err := referred(c, r)
		if err != nil {
			return err
		}
		for _, i := range drop {
			if !slices.Contains(stringsOf(o, "instances"), i.link()) {
				return &problem{400, "memberNotFound", "MEMBER_NOT_FOUND", fmt.Sprintf("Resource '%s' is not a member of '%s'.", i, r)}
			}
			c.s.drains(t, r, i)
			dismiss(o, i)
		}
		return nil
	})
}

func dismiss(group obj, i ref) {
	group["instances"] = without(list(group, "instances"), i.link())
	if len(list(group, "instances")) == 0 {
		delete(group, "instances")
	}
}

// dismissAll takes an instance that goes away out of its groups.
func dismissAll(t *tx, i ref) {
	for _, o := range t.list(i.within("instanceGroups", "x").collection()) {
		group := toRef(str(o, "selfLink"))
		if slices.Contains(stringsOf(o, "instances"), i.link()) {
			dismiss(t.edit(group), i)
		}
		if note := drainRef(group, i); t.get(note) != nil {
			t.delete(note)
		}
	}
}

// alone refuses an instance in two groups that balancers use.
func alone(t *tx, project string, used bool) error {
	if !used {
		return nil
	}
	in := map[ref]ref{}
	for _, s := range t.all(project, "backendServices") {
		for _, b := range objects(s, "backends") {
			group := toRef(str(b, "group"))
			for _, i := range groupMembers(t, group) {
				if other, ok := in[i]; ok && other != group {
					return &problem{400, "invalid", "INSTANCE_IN_MULTIPLE_LOAD_BALANCED_IGS",
						fmt.Sprintf("Validation failed for instance '%s': instance may belong to at most one load-balanced instance group.", i)}
				}
				in[i] = group
			}
		}
	}
	return nil
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
