// Package groups has managed instance groups, and keeps them at their size.
package groups

import (
	"context"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/balancers"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// scheduled is the work of a change of size: done when each machine has its
// action, not when the actions are over.
func (g *Reconciler) scheduled(ctx context.Context, _ *api.Job) error { return g.Pass(ctx) }

// groupShown is what a group has that nobody gave and that means nothing here.
var groupShown = doc.Obj{
	"standbyPolicy": doc.Obj{"mode": "MANUAL"}, "targetStoppedSize": 0, "targetSuspendedSize": 0, "targetSizePolicy": doc.Obj{"mode": "INDIVIDUAL"},
}

func insertGroup(c *api.Call) (doc.Obj, error) {
	r := c.Ref("instanceGroupManagers", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if group := r.Within("instanceGroups", r.Name()); t.Get(group) != nil && t.Get(r) == nil {
			return problem.Exists(group)
		}
		if err := groupTemplate(t, r, o); err != nil {
			return err
		}
		doc.Fill(o, doc.Obj{
			"kind": "compute#instanceGroupManager", "baseInstanceName": r.Name()[:min(len(r.Name()), 58)], "targetSize": 0, "listManagedInstancesResults": "PAGELESS",
			"updatePolicy": doc.Obj{}, "instanceLifecyclePolicy": doc.Obj{},
		})
		doc.Fill(o, groupShown)
		doc.Fill(doc.Sub(o, "instanceLifecyclePolicy"), doc.Obj{"forceUpdateOnRepair": "NO", "defaultActionOnFailure": "REPAIR", "onFailedHealthCheck": "DEFAULT_ACTION"})
		doc.Fill(doc.Sub(o, "updatePolicy"), doc.Obj{
			"type": "OPPORTUNISTIC", "minimalAction": "REPLACE", "replacementMethod": "SUBSTITUTE",
			"maxSurge": doc.Obj{"fixed": 1}, "maxUnavailable": doc.Obj{"fixed": 1},
		})
		calculated(o)
		if b := doc.Str(o, "baseInstanceName"); !identity.TagText.MatchString(b) || len(b) > 58 {
			return problem.Invalid("resource.baseInstanceName", b, "Must be a match of regex '[a-z](([-a-z0-9]{0,57})|([-a-z0-9]{0,52}-#{1,10}(\\[[0-9]{1,10}\\])?))'")
		}
		if err := checkSize(doc.Num(o, "targetSize"), "resource.targetSize"); err != nil {
			return err
		}
		if err := checkPolicy(t, r, o); err != nil {
			return err
		}
		if err := checkUpdate(o); err != nil {
			return err
		}
		if err := checkHealing(t, r, o); err != nil {
			return err
		}
		group := r.Within("instanceGroups", r.Name())
		o["zone"], o["instanceGroup"] = doc.ZoneLink(r.Project(), r.Place()), group.Link()
		if _, err := c.Create(t, "instanceGroupManagers", o); err != nil {
			return err
		}
		edited := t.Edit(r)
		edited["fingerprint"] = groupPrint(edited)
		return balancers.MakeMirror(c.S, t, group, o)
	})
}

// groupTemplate makes instanceTemplate and versions say the same.
func groupTemplate(t *store.Tx, r doc.Ref, o doc.Obj) error {
	versions := doc.Objects(o, "versions")
	s, field := doc.Str(o, "instanceTemplate"), "resource.instanceTemplate"
	if s == "" && len(versions) == 1 {
		s, field = doc.Str(versions[0], "instanceTemplate"), "resource.versions[0].instanceTemplate"
	}
	if s == "" {
		return problem.Missing("resource.instanceTemplate")
	}
	template := doc.ParseRef(s, r.Project(), "global", "instanceTemplates")
	if t.Get(template) == nil {
		return problem.Invalid(field, s, "The resource '"+string(template)+"' was not found")
	}
	version := doc.Obj{"instanceTemplate": template.Link(), "targetSize": doc.Obj{"calculated": o["targetSize"]}}
	if len(versions) == 1 && doc.Has(versions[0], "name") {
		version["name"] = versions[0]["name"]
	}
	o["instanceTemplate"], o["versions"] = template.Link(), []any{version}
	return nil
}

func resizeGroup(c *api.Call) (doc.Obj, error) {
	size := doc.Number(c.Query.Get("size"))
	if err := checkSize(size, "size"); err != nil {
		return nil, err
	}
	return groupEdit(c, func(_ *store.Tx, _ doc.Ref, o doc.Obj) error {
		o["targetSize"] = size
		return nil
	})
}

