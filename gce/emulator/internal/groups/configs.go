package groups

import (
	"fmt"
	"reflect"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// Per-instance configurations are notes beside the group. Whether one is applied is
// seen from the member's note, which has what was applied last.

// createInstances makes machines with names, each with its configuration, and the group
// larger by as many.
func createInstances(c *api.Call) (doc.Obj, error) {
	return groupEdit(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		l := doc.Objects(c.Body, "instances")
		if len(l) == 0 {
			return problem.Missing("resource.instances")
		}
		for n, x := range l {
			field := fmt.Sprintf("resource.instances[%d]", n)
			name := doc.Str(x, "name")
			switch {
			case name == "":
				return problem.Missing(field + ".name")
			case !identity.TagText.MatchString(name):
				return problem.Invalid(field+".name", name, "Must be a match of regex '"+identity.TagText.String()+"'")
			case t.Get(members.MemberRef(r, name)) != nil:
				return problem.Exists(r.Within("instances", name))
			}
			if err := putConfig(t, r, o, x, nil, field); err != nil {
				return err
			}
			t.Put(members.MemberRef(r, name), doc.Obj{"name": name, "action": "CREATING", "template": o["instanceTemplate"]})
		}
		o["targetSize"] = doc.Num(o, "targetSize") + int64(len(l))
		return checkSize(doc.Num(o, "targetSize"), "resource.targetSize")
	})
}

// updateConfigs makes configurations or sets what they keep; patchConfigs changes of it
// what is named. Neither is applied by that.
func updateConfigs(c *api.Call) (doc.Obj, error) { return changeConfigs(c, false) }
func patchConfigs(c *api.Call) (doc.Obj, error)  { return changeConfigs(c, true) }

func changeConfigs(c *api.Call, patch bool) (doc.Obj, error) {
	return groupEdit(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		for n, x := range doc.Objects(c.Body, "perInstanceConfigs") {
			field := fmt.Sprintf("resource.perInstanceConfigs[%d]", n)
			if _, _, err := configured(t, r, doc.Str(x, "name"), field+".name"); err != nil {
				return err
			}
			old := t.Get(configRef(r, doc.Str(x, "name")))
			if f := doc.Str(x, "fingerprint"); old != nil && f != "" && f != doc.Str(old, "fingerprint") {
				return problem.Stale("Invalid fingerprint.")
			}
			if !patch {
				old = nil
			}
			if err := putConfig(t, r, o, x, old, field); err != nil {
				return err
			}
		}
		return nil
	})
}

func deleteConfigs(c *api.Call) (doc.Obj, error) {
	return groupEdit(c, func(t *store.Tx, r doc.Ref, _ doc.Obj) error {
		for n, name := range doc.Strings(c.Body, "names") {
			field := fmt.Sprintf("resource.names[%d]", n)
			if _, _, err := configured(t, r, name, field); err != nil {
				return err
			}
			if t.Get(configRef(r, name)) == nil {
				return problem.Invalid(field, name, "The instance has no per-instance config.")
			}
			t.Delete(configRef(r, name))
		}
		return nil
	})
}

// configured is the member that a configuration is of.
func configured(t *store.Tx, r doc.Ref, name, field string) (doc.Ref, doc.Obj, error) {
	m := members.MemberRef(r, name)
	if name == "" {
		return "", nil, problem.Missing(field)
	}
	o := t.Get(m)
	if o == nil || doc.Str(o, "action") == "DELETING" || doc.Str(o, "action") == "ABANDONING" {
		return "", nil, problem.Invalid(field, name, "The instance is not a member of '"+string(r)+"'.")
	}
	return m, o, nil
}

// putConfig checks a configuration and keeps it; old is what it is a patch of.
func putConfig(t *store.Tx, r doc.Ref, group, x, old doc.Obj, field string) error {
	state := doc.Obj{}
	if kept := doc.Sub(old, "preservedState"); kept != nil {
		state = doc.Clone(kept)
	}
	doc.Merge(state, doc.Sub(x, "preservedState"))
	if err := checkConfig(t, r, group, state, field+".preservedState"); err != nil {
		return err
	}
	name := doc.Str(x, "name")
	state = doc.Clone(state)
	t.Put(configRef(r, name), doc.Obj{"name": name, "preservedState": state, "fingerprint": doc.Fingerprint(name, state)})
	return nil
}

