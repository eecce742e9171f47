package emulator

import (
	"context"
	"strings"
)

func instanceGroupManagers() collection {
	return collection{
		resource: "instanceGroupManagers", kind: "instanceGroupManagers", item: "compute#instanceGroupManager",
		view: groupView,
		methods: map[string]handler{
			"insert": insertGroup, "delete": deleteGroup, "resize": resizeGroup, "patch": patchGroup,
			"setInstanceTemplate": patchGroup, "deleteInstances": deleteMembers, "recreateInstances": recreateMembers,
			"listManagedInstances": listManagedInstances,
		},
		works: map[string]work{
			"insert": {}, "patch": {}, "setInstanceTemplate": {}, "deleteInstances": {run: scheduled}, "recreateInstances": {run: scheduled},
			"resize": {run: scheduled}, "delete": {run: dropGroup},
		},
	}
}

// scheduled is the work of a change of size: done when each machine has its
// action, not when the actions are over.
func scheduled(ctx context.Context, k *task) error { return k.s.groups.pass(ctx) }

func insertGroup(c *call) (obj, error) {
	for _, k := range []string{"autoHealingPolicies", "statefulPolicy", "distributionPolicy", "targetPools", "allInstancesConfig",
		"standbyPolicy", "instanceFlexibilityPolicy", "targetStoppedSize", "targetSuspendedSize", "resourcePolicies"} {
		if l, ok := c.body[k].([]any); has(c.body, k) && (!ok || len(l) > 0) {
			return nil, notWritten("instanceGroupManagers.insert with " + k)
		}
	}
	r := c.ref("instanceGroupManagers", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		if group := r.within("instanceGroups", r.name()); t.get(group) != nil && t.get(r) == nil {
			return exists(group)
		}
		if err := groupTemplate(t, r, o); err != nil {
			return err
		}
		fill(o, obj{
			"kind": "compute#instanceGroupManager", "baseInstanceName": r.name()[:min(len(r.name()), 58)], "targetSize": 0, "listManagedInstancesResults": "PAGELESS",
			"updatePolicy":            obj{},
			"instanceLifecyclePolicy": obj{"forceUpdateOnRepair": "NO", "defaultActionOnFailure": "REPAIR"},
		})
		fill(sub(o, "updatePolicy"), obj{
			"type": "OPPORTUNISTIC", "minimalAction": "REPLACE", "replacementMethod": "SUBSTITUTE",
			"maxSurge": obj{"fixed": 1, "calculated": 1}, "maxUnavailable": obj{"fixed": 1, "calculated": 1},
		})
		if b := str(o, "baseInstanceName"); !tagText.MatchString(b) || len(b) > 58 {
			return invalid("resource.baseInstanceName", b, "Must be a match of regex '[a-z](([-a-z0-9]{0,57})|([-a-z0-9]{0,52}-#{1,10}(\\[[0-9]{1,10}\\])?))'")
		}
		if err := checkSize(num(o, "targetSize"), "resource.targetSize"); err != nil {
			return err
		}
		group := r.within("instanceGroups", r.name())
		o["zone"], o["instanceGroup"] = zoneLink(r.project(), r.place()), group.link()
		if _, err := c.create(t, "instanceGroupManagers", o); err != nil {
			return err
		}
		edited := t.edit(r)
		edited["fingerprint"] = groupPrint(edited)
		return makeMirror(c.s, t, group, o)
	})
}

func checkSize(n int64, field string) error {
	if n < 0 || n > 2000 {
		return invalid(field, n, "Must be between 0 and 2000.")
	}
	return nil
}

func groupPrint(o obj) string {
	return fingerprint(o["id"], o["targetSize"], o["instanceTemplate"], o["versions"], o["baseInstanceName"])
}