// patchGroup changes size and template; the template is that of machines made
// from now on.
func patchGroup(c *api.Call) (doc.Obj, error) {
	return groupEdit(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		if err := api.Immutable(o, c.Body, "name", "baseInstanceName", "zone"); err != nil {
			return err
		}
		if f := doc.Str(c.Body, "fingerprint"); f != "" && f != doc.Str(o, "fingerprint") {
			return problem.Stale("Invalid fingerprint.")
		}
		if doc.Has(c.Body, "targetSize") {
			o["targetSize"] = c.Body["targetSize"]
		}
		for _, k := range []string{"listManagedInstancesResults", "description", "updatePolicy", "statefulPolicy", "instanceLifecyclePolicy", "autoHealingPolicies"} {
			if v, named := c.Body[k]; named {
				doc.Merge(o, doc.Obj{k: v})
			}
		}
		if doc.Has(c.Body, "instanceTemplate") {
			o["instanceTemplate"] = c.Body["instanceTemplate"]
			delete(o, "versions")
		} else if doc.Has(c.Body, "versions") {
			o["versions"] = c.Body["versions"]
			delete(o, "instanceTemplate")
		}
		if err := groupTemplate(t, r, o); err != nil {
			return err
		}
		if err := checkPolicy(t, r, o); err != nil {
			return err
		}
		if err := checkUpdate(o); err != nil {
			return err
		}
		if err := checkHealing(t, r, o); err != nil {
			return err
		}
		if _, named := c.Body["autoHealingPolicies"]; named {
			reverify(t, r, o)
		}
		if _, named := c.Body["statefulPolicy"]; named {
			if err := adoptPolicy(c.S, t, r, o); err != nil {
				return err
			}
		}
		return checkSize(doc.Num(o, "targetSize"), "resource.targetSize")
	})
}

func deleteMembers(c *api.Call) (doc.Obj, error) {
	return groupEdit(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		for _, s := range doc.Strings(c.Body, "instances") {
			m, i, err := memberNamed(t, r, s)
			if err != nil && doc.Bool(c.Body, "skipInstancesOnValidationError") {
				continue // no member, or none any more
			}
			if err != nil {
				return err
			}
			if i["action"] != "DELETING" && i["action"] != "ABANDONING" {
				o["targetSize"] = doc.Num(o, "targetSize") - 1
			}
			i["action"] = "DELETING"
			delete(i, "operation")
			t.Put(m, i)
		}
		return nil
	})
}

func recreateMembers(c *api.Call) (doc.Obj, error) {
	return groupEdit(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		for _, s := range doc.Strings(c.Body, "instances") {
			m, i, err := memberNamed(t, r, s)
			if err != nil {
				return err
			}
			if a := i["action"]; a == "NONE" || a == "VERIFYING" {
				i["action"] = "RECREATING"
				delete(i, "operation")
				t.Put(m, i)
			}
		}
		return nil
	})
}

func deleteGroup(c *api.Call) (doc.Obj, error) {
	r := c.Target("instanceGroupManagers")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if by := balancers.GroupService(t, r.Within("instanceGroups", r.Name())); by != "" {
			return problem.InUse("instance_group_manager", r, by)
		}
		if by := scalerOf(t, r); by != "" {
			return problem.InUse("instance_group_manager", r, by)
		}
		o["targetSize"] = 0
		t.Put(r.Note("leaving"), doc.Obj{"id": o["id"]})
		return nil
	})
}

// dropGroup waits until the group has taken all its machines away.
func (g *Reconciler) dropGroup(ctx context.Context, k *api.Job) error {
	for {
		gone := false
		k.S.Store.View(func(t *store.Tx) { gone = len(t.List(members.Members(k.Target))) == 0 })
		if gone {
			break
		}
		if err := g.Pass(ctx); err != nil {
			return err
		}
		if err := g.turn(ctx, k.Target); err != nil {
			return err
		}
	}
	return k.Step("removed", func(t *store.Tx) error {
		if t.Get(k.Target) == nil {
			return problem.NotFound(k.Target)
		}
		t.Delete(k.Target)
		t.Delete(k.Target.Note("leaving"))
		for _, note := range t.Notes(failures(k.Target)) {
			t.Delete(note)
		}
		t.Delete(k.Target.Within("instanceGroups", k.Target.Name()))
		return nil
	})
}
