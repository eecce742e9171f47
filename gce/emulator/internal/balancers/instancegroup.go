package balancers

import (
	"context"
	"fmt"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// instanceGroups are lists of machines that somebody keeps, and mirrors of the
// managed groups, which have one of their name each. A stored group of the
// first kind has the links of its members in "instances", which is no field of
// Google's and no answer shows.
func instanceGroups() api.Collection {
	return api.Collection{
		Resource: "instanceGroups", Kind: "instanceGroups", Item: "compute#instanceGroup", View: groupSized,
		Methods: map[string]api.Handler{
			"insert": insertInstanceGroup, "delete": deleteInstanceGroup, "listInstances": listInstances,
			"addInstances": addInstances, "removeInstances": removeInstances, "setNamedPorts": setNamedPorts,
		},
		Works: map[string]api.Work{
			"insert": {}, "setNamedPorts": {}, "addInstances": {Run: api.Synced}, "removeInstances": {Run: api.Synced},
			"delete": {Late: true, Run: func(ctx context.Context, k *api.Job) error {
				return k.Remove(ctx, "instance_group", groupUser, func(t *store.Tx, r doc.Ref) {
					for _, n := range t.Notes(members.Draining + string(r)) {
						t.Delete(n)
					}
				})
			}},
		},
	}
}

// MakeMirror stores the instance group of a managed one.
func MakeMirror(s *api.Server, t *store.Tx, r doc.Ref, manager doc.Obj) error {
	template := t.Get(doc.RefOf(doc.Str(manager, "instanceTemplate")))
	nic := doc.Obj{}
	if nics := doc.Objects(doc.Sub(template, "properties"), "networkInterfaces"); len(nics) > 0 {
		nic = nics[0]
	}
	o := doc.Obj{
		"kind": "compute#instanceGroup", "id": t.ID(), "name": r.Name(), "creationTimestamp": doc.Stamp(s.Opts.Now()), "selfLink": r.Link(),
		"description": fmt.Sprintf("This instance group is controlled by Instance Group Manager '%s'. To modify instances in this group, use the Instance Group Manager API: https://cloud.google.com/compute/docs/reference/latest/instanceGroupManagers", r.Name()),
		"network":     nic["network"], "subnetwork": nic["subnetwork"], "zone": doc.ZoneLink(r.Project(), r.Place()), "fingerprint": doc.Fingerprint(manager["namedPorts"]),
		"namedPorts": manager["namedPorts"],
	}
	t.Put(r, o)
	return nil
}

func groupSized(t *store.Tx, r doc.Ref, o doc.Obj) doc.Obj {
	out := doc.Clone(o)
	out["size"] = float64(len(members.GroupInstances(t, r)))
	delete(out, "instances")
	return out
}

func insertInstanceGroup(c *api.Call) (doc.Obj, error) {
	r := c.Ref("instanceGroups", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if err := checkPorts(o); err != nil {
			return err
		}
		doc.Fill(o, doc.Obj{"kind": "compute#instanceGroup", "description": ""})
		o["zone"], o["fingerprint"] = doc.ZoneLink(r.Project(), r.Place()), doc.Fingerprint(o["namedPorts"])
		_, err := c.Create(t, "instanceGroups", o)
		return err
	})
}

func checkPorts(o doc.Obj) error {
	for i, p := range doc.Objects(o, "namedPorts") {
		field := fmt.Sprintf("resource.namedPorts[%d].", i)
		if doc.Str(p, "name") == "" {
			return problem.Missing(field + "name")
		}
		if name := doc.Str(p, "name"); !identity.TagText.MatchString(name) {
			return problem.Invalid(field+"name", name, "Must be a match of regex '"+identity.TagText.String()+"'")
		}
		if n := doc.Num(p, "port"); n < 1 || n > 65535 {
			return problem.Invalid(field+"port", n, "Must be between 1 and 65535.")
		}
	}
	return nil
}

// groupEdited is a change to a group that is not a managed one's mirror.
func groupEdited(c *api.Call, f func(t *store.Tx, r doc.Ref, o doc.Obj) error) (doc.Obj, error) {
	r := c.Target("instanceGroups")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if members.Managed(t, r) {
			return problem.Refuse("The instance group '%s' is controlled by an Instance Group Manager: change that.", r)
		}
		return f(t, r, o)
	})
}

// setNamedPorts is for managed groups too, whose manager has no such method and
// shows the ports as well.
func setNamedPorts(c *api.Call) (doc.Obj, error) {
	r := c.Target("instanceGroups")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if f := doc.Str(c.Body, "fingerprint"); f != "" && f != doc.Str(o, "fingerprint") {
			return problem.Stale("Invalid fingerprint.")
		}
		if err := checkPorts(c.Body); err != nil {
			return err
		}
		delete(o, "namedPorts")
		if l := doc.List(c.Body, "namedPorts"); len(l) > 0 {
			o["namedPorts"] = l
		}
		if manager := t.Edit(r.Within("instanceGroupManagers", r.Name())); manager != nil {
			delete(manager, "namedPorts")
			doc.Fill(manager, doc.Obj{"namedPorts": o["namedPorts"]})
		}
		o["fingerprint"] = doc.Fingerprint(o["namedPorts"])
		return nil
	})
}

func deleteInstanceGroup(c *api.Call) (doc.Obj, error) {
	return c.Removal("instanceGroups", "instance_group", groupUser)
}

// groupUser is the managed group or a backend service that has a group.
func groupUser(t *store.Tx, r doc.Ref) doc.Ref {
	if members.Managed(t, r) {
		return r.Within("instanceGroupManagers", r.Name())
	}
	return GroupService(t, r)
}

// GroupService is a backend service that has a group, the first by name.
func GroupService(t *store.Tx, r doc.Ref) (by doc.Ref) {
	t.Each(r.Project(), "backendServices", func(o doc.Obj) {
		for _, b := range doc.Objects(o, "backends") {
			if s := doc.RefOf(doc.Str(o, "selfLink")); doc.RefOf(doc.Str(b, "group")) == r && (by == "" || s < by) {
				by = s
			}
		}
	})
	return by
}

func groupUsed(t *store.Tx, r doc.Ref) bool { return GroupService(t, r) != "" }
