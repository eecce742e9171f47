package balancers

import (
	"fmt"
	"slices"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// referred reads the instances of a request, which must be in the group's zone.
func referred(c *api.Call, r doc.Ref) (out []doc.Ref, err error) {
	for i, x := range doc.Objects(c.Body, "instances") {
		field, s := fmt.Sprintf("resource.instances[%d].instance", i), doc.Str(x, "instance")
		m := doc.ParseRef(s, r.Project(), r.Scope(), "instances")
		if m == "" {
			return nil, problem.Invalid(field, s, "The URL is malformed.")
		}
		if m.Collection() != r.Within("instances", "x").Collection() {
			return nil, problem.Invalid(field, s, "The instance is not in the zone of the instance group.")
		}
		out = append(out, m)
	}
	if len(out) == 0 {
		return nil, problem.Missing("resource.instances")
	}
	return out, nil
}

func addInstances(c *api.Call) (doc.Obj, error) {
	return groupEdited(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		add, err := referred(c, r)
		if err != nil {
			return err
		}
		for _, i := range add {
			if slices.Contains(doc.Strings(o, "instances"), i.Link()) {
				return problem.New(400, "memberAlreadyExists", "MEMBER_ALREADY_EXISTS", fmt.Sprintf("Resource '%s' is already a member of '%s'.", i, r))
			}
			machine := t.Get(i)
			if machine == nil {
				return problem.NotFound(i)
			}
			nic := doc.Objects(machine, "networkInterfaces")[0]
			if doc.Has(o, "network") && o["network"] != nic["network"] {
				return problem.Refuse("The network interface of '%s' is not in the network of the instance group '%s'.", i, r)
			}
			// The first member decides, and it stays so when all have gone.
			doc.Fill(o, doc.Obj{"network": nic["network"], "subnetwork": nic["subnetwork"]})
			o["instances"] = append(slices.Clone(doc.List(o, "instances")), i.Link())
			if note := members.DrainRef(r, i); t.Get(note) != nil {
				t.Delete(note)
			}
		}
		return members.Alone(t, r.Project(), groupUsed(t, r))
	})
}

func removeInstances(c *api.Call) (doc.Obj, error) {
	return groupEdited(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		drop, err := referred(c, r)
		if err != nil {
			return err
		}
		for _, i := range drop {
			if !slices.Contains(doc.Strings(o, "instances"), i.Link()) {
				return problem.New(400, "memberNotFound", "MEMBER_NOT_FOUND", fmt.Sprintf("Resource '%s' is not a member of '%s'.", i, r))
			}
			drains(c.S, t, r, i)
			members.Dismiss(o, i)
		}
		return nil
	})
}

func listInstances(c *api.Call) (doc.Obj, error) {
	r := c.Target("instanceGroups")
	var items []doc.Obj
	var err error
	c.S.Store.View(func(t *store.Tx) {
		o := t.Get(r)
		if o == nil {
			err = problem.NotFound(r)
			return
		}
		for _, i := range members.GroupInstances(t, r) {
			if doc.Str(c.Body, "instanceState") == "RUNNING" && doc.Str(i, "status") != "RUNNING" {
				continue
			}
			item := doc.Obj{"instance": i["selfLink"], "status": i["status"]}
			if doc.Has(o, "namedPorts") {
				item["namedPorts"] = o["namedPorts"]
			}
			items = append(items, item)
		}
	})
	if err != nil {
		return nil, err
	}
	return c.Page("compute#instanceGroupsListInstances", r.Link(), items)
}
