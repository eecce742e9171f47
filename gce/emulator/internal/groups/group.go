// Package groups has managed instance groups, and keeps them at their size.
package groups

import (
	"context"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/balancers"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

func (g *Reconciler) instanceGroupManagers() api.Collection {
	return api.Collection{
		Resource: "instanceGroupManagers", Kind: "instanceGroupManagers", Item: "compute#instanceGroupManager",
		View: GroupView, Shown: groupShown,
		Methods: map[string]api.Handler{
			"insert": insertGroup, "delete": deleteGroup, "resize": resizeGroup, "patch": patchGroup,
			"setInstanceTemplate": patchGroup, "deleteInstances": deleteMembers, "recreateInstances": recreateMembers,
			"listManagedInstances": listManagedInstances,
		},
		Lacks: map[string][]string{
			"insert": {"autoHealingPolicies", "statefulPolicy", "distributionPolicy", "targetPools", "allInstancesConfig",
				"standbyPolicy", "instanceFlexibilityPolicy", "targetStoppedSize", "targetSuspendedSize", "targetSizePolicy", "resourcePolicies", "versions>1: several versions"},
			"patch": {"+targetSize", "+instanceTemplate", "+versions", "+listManagedInstancesResults", "+description", "+updatePolicy",
				"+name", "+zone", "+fingerprint", "+baseInstanceName", "versions>1: several versions"},
		},
		Works: map[string]api.Work{
			"insert": {}, "patch": {}, "setInstanceTemplate": {}, "deleteInstances": {Run: g.scheduled}, "recreateInstances": {Run: g.scheduled},
			"resize": {Run: g.scheduled}, "delete": {Run: g.dropGroup},
		},
	}
}

// scheduled is the work of a change of size: done when each machine has its
// action, not when the actions are over.
func (g *Reconciler) scheduled(ctx context.Context, _ *api.Job) error { return g.Pass(ctx) }

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

// groupShown is what a group has that nobody gave and that means nothing here.
var groupShown = doc.Obj{
	"standbyPolicy": doc.Obj{"mode": "MANUAL"}, "targetStoppedSize": 0, "targetSuspendedSize": 0, "targetSizePolicy": doc.Obj{"mode": "INDIVIDUAL"},
}

func checkSize(n int64, field string) error {
	if n < 0 || n > 2000 {
		return problem.Invalid(field, n, "Must be between 0 and 2000.")
	}
	return nil
}

func groupPrint(o doc.Obj) string {
	return doc.Fingerprint(o["id"], o["targetSize"], o["instanceTemplate"], o["versions"], o["baseInstanceName"])
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

// groupEdit is a change to a group that is not being deleted.
func groupEdit(c *api.Call, f func(t *store.Tx, r doc.Ref, o doc.Obj) error) (doc.Obj, error) {
	r := c.Target("instanceGroupManagers")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if t.Get(r.Note("leaving")) != nil {
			return problem.NotReady(r)
		}
		if err := f(t, r, o); err != nil {
			return err
		}
		if v := doc.Objects(o, "versions"); len(v) == 1 {
			v[0]["targetSize"] = doc.Obj{"calculated": o["targetSize"]}
		}
		calculated(o)
		o["fingerprint"] = groupPrint(o)
		return nil
	})
}

// calculated says how many machines the numbers of the update policy are.
func calculated(o doc.Obj) {
	for _, k := range []string{"maxSurge", "maxUnavailable"} {
		if n := doc.Sub(doc.Sub(o, "updatePolicy"), k); doc.Has(n, "fixed") {
			n["calculated"] = n["fixed"]
		}
	}
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
		for _, k := range []string{"listManagedInstancesResults", "description", "updatePolicy"} {
			if doc.Has(c.Body, k) {
				doc.Merge(o, doc.Obj{k: c.Body[k]})
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
		return checkSize(doc.Num(o, "targetSize"), "resource.targetSize")
	})
}

