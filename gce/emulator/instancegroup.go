package emulator

import (
	"context"
	"fmt"
)

// instanceGroups are lists of machines that somebody keeps, and mirrors of the
// managed groups, which have one of their name each. A stored group of the
// first kind has the links of its members in "instances", which is no field of
// Google's and no answer shows.
func instanceGroups() collection {
	return collection{
		resource: "instanceGroups", kind: "instanceGroups", item: "compute#instanceGroup", view: groupSized,
		methods: map[string]handler{
			"insert": insertInstanceGroup, "delete": deleteInstanceGroup, "listInstances": listInstances,
			"addInstances": addInstances, "removeInstances": removeInstances, "setNamedPorts": setNamedPorts,
		},
		works: map[string]work{
			"insert": {}, "setNamedPorts": {}, "addInstances": {run: synced}, "removeInstances": {run: synced},
			"delete": {late: true, run: func(ctx context.Context, k *task) error {
				return k.remove(ctx, "instance_group", groupUser, func(t *tx, r ref) {
					for _, n := range t.notes(draining + string(r)) {
						t.delete(n)
					}
				})
			}},
		},
	}
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

func groupSized(t *tx, r ref, o obj) obj {
	out := clone(o)
	out["size"] = float64(len(groupInstances(t, r)))
	delete(out, "instances")
	return out
}

func insertInstanceGroup(c *call) (obj, error) {
	r := c.ref("instanceGroups", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		if err := checkPorts(o); err != nil {
			return err
		}
		fill(o, obj{"kind": "compute#instanceGroup", "description": ""})
		o["zone"], o["fingerprint"] = zoneLink(r.project(), r.place()), fingerprint(o["namedPorts"])
		_, err := c.create(t, "instanceGroups", o)
		return err
	})
}

func checkPorts(o obj) error {
	for i, p := range objects(o, "namedPorts") {
		field := fmt.Sprintf("resource.namedPorts[%d].", i)
		if str(p, "name") == "" {
			return missing(field + "name")
		}
		if n := num(p, "port"); n < 1 || n > 65535 {
			return invalid(field+"port", n, "Must be between 1 and 65535.")
		}
	}
	return nil
}

// groupEdited is a change to a group that is not a managed one's mirror.
func (c *call) groupEdited(f func(t *tx, r ref, o obj) error) (obj, error) {
	r := c.target("instanceGroups")
	return c.change(r, nil, func(t *tx) error {
		o := t.edit(r)
		if o == nil {
			return notFound(r)
		}
		if managed(t, r) {
			return refuse("The instance group '%s' is controlled by an Instance Group Manager: change that.", r)
		}
		return f(t, r, o)
	})
}

func setNamedPorts(c *call) (obj, error) {
	return c.groupEdited(func(_ *tx, _ ref, o obj) error {
		if f := str(c.body, "fingerprint"); f != "" && f != str(o, "fingerprint") {
			return stale("Invalid fingerprint.")
		}
		if err := checkPorts(c.body); err != nil {
			return err
		}
		delete(o, "namedPorts")
		if l := list(c.body, "namedPorts"); len(l) > 0 {
			o["namedPorts"] = l
		}
		o["fingerprint"] = fingerprint(o["namedPorts"])
		return nil
	})
}

func deleteInstanceGroup(c *call) (obj, error) {
	return c.removal("instanceGroups", "instance_group", groupUser)
}

// groupUser is the managed group or a backend service that has a group.
func groupUser(t *tx, r ref) ref {
	if managed(t, r) {
		return r.within("instanceGroupManagers", r.name())
	}
	return groupService(t, r)
}

func groupService(t *tx, r ref) (by ref) {
	t.each(r.project(), "backendServices", func(o obj) {
		for _, b := range objects(o, "backends") {
			if s := toRef(str(o, "selfLink")); toRef(str(b, "group")) == r && (by == "" || s < by) {
				by = s
			}
		}
	})
	return by
}

func groupUsed(t *tx, r ref) bool { return groupService(t, r) != "" }

func autoscalers() collection {
	// None can be made; gcloud asks for them with every managed group.
	return collection{resource: "autoscalers", kind: "autoscalers", item: "compute#autoscaler"}
}

func regionAutoscalers() collection {
	return collection{resource: "regionAutoscalers", kind: "autoscalers", item: "compute#regionAutoscaler"}
}