// checkConfig refuses to keep what is not there, and fills in what is left to Google.
func checkConfig(t *store.Tx, r doc.Ref, group, state doc.Obj, field string) error {
	if scaler := scalerOf(t, r); scaler != "" {
		return problem.Refuse("Stateful configuration cannot be used with an autoscaler: '%s' is one of '%s'.", scaler, r)
	}
	for device, v := range doc.Sub(state, "disks") {
		d, at := v.(doc.Obj), field+".disks["+device+"]"
		source := doc.ParseRef(doc.Str(d, "source"), r.Project(), r.Scope(), "disks")
		switch {
		case !doc.Has(d, "source"):
			return problem.Missing(at + ".source")
		case source == "" || source.Scope() != r.Scope() || t.Get(source) == nil:
			return problem.Invalid(at+".source", doc.Str(d, "source"), "The referenced disk resource cannot be found in the zone of the group.")
		case doc.Str(d, "mode") == "READ_ONLY" && doc.Str(d, "autoDelete") == permanent:
			return problem.Invalid(at+".autoDelete", d["autoDelete"], "Disks attached in READ_ONLY mode cannot be auto-deleted.")
		}
		doc.Fill(d, doc.Obj{"autoDelete": never, "mode": "READ_WRITE"})
		d["source"] = source.Link()
	}
	if err := checkKeptAddresses(t, r, doc.Sub(state, "internalIPs"), "INTERNAL", field+".internalIPs"); err != nil {
		return err
	}
	return checkKeptAddresses(t, r, doc.Sub(state, "externalIPs"), "EXTERNAL", field+".externalIPs")
}

func checkKeptAddresses(t *store.Tx, r doc.Ref, ips doc.Obj, kind, field string) error {
	for name, v := range ips {
		ip, at := v.(doc.Obj), field+"["+name+"]"
		said := doc.Sub(ip, "ipAddress")
		a := doc.ParseRef(doc.Str(said, "address"), r.Project(), "regions/"+r.Region(), "addresses")
		switch o := t.Get(a); {
		case name != nic0:
			return problem.Invalid(field, name, "The instance has no such network interface.")
		case said == nil:
			return problem.Missing(at + ".ipAddress")
		case doc.Has(said, "literal") && (kind == "EXTERNAL" || doc.Has(said, "address")):
			return problem.Invalid(at+".ipAddress.literal", said["literal"], "Only an internal IP address can be a literal, and none with the URL of a reservation.")
		case doc.Has(said, "literal"):
		case a == "" || o == nil || doc.Str(o, "addressType") != kind || a.Region() != r.Region():
			return problem.Invalid(at+".ipAddress.address", doc.Str(said, "address"), "The referenced address resource cannot be found in the region of the group.")
		default:
			said["address"] = a.Link()
		}
		doc.Fill(ip, doc.Obj{"autoDelete": never})
	}
	return nil
}

// effective reports whether what was applied to a member is its configuration.
func effective(member, config doc.Obj) bool {
	applied := doc.Sub(member, "preservedStateFromConfig")
	if config == nil {
		return len(applied) == 0
	}
	return applied != nil && reflect.DeepEqual(applied, doc.Sub(config, "preservedState"))
}

// configStatus is how far a configuration, or its removal, has come.
func configStatus(member, config doc.Obj) string {
	action := doc.Str(member, "action")
	busy := action != "NONE" && action != "VERIFYING" && !doc.Bool(member, "repair") // a repair makes what was
	switch is := effective(member, config); {
	case is && config == nil:
		return "NONE"
	case is:
		return "EFFECTIVE"
	case config == nil && busy:
		return "DELETING"
	case config == nil:
		return "UNAPPLIED_DELETION"
	case busy:
		return "APPLYING"
	}
	return "UNAPPLIED"
}

// listConfigs are the configurations, and those whose removal is not applied yet.
func listConfigs(c *api.Call) (doc.Obj, error) {
	r := c.Target("instanceGroupManagers")
	var out []doc.Obj
	var err error
	c.S.Store.View(func(t *store.Tx) {
		if t.Get(r) == nil {
			err = problem.NotFound(r)
			return
		}
		for _, m := range t.List(members.Members(r)) {
			config := t.Get(configRef(r, doc.Str(m, "name")))
			status := configStatus(m, config)
			if config == nil && status == "NONE" {
				continue
			}
			row := doc.Obj{"name": m["name"], "status": status}
			doc.Fill(row, config)
			out = append(out, row)
		}
	})
	if err != nil {
		return nil, err
	}
	return c.Members("items", out, false)
}