func deleteMembers(c *api.Call) (doc.Obj, error) {
	return groupEdit(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		for _, s := range doc.Strings(c.Body, "instances") {
			m, i, err := memberNamed(t, r, s)
			if err != nil {
				return err
			}
			if i["action"] != "DELETING" {
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
			if i["action"] == "NONE" {
				i["action"] = "RECREATING"
				delete(i, "operation")
				t.Put(m, i)
			}
		}
		return nil
	})
}

func memberNamed(t *store.Tx, group doc.Ref, s string) (doc.Ref, doc.Obj, error) {
	i := doc.ParseRef(s, group.Project(), group.Scope(), "instances")
	m := members.MemberRef(group, i.Name())
	o := doc.Clone(t.Get(m))
	if o == nil || i.Scope() != group.Scope() {
		return "", nil, problem.Invalid("resource.instances", s, "The instance is not a member of '"+string(group)+"'.")
	}
	return m, o, nil
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
		t.Delete(k.Target.Within("instanceGroups", k.Target.Name()))
		return nil
	})
}

// GroupView adds what the group is doing.
func GroupView(t *store.Tx, r doc.Ref, o doc.Obj) doc.Obj {
	out := doc.Clone(o)
	actions := doc.Obj{}
	for _, a := range strings.Fields("abandoning creating creatingWithoutRetries deleting none recreating refreshing restarting resuming starting stopping suspending verifying") {
		actions[a] = 0
	}
	all := t.List(members.Members(r))
	stable := int64(len(all)) == doc.Num(o, "targetSize")
	stay := int64(0)
	for _, m := range all {
		a := strings.ToLower(doc.Str(m, "action"))
		actions[a] = doc.Num(actions, a) + 1
		if a != "deleting" {
			stay++
		}
		runs := doc.Str(t.Get(r.Within("instances", doc.Str(m, "name"))), "status") == "RUNNING"
		stable = stable && a == "none" && runs // not before the group has seen what happened to it
	}
	if missing := doc.Num(o, "targetSize") - stay; missing > 0 { // known before they have names
		actions["creating"] = doc.Num(actions, "creating") + missing
	}
	out["currentActions"] = actions
	out["status"] = doc.Obj{
		"isStable": stable, "versionTarget": doc.Obj{"isReached": stable}, "allInstancesConfig": doc.Obj{"effective": true},
		"stateful": doc.Obj{"hasStatefulConfig": false, "perInstanceConfigs": doc.Obj{"allEffective": true}},
	}
	if by := scalerOf(t, r); by != "" {
		doc.Sub(out, "status")["autoscaler"] = by.Link()
	}
	return doc.Clone(out)
}

func listManagedInstances(c *api.Call) (doc.Obj, error) {
	r := c.Target("instanceGroupManagers")
	var out []doc.Obj
	var err error
	pageless := false
	c.S.Store.View(func(t *store.Tx) {
		group := t.Get(r)
		if group == nil {
			err = problem.NotFound(r)
			return
		}
		pageless = doc.Str(group, "listManagedInstancesResults") == "PAGELESS"
		for _, m := range t.List(members.Members(r)) {
			i := r.Within("instances", doc.Str(m, "name"))
			row := doc.Obj{
				"instance": i.Link(), "name": i.Name(), "currentAction": m["action"],
				"version": doc.Obj{"instanceTemplate": m["template"]}, "lastAttempt": doc.Obj{},
			}
			if o := t.Get(i); o != nil {
				row["id"], row["instanceStatus"] = o["id"], o["status"]
			}
			if e := doc.Sub(m, "error"); e != nil {
				row["lastAttempt"] = doc.Obj{"errors": doc.Obj{"errors": []any{e}}}
			}
			out = append(out, row)
		}
	})
	if err != nil {
		return nil, err
	}
	return c.Members("managedInstances", out, pageless)
}
