package groups

import (
	"reflect"
	"slices"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// updates are what is done to a machine to make it what its group says, the least
// disruptive first, and the action that does it.
// (https://cloud.google.com/compute/docs/instance-groups/rolling-out-updates-to-managed-instance-groups)
var updates = []struct{ does, action string }{
	{"NONE", "NONE"}, {"REFRESH", "REFRESHING"}, {"RESTART", "RESTARTING"}, {"REPLACE", "RECREATING"},
}

func disruption(does string) int {
	return slices.IndexFunc(updates, func(u struct{ does, action string }) bool { return u.does == does })
}

// applyUpdates brings machines to the group's template and to their configurations.
func applyUpdates(c *api.Call) (doc.Obj, error) {
	return groupEdit(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		least, most := 0, disruption("REPLACE")
		if doc.Has(c.Body, "minimalAction") {
			least = disruption(doc.Str(c.Body, "minimalAction"))
		}
		if doc.Has(c.Body, "mostDisruptiveAllowedAction") {
			most = disruption(doc.Str(c.Body, "mostDisruptiveAllowedAction"))
		}
		if least > most {
			return problem.Invalid("resource.minimalAction", c.Body["minimalAction"], "Must not be more disruptive than mostDisruptiveAllowedAction.")
		}
		names, all := doc.Strings(c.Body, "instances"), doc.Bool(c.Body, "allInstances")
		switch {
		case all && len(names) > 0:
			return problem.Invalid("resource.allInstances", true, "Instances must not be named with allInstances.")
		case !all && len(names) == 0:
			return problem.Missing("resource.instances")
		case all:
			for _, m := range t.List(members.Members(r)) {
				names = append(names, doc.Str(m, "name"))
			}
		}
		for _, s := range names {
			note, m, err := memberNamed(t, r, s)
			if err != nil {
				return err
			}
			if a := doc.Str(m, "action"); a != "NONE" && a != "VERIFYING" {
				continue // it is made as its group says by what is under way
			}
			does := max(least, needed(t, r, o, m))
			if does > most {
				return problem.Refuse("The update of instance '%s' takes the action %s, and the most disruptive one allowed is %s.", r.Within("instances", doc.Str(m, "name")), updates[does].does, updates[most].does)
			}
			m["action"] = updates[does].action
			delete(m, "operation")
			t.Put(note, m)
		}
		return nil
	})
}

// needed is the least that brings a machine to what its group says. Of a template all but
// metadata takes a replacement here, and so do other disks and addresses than the machine has.
func needed(t *store.Tx, r doc.Ref, group, m doc.Obj) int {
	name := doc.Str(m, "name")
	config := t.Get(configRef(r, name))
	was, now := doc.Str(m, "template"), doc.Str(group, "instanceTemplate")
	if was != now && !alike(t, was, now) {
		return disruption("REPLACE")
	}
	if effective(m, config) {
		if was != now {
			return disruption("REFRESH")
		}
		return disruption("NONE")
	}
	if !has(t, t.Get(r.Within("instances", name)), doc.Sub(config, "preservedState")) || loses(m, config) {
		return disruption("REPLACE")
	}
	return disruption("REFRESH")
}

// alike reports whether two templates make machines that differ in their metadata alone.
func alike(t *store.Tx, a, b string) bool {
	plain := func(link string) doc.Obj {
		o := t.Get(doc.RefOf(link))
		if o == nil {
			return nil
		}
		p := doc.Clone(doc.Sub(o, "properties"))
		delete(p, "metadata")
		return p
	}
	x, y := plain(a), plain(b)
	return x != nil && y != nil && reflect.DeepEqual(x, y)
}

// templateMetadata is what a machine has in its metadata by a template, and by the group that made it of that.
func templateMetadata(t *store.Tx, r doc.Ref, template string) doc.Obj {
	items := doc.Obj{}
	for key, v := range identity.MetadataMap(doc.Sub(doc.Sub(t.Get(doc.RefOf(template)), "properties"), "metadata")) {
		items[key] = v
	}
	items["instance-template"] = byNumber(r, doc.RefOf(template))
	return items
}

