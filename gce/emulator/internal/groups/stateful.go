package groups

import (
	"fmt"
	"math/rand/v2"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/instances"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// What a group keeps of a machine that it makes again: by its stateful policy, for all
// its machines, and by the per-instance configuration of one. What holds of them is
// noted with the member as answers show it: preservedStateFromPolicy names the disks
// and addresses that the machine came to have, preservedStateFromConfig is the
// configuration as it was applied last.
// (https://cloud.google.com/compute/docs/instance-groups/how-stateful-migs-work)

// never and permanent are when a thing that is kept goes, nic0 is the interface that
// machines have here.
const never, permanent, nic0 = "NEVER", "ON_PERMANENT_INSTANCE_DELETION", "nic0"

// entry is one of a map by names: of devices, of interfaces.
func entry(m doc.Obj, name string) doc.Obj { o, _ := m[name].(doc.Obj); return o }

// policyOf is what a group's stateful policy keeps.
func policyOf(group doc.Obj) doc.Obj {
	return doc.Sub(doc.Sub(group, "statefulPolicy"), "preservedState")
}

// stateful reports whether a group keeps anything by its policy.
func stateful(group doc.Obj) bool {
	p := policyOf(group)
	return len(doc.Sub(p, "disks")) > 0 || len(doc.Sub(p, "internalIPs")) > 0 || len(doc.Sub(p, "externalIPs")) > 0
}

// configs is where the notes are of a group's per-instance configurations.
func configs(group doc.Ref) string { return "~configs/" + string(group) }

func configRef(group doc.Ref, name string) doc.Ref { return doc.Ref(configs(group) + "/" + name) }

// checkPolicy refuses a stateful policy that the group's template or the rest of its
// settings cannot follow, and fills in what it leaves to Google.
func checkPolicy(t *store.Tx, r doc.Ref, o doc.Obj) error {
	if !stateful(o) {
		return nil
	}
	const field = "resource.statefulPolicy.preservedState."
	if by := scalerOf(t, r); by != "" {
		return problem.Refuse("Stateful configuration cannot be used with an autoscaler: '%s' is one of '%s'.", by, r)
	}
	if u := doc.Sub(o, "updatePolicy"); doc.Str(u, "type") == "PROACTIVE" && doc.Str(u, "replacementMethod") != "RECREATE" {
		return problem.Invalid("resource.updatePolicy.replacementMethod", u["replacementMethod"], "Must be RECREATE for a group with stateful configuration whose updates are PROACTIVE.")
	}
	properties := doc.Sub(t.Get(doc.RefOf(doc.Str(o, "instanceTemplate"))), "properties")
	devices := map[string]bool{}
	for _, d := range doc.Objects(properties, "disks") {
		devices[doc.Str(d, "deviceName")] = true
	}
	for device, rule := range doc.Sub(policyOf(o), "disks") {
		if !devices[device] {
			return problem.Invalid(field+"disks", device, "Stateful disks must be defined in the instance template.")
		}
		ruled(rule)
	}
	nic := doc.Objects(properties, "networkInterfaces")[0]
	for name, rule := range doc.Sub(policyOf(o), "internalIPs") {
		if name != nic0 {
			return problem.Invalid(field+"internalIPs", name, "The instance template has no such network interface.")
		}
		ruled(rule)
	}
	for name, rule := range doc.Sub(policyOf(o), "externalIPs") {
		if name != nic0 || len(doc.List(nic, "accessConfigs")) == 0 {
			return problem.Invalid(field+"externalIPs", name, "The instance template has no such network interface with an external IP address.")
		}
		ruled(rule)
	}
	return nil
}

// ruled fills in when a thing that is kept goes at last.
func ruled(rule any) {
	if o, ok := rule.(doc.Obj); ok {
		doc.Fill(o, doc.Obj{"autoDelete": never})
	}
}

// preserve notes what a machine has of all that its group's policy keeps, reserves its
// addresses, and sees to it that nobody who deletes the machine takes its disks along.
// What the policy keeps no longer goes with the machine again.
func preserve(s *api.Server, t *store.Tx, i doc.Ref, group, member doc.Obj) error {
	instance := t.Edit(i)
	if instance == nil {
		return nil
	}
	policy, config := policyOf(group), doc.Sub(member, "preservedStateFromConfig")
	state := doc.Obj{}
	disks := doc.Obj{}
	for _, a := range doc.Objects(instance, "disks") {
		device := doc.Str(a, "deviceName")
		rule, ofConfig := entry(doc.Sub(policy, "disks"), device), entry(doc.Sub(config, "disks"), device)
		was := entry(doc.Sub(doc.Sub(member, "preservedStateFromPolicy"), "disks"), device)
		switch {
		case ofConfig != nil:
			a["autoDelete"] = false
		case rule != nil:
			a["autoDelete"] = false
			disks[device] = doc.Obj{"autoDelete": rule["autoDelete"], "mode": a["mode"], "source": a["source"]}
		case was != nil:
			a["autoDelete"] = ofTemplate(t, member, device)
		}
	}
	if len(disks) > 0 {
		state["disks"] = disks
	}
	nic := doc.Objects(instance, "networkInterfaces")[0]
	if rule := entry(doc.Sub(policy, "internalIPs"), nic0); rule != nil && entry(doc.Sub(config, "internalIPs"), nic0) == nil {
		a, err := networks.KeepInternal(s, t, i, nic, addressName(i, "internal"))
		if err != nil {
			return err
		}
		state["internalIPs"] = doc.Obj{nic0: keptAddress(rule, a)}
	}
	if rule := entry(doc.Sub(policy, "externalIPs"), nic0); rule != nil && entry(doc.Sub(config, "externalIPs"), nic0) == nil {
		a, err := networks.KeepExternal(s, t, i, nic, addressName(i, "external"))
		if err != nil {
			return err
		}
		if a != "" {
			state["externalIPs"] = doc.Obj{nic0: keptAddress(rule, a)}
		}
	}
	delete(member, "preservedStateFromPolicy")
	if len(state) > 0 {
		member["preservedStateFromPolicy"] = state
	}
	return nil
}

func keptAddress(rule doc.Obj, a doc.Ref) doc.Obj {
	return doc.Obj{"autoDelete": rule["autoDelete"], "ipAddress": doc.Obj{"address": a.Link()}}
}

// addressName is what an address is called that a group reserves for a machine; Google
// documents none.
func addressName(i doc.Ref, which string) string {
	return fmt.Sprintf("%s-%s-%04x", i.Name()[:min(len(i.Name()), 45)], which, rand.Uint32N(1<<16))
}

// ofTemplate is whether a disk of a member goes with its machine by its template.
func ofTemplate(t *store.Tx, member doc.Obj, device string) bool {
	for _, d := range doc.Objects(doc.Sub(t.Get(doc.RefOf(doc.Str(member, "template"))), "properties"), "disks") {
		if doc.Str(d, "deviceName") == device {
			return doc.Bool(d, "autoDelete")
		}
	}
	return false
}

// asKept gives a machine that is about to be made what was kept of the one before, by
// the policy and, over that, by the configuration.
func asKept(instance, member, config doc.Obj) {
	for _, kept := range []doc.Obj{doc.Sub(member, "preservedStateFromPolicy"), config} {
		for device := range doc.Sub(kept, "disks") {
			attachKept(instance, device, entry(doc.Sub(kept, "disks"), device))
		}
		nic := doc.Objects(instance, "networkInterfaces")[0]
		if ip := doc.Sub(entry(doc.Sub(kept, "internalIPs"), nic0), "ipAddress"); ip != nil {
			nic["networkIP"] = addressed(ip)
		}
		if ip := doc.Sub(entry(doc.Sub(kept, "externalIPs"), nic0), "ipAddress"); ip != nil {
			if len(doc.List(nic, "accessConfigs")) == 0 {
				nic["accessConfigs"] = []any{doc.Obj{}}
			}
			doc.Objects(nic, "accessConfigs")[0]["natIP"] = addressed(ip)
		}
		instance["metadata"] = withMetadata(doc.Sub(instance, "metadata"), doc.Sub(kept, "metadata"), nil)
	}
}

// addressed is an address of a preserved state, by its object or itself.
func addressed(ip doc.Obj) string {
	if a := doc.Str(ip, "address"); a != "" {
		return a
	}
	return doc.Str(ip, "literal")
}

func attachKept(instance doc.Obj, device string, kept doc.Obj) {
	a := doc.Obj{"deviceName": device, "source": kept["source"], "mode": kept["mode"], "autoDelete": false, "boot": false}
	l := doc.List(instance, "disks")
	for n, d := range doc.ObjectsOf(l) {
		if doc.Str(d, "deviceName") == device {
			a["boot"] = doc.Bool(d, "boot")
			l[n] = a
			return
		}
	}
	instance["disks"] = append(l, a)
}

// withMetadata is a metadata document with items set, and without those of before that
// are not among them any more.
func withMetadata(m, items, before doc.Obj) doc.Obj {
	var out []any
	for _, item := range doc.Objects(m, "items") {
		key := doc.Str(item, "key")
		if items[key] == nil && before[key] == nil {
			out = append(out, item)
		}
	}
	for _, key := range doc.SortedKeys(items) {
		out = append(out, doc.Obj{"key": key, "value": items[key]})
	}
	return doc.Obj{"items": out}
}

// gone sees to what was kept of a machine that its group takes away for good: disks go
// with the machine where their rule says so, addresses at once.
func gone(t *store.Tx, r, i doc.Ref, member doc.Obj) {
	instance := t.Edit(i)
	for _, kept := range []doc.Obj{doc.Sub(member, "preservedStateFromPolicy"), doc.Sub(member, "preservedStateFromConfig")} {
		for _, a := range doc.Objects(instance, "disks") {
			if d := entry(doc.Sub(kept, "disks"), doc.Str(a, "deviceName")); d != nil {
				a["autoDelete"] = doc.Str(d, "autoDelete") == permanent
			}
		}
	}
	t.Delete(configRef(r, i.Name()))
}

// releaseKept lets the addresses go that were kept of a machine that is gone for good.
func releaseKept(t *store.Tx, r doc.Ref, member doc.Obj) {
	for _, kept := range []doc.Obj{doc.Sub(member, "preservedStateFromPolicy"), doc.Sub(member, "preservedStateFromConfig")} {
		for _, ips := range []doc.Obj{doc.Sub(kept, "internalIPs"), doc.Sub(kept, "externalIPs")} {
			ip := entry(ips, nic0)
			if a := doc.ParseRef(doc.Str(doc.Sub(ip, "ipAddress"), "address"), r.Project(), "regions/"+r.Region(), "addresses"); a != "" && doc.Str(ip, "autoDelete") == permanent {
				t.Delete(a)
			}
		}
	}
}

// adoptPolicy applies a policy that changed to the machines there are.
func adoptPolicy(s *api.Server, t *store.Tx, r doc.Ref, group doc.Obj) error {
	for _, note := range t.List(members.Members(r)) {
		m := doc.Clone(note)
		if a := doc.Str(m, "action"); a != "NONE" && a != "VERIFYING" {
			continue // when it is made
		}
		i := r.Within("instances", doc.Str(m, "name"))
		if t.Get(i) == nil || t.Get(i.Note("leaving")) != nil {
			continue // when it is made again; what it had is noted
		}
		if err := preserve(s, t, i, group, m); err != nil {
			return err
		}
		t.Put(members.MemberRef(r, i.Name()), m)
	}
	return nil
}

// made is the instance that a group makes of a template for a member.
func made(t *store.Tx, template doc.Ref, member, config doc.Obj) (doc.Obj, error) {
	o := t.Get(template)
	if o == nil {
		return nil, problem.NotFound(template)
	}
	instance := instances.FromTemplate(o)
	asKept(instance, member, config)
	return instance, nil
}