// groupTemplate makes instanceTemplate and versions say the same.
func groupTemplate(t *tx, r ref, o obj) error {
	versions := objects(o, "versions")
	if len(versions) > 1 {
		return notWritten("managed groups with several versions")
	}
	s, field := str(o, "instanceTemplate"), "resource.instanceTemplate"
	if s == "" && len(versions) == 1 {
		s, field = str(versions[0], "instanceTemplate"), "resource.versions[0].instanceTemplate"
	}
	if s == "" {
		return missing("resource.instanceTemplate")
	}
	template := parse(s, r.project(), "global", "instanceTemplates")
	if t.get(template) == nil {
		return invalid(field, s, "The resource '"+string(template)+"' was not found")
	}
	version := obj{"instanceTemplate": template.link(), "targetSize": obj{"calculated": o["targetSize"]}}
	if len(versions) == 1 && has(versions[0], "name") {
		version["name"] = versions[0]["name"]
	}
	o["instanceTemplate"], o["versions"] = template.link(), []any{version}
	return nil
}

// groupEdit is a change to a group that is not being deleted.
func (c *call) groupEdit(f func(t *tx, r ref, o obj) error) (obj, error) {
	r := c.target("instanceGroupManagers")
	return c.change(r, nil, func(t *tx) error {
		o := t.edit(r)
		if o == nil {
			return notFound(r)
		}
		if t.get(r.note("leaving")) != nil {
			return notReady(r)
		}
		if err := f(t, r, o); err != nil {
			return err
		}
		if v := objects(o, "versions"); len(v) == 1 {
			v[0]["targetSize"] = obj{"calculated": o["targetSize"]}
		}
		o["fingerprint"] = groupPrint(o)
		return nil
	})
}

func resizeGroup(c *call) (obj, error) {
	size := int64(atoi(c.query.Get("size")))
	if err := checkSize(size, "size"); err != nil {
		return nil, err
	}
	return c.groupEdit(func(_ *tx, _ ref, o obj) error {
		o["targetSize"] = size
		return nil
	})
}

// patchGroup changes size and template; the template is that of machines made
// from now on.
func patchGroup(c *call) (obj, error) {
	return c.groupEdit(func(t *tx, r ref, o obj) error {
		for k := range c.body {
			switch k {
			case "targetSize", "instanceTemplate", "versions", "listManagedInstancesResults", "description", "updatePolicy":
			case "name", "kind", "zone", "fingerprint", "baseInstanceName", "id", "selfLink":
			default:
				return notWritten(c.method.ID + " of " + k)
			}
		}
		if err := immutable(o, c.body, "name", "baseInstanceName", "zone"); err != nil {
			return err
		}
		if f := str(c.body, "fingerprint"); f != "" && f != str(o, "fingerprint") {
			return stale("Invalid fingerprint.")
		}
		if has(c.body, "targetSize") {
			o["targetSize"] = c.body["targetSize"]
		}
		for _, k := range []string{"listManagedInstancesResults", "description", "updatePolicy"} {
			if has(c.body, k) {
				merge(o, obj{k: c.body[k]})
			}
		}
		if has(c.body, "instanceTemplate") {
			o["instanceTemplate"] = c.body["instanceTemplate"]
			delete(o, "versions")
		} else if has(c.body, "versions") {
			o["versions"] = c.body["versions"]
			delete(o, "instanceTemplate")
		}
		if err := groupTemplate(t, r, o); err != nil {
			return err
		}
		return checkSize(num(o, "targetSize"), "resource.targetSize")
	})
}

func deleteMembers(c *call) (obj, error) {
	return c.groupEdit(func(t *tx, r ref, o obj) error {
		for _, s := range stringsOf(c.body, "instances") {
			m, i, err := memberNamed(t, r, s)
			if err != nil {
				return err
			}
			if i["action"] != "DELETING" {
				o["targetSize"] = num(o, "targetSize") - 1
			}
			i["action"] = "DELETING"
			delete(i, "operation")
			t.put(m, i)
		}
		return nil
	})
}

func recreateMembers(c *call) (obj, error) {
	return c.groupEdit(func(t *tx, r ref, o obj) error {
		for _, s := range stringsOf(c.body, "instances") {
			m, i, err := memberNamed(t, r, s)
			if err != nil {
				return err
			}
			if i["action"] == "NONE" {
				i["action"] = "RECREATING"
				delete(i, "operation")
				t.put(m, i)
			}
		}
		return nil
	})
}