// has reports whether a machine has the disks and addresses of a configuration.
func has(t *store.Tx, instance, state doc.Obj) bool {
	for device := range doc.Sub(state, "disks") {
		want := entry(doc.Sub(state, "disks"), device)
		if !slices.ContainsFunc(doc.Objects(instance, "disks"), func(a doc.Obj) bool {
			return doc.Str(a, "deviceName") == device && a["source"] == want["source"] && a["mode"] == want["mode"]
		}) {
			return false
		}
	}
	for _, nic := range doc.Objects(instance, "networkInterfaces") {
		if ip := doc.Sub(entry(doc.Sub(state, "internalIPs"), nic0), "ipAddress"); ip != nil && number(t, ip) != doc.Str(nic, "networkIP") {
			return false
		}
		ip := doc.Sub(entry(doc.Sub(state, "externalIPs"), nic0), "ipAddress")
		if ip != nil && !slices.ContainsFunc(doc.Objects(nic, "accessConfigs"), func(ac doc.Obj) bool { return doc.Str(ac, "natIP") == number(t, ip) }) {
			return false
		}
	}
	return true
}

func number(t *store.Tx, ip doc.Obj) string {
	if a := t.Get(doc.RefOf(doc.Str(ip, "address"))); a != nil {
		return doc.Str(a, "address")
	}
	return doc.Str(ip, "literal")
}

// loses reports whether a machine has a disk of its configuration of before that is in
// the one of now no more.
func loses(m, config doc.Obj) bool {
	now := doc.Sub(doc.Sub(config, "preservedState"), "disks")
	for device := range doc.Sub(doc.Sub(m, "preservedStateFromConfig"), "disks") {
		if now[device] == nil {
			return true
		}
	}
	return false
}

// refresh applies its group's template, as far as that differs in metadata alone, and a member's
// configuration to its machine without ending it.
func (g *Reconciler) refresh(t *store.Tx, r, i doc.Ref, group, m doc.Obj) error {
	instance, config := t.Edit(i), t.Get(configRef(r, i.Name()))
	was, now := doc.Obj{}, doc.Obj{}
	doc.Merge(was, doc.Sub(doc.Sub(m, "preservedStateFromConfig"), "metadata"))
	if of, by := doc.Str(m, "template"), doc.Str(group, "instanceTemplate"); of != by && alike(t, of, by) {
		doc.Merge(was, templateMetadata(t, r, of))
		doc.Merge(now, templateMetadata(t, r, by))
		m["template"] = by
	}
	for key, v := range templateMetadata(t, r, doc.Str(m, "template")) {
		if was[key] != nil {
			now[key] = v // of the template again
		}
	}
	doc.Merge(now, doc.Sub(doc.Sub(config, "preservedState"), "metadata"))
	merged, err := identity.Metadata(withMetadata(doc.Sub(instance, "metadata"), now, was))
	if err != nil {
		return err
	}
	instance["metadata"] = merged
	apply(m, config)
	return preserve(g.s, t, i, group, m)
}

// apply notes the configuration that a member's machine was made with.
func apply(m, config doc.Obj) {
	delete(m, "preservedStateFromConfig")
	if state := doc.Sub(config, "preservedState"); state != nil {
		m["preservedStateFromConfig"] = doc.Clone(state)
	}
}

// abandonMembers lets machines go that stay as they are.
func abandonMembers(c *api.Call) (doc.Obj, error) {
	return groupEdit(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		for _, s := range doc.Strings(c.Body, "instances") {
			note, m, err := memberNamed(t, r, s)
			if err != nil {
				return err
			}
			if a := doc.Str(m, "action"); a != "DELETING" && a != "ABANDONING" {
				o["targetSize"] = doc.Num(o, "targetSize") - 1
			}
			m["action"] = "ABANDONING"
			delete(m, "operation")
			t.Put(note, m)
		}
		return nil
	})
}