func memberNamed(t *tx, group ref, s string) (ref, obj, error) {
	i := parse(s, group.project(), group.scope(), "instances")
	m := memberRef(group, i.name())
	o := clone(t.get(m))
	if o == nil || i.scope() != group.scope() {
		return "", nil, invalid("resource.instances", s, "The instance is not a member of '"+string(group)+"'.")
	}
	return m, o, nil
}

func deleteGroup(c *call) (obj, error) {
	r := c.target("instanceGroupManagers")
	return c.change(r, nil, func(t *tx) error {
		o := t.edit(r)
		if o == nil {
			return notFound(r)
		}
		if by := groupService(t, r.within("instanceGroups", r.name())); by != "" {
			return inUse("instance_group_manager", r, by)
		}
		o["targetSize"] = 0
		t.put(r.note("leaving"), obj{"id": o["id"]})
		return nil
	})
}

// dropGroup waits until the group has taken all its machines away.
func dropGroup(ctx context.Context, k *task) error {
	for {
		gone := false
		k.s.store.view(func(t *tx) { gone = len(t.list(members(k.Target))) == 0 })
		if gone {
			break
		}
		if err := k.s.groups.pass(ctx); err != nil {
			return err
		}
		if err := k.s.groups.turn(ctx, k.Target); err != nil {
			return err
		}
	}
	return k.step("removed", func(t *tx) error {
		if t.get(k.Target) == nil {
			return notFound(k.Target)
		}
		t.delete(k.Target)
		t.delete(k.Target.note("leaving"))
		t.delete(k.Target.within("instanceGroups", k.Target.name()))
		return nil
	})
}

// groupView adds what the group is doing.
func groupView(t *tx, r ref, o obj) obj {
	out := clone(o)
	actions := obj{}
	for _, a := range strings.Fields("abandoning creating creatingWithoutRetries deleting none recreating refreshing restarting resuming starting stopping suspending verifying") {
		actions[a] = 0
	}
	all := t.list(members(r))
	stable := int64(len(all)) == num(o, "targetSize")
	for _, m := range all {
		a := strings.ToLower(str(m, "action"))
		actions[a] = num(actions, a) + 1
		runs := str(t.get(r.within("instances", str(m, "name"))), "status") == "RUNNING"
		stable = stable && a == "none" && runs // not before the group has seen what happened to it
	}
	out["currentActions"] = actions
	out["status"] = obj{"isStable": stable, "versionTarget": obj{"isReached": stable}, "stateful": obj{"hasStatefulConfig": false}}
	return clone(out)
}

func listManagedInstances(c *call) (obj, error) {
	r := c.target("instanceGroupManagers")
	out := []any{}
	var err error
	c.s.store.view(func(t *tx) {
		if t.get(r) == nil {
			err = notFound(r)
			return
		}
		for _, m := range t.list(members(r)) {
			i := r.within("instances", str(m, "name"))
			row := obj{
				"instance": i.link(), "name": i.name(), "currentAction": m["action"],
				"version": obj{"instanceTemplate": m["template"]}, "lastAttempt": obj{},
			}
			if o := t.get(i); o != nil {
				row["id"], row["instanceStatus"] = o["id"], o["status"]
			}
			if e := sub(m, "error"); e != nil {
				row["lastAttempt"] = obj{"errors": obj{"errors": []any{e}}}
			}
			out = append(out, row)
		}
	})
	if err != nil {
		return nil, err
	}
	keep, err := parseFilter(c.query.Get("filter"))
	if err != nil {
		return nil, err
	}
	kept := []any{}
	for _, o := range objectsOf(out) {
		if keep(o) {
			kept = append(kept, o)
		}
	}
	if len(kept) == 0 {
		return obj{}, nil
	}
	return obj{"managedInstances": kept}, nil
}
