package emulator

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
)

const groupG = zoneB + "instanceGroupManagers/g"

// statefulWorld has a template with a data disk that would go with its machine. Time
// goes on by itself, so that nothing is waited for between two attempts of a group.
func statefulWorld(t *testing.T) *world {
	w := newWorld(t, func(o *api.Options) {
		o.After = func(time.Duration) <-chan time.Time { return time.After(time.Millisecond) }
		o.Now = skipping()
	})
	w.subnet()
	for _, name := range []string{"tmpl", "next"} {
		props := instance("x", doc.Obj{"machineType": "n1-standard-1"})
		delete(props, "name")
		props["disks"] = append(props["disks"].([]any), doc.Obj{"deviceName": "data", "autoDelete": true, "initializeParams": doc.Obj{"diskSizeGb": "20"}})
		props["networkInterfaces"].([]any)[0].(doc.Obj)["subnetwork"] = regionW + "subnetworks/s"
		props["metadata"] = doc.Obj{"items": []any{doc.Obj{"key": "mode", "value": "plain"}, doc.Obj{"key": "other", "value": "o"}}}
		w.made("POST", "projects/p/global/instanceTemplates", doc.Obj{"name": name, "properties": props})
	}
	return w
}

func (w *world) group(size int, more doc.Obj) {
	w.t.Helper()
	o := doc.Obj{"name": "g", "targetSize": size, "instanceTemplate": "global/instanceTemplates/tmpl"}
	for k, v := range more {
		o[k] = v
	}
	w.made("POST", zoneB+"instanceGroupManagers", o)
	w.stable("g", size)
}

// member is a group's one machine as the group lists it.
func (w *world) member() doc.Obj {
	w.t.Helper()
	_, o := w.send("POST", groupG+"/listManagedInstances", nil)
	l := doc.Objects(o, "managedInstances")
	if len(l) != 1 {
		w.t.Fatalf("machines of the group: %v", o)
	}
	return l[0]
}

// kept is what a machine must have again when it is made again.
type kept struct{ name, data, inside, outside string }

func (w *world) keptOf(name string) (k kept, id string) {
	w.t.Helper()
	o := w.get(zoneB + "instances/" + name)
	nic := doc.Objects(o, "networkInterfaces")[0]
	k = kept{name: name, inside: doc.Str(nic, "networkIP"), outside: doc.Str(doc.Objects(nic, "accessConfigs")[0], "natIP")}
	for _, d := range doc.Objects(o, "disks") {
		if doc.Str(d, "deviceName") == "data" {
			k.data = doc.Str(w.get(string(doc.RefOf(doc.Str(d, "source")))), "id")
		}
	}
	return k, doc.Str(o, "id")
}

// again waits until a group has made a machine again that had an id, and looks that it
// has all that is kept.
func (w *world) again(k kept, id string) (newID string) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		if time.Now().After(end) {
			w.t.Fatalf("%s was not made again within a minute", k.name)
		}
		_, o := w.send("GET", zoneB+"instances/"+k.name, nil)
		if now := doc.Str(o, "id"); doc.Str(o, "status") == "RUNNING" && now != id {
			break
		}
		if err := w.s.groups.Pass(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	w.stable("g", 1)
	got, newID := w.keptOf(k.name)
	if got != k {
		w.t.Errorf("made again it is %+v, was %+v", got, k)
	}
	return newID
}

func policy(rule string) doc.Obj {
	r := doc.Obj{"autoDelete": rule}
	return doc.Obj{"preservedState": doc.Obj{"disks": doc.Obj{"data": r}, "internalIPs": doc.Obj{"nic0": r}, "externalIPs": doc.Obj{"nic0": r}}}
}

// TestStatefulPolicy: whatever befalls a machine, its group makes it again with its name,
// its data disk and its addresses, also after the daemon was killed; and what is kept
// goes with the machine for good only where the rule says so.
func TestStatefulPolicy(t *testing.T) {
	for _, rule := range []string{"NEVER", "ON_PERMANENT_INSTANCE_DELETION"} {
		t.Run(rule, func(t *testing.T) {
			w := statefulWorld(t)
			w.group(1, doc.Obj{"statefulPolicy": policy(rule)})
			name := doc.Str(w.member(), "name")
			k, id := w.keptOf(name)
			if k.data == "" || k.inside == "" || k.outside == "" {
				t.Fatalf("machine of the group: %+v", k)
			}
			state := doc.Sub(w.member(), "preservedStateFromPolicy")
			disk := doc.Sub(doc.Sub(state, "disks"), "data")
			inside := doc.Str(doc.Sub(doc.Sub(doc.Sub(state, "internalIPs"), "nic0"), "ipAddress"), "address")
			outside := doc.Str(doc.Sub(doc.Sub(doc.Sub(state, "externalIPs"), "nic0"), "ipAddress"), "address")
			if doc.Str(disk, "autoDelete") != rule || doc.Str(disk, "mode") != "READ_WRITE" || disk["source"] == "" {
				t.Errorf("preserved state: %v", state)
			}
			for link, ip := range map[string]string{inside: k.inside, outside: k.outside} {
				if a := w.get(string(doc.RefOf(link))); doc.Str(a, "address") != ip || doc.Str(a, "status") != "IN_USE" {
					t.Errorf("address that is kept: %v, want %s", a, ip)
				}
			}
			if s := doc.Sub(doc.Sub(w.get(groupG), "status"), "stateful"); !doc.Bool(s, "hasStatefulConfig") || !doc.Bool(doc.Sub(s, "perInstanceConfigs"), "allEffective") {
				t.Errorf("status: %v", s)
			}

			w.made("DELETE", zoneB+"instances/"+name, nil) // behind the group's back
			id = w.again(k, id)
			w.made("POST", zoneB+"instances/"+name+"/stop", nil)
			id = w.again(k, id)
			w.made("POST", groupG+"/recreateInstances", doc.Obj{"instances": []any{zoneB + "instances/" + name}})
			id = w.again(k, id)
			w.made("DELETE", zoneB+"instances/"+name, nil)
			w.reopen()
			id = w.again(k, id)

			// With another template: the data and the addresses stay.
			w.made("POST", groupG+"/setInstanceTemplate", doc.Obj{"instanceTemplate": "global/instanceTemplates/next"})
			w.made("DELETE", zoneB+"instances/"+name, nil)
			id = w.again(k, id) // a repair makes what there was
			if got := w.templatesOf("g"); got["tmpl"] != 1 {
				t.Errorf("a repair made a machine of another template: %v", got)
			}
			w.made("POST", groupG+"/applyUpdatesToInstances", doc.Obj{"allInstances": true, "minimalAction": "REPLACE"}) // they are alike
			w.again(k, id)
			if got := w.templatesOf("g"); got["next"] != 1 {
				t.Errorf("after the update: %v", got)
			}

			w.made("POST", groupG+"/resize?size=0", nil)
			w.stable("g", 0)
			want := 200
			if rule != "NEVER" {
				want = 404
			}
			for _, link := range []string{doc.Str(disk, "source"), inside, outside} {
				if status, _ := w.send("GET", string(doc.RefOf(link)), nil); status != want {
					t.Errorf("after the machine has gone for good %s answers %d, want %d", link, status, want)
				}
			}
			w.made("DELETE", groupG, nil)
		})
	}
}

// TestPolicyOfMachinesThereAre: a policy that is set later keeps what machines have, and
// one that is taken away lets it go.
func TestPolicyOfMachinesThereAre(t *testing.T) {
	w := statefulWorld(t)
	w.group(1, nil)
	name := doc.Str(w.member(), "name")
	k, id := w.keptOf(name)
	w.made("PATCH", groupG, doc.Obj{"statefulPolicy": policy("NEVER")})
	w.made("DELETE", zoneB+"instances/"+name, nil)
	id = w.again(k, id)
	w.made("PATCH", groupG, doc.Obj{"statefulPolicy": doc.Obj{"preservedState": doc.Obj{"disks": doc.Obj{"data": nil}}}})
	w.made("DELETE", zoneB+"instances/"+name, nil)
	w.stable("g", 1)
	got, newID := w.keptOf(name)
	if newID == id || got.data == k.data || got.inside != k.inside || got.outside != k.outside {
		t.Errorf("without a rule for the disk it is %+v, was %+v", got, k)
	}
}

// own makes a disk and addresses, and is the configuration of a machine that has them.
func (w *world) own(name, mode string) doc.Obj {
	w.t.Helper()
	w.made("POST", zoneB+"disks", doc.Obj{"name": name + "-pd", "sizeGb": "10"})
	w.made("POST", regionW+"addresses", doc.Obj{"name": name + "-in", "addressType": "INTERNAL", "subnetwork": regionW + "subnetworks/s"})
	w.made("POST", regionW+"addresses", doc.Obj{"name": name + "-out"})
	at := func(a string) doc.Obj {
		return doc.Obj{"nic0": doc.Obj{"ipAddress": doc.Obj{"address": regionW + "addresses/" + a}}}
	}
	return doc.Obj{"name": name, "preservedState": doc.Obj{
		"disks":       doc.Obj{"data": doc.Obj{"source": zoneB + "disks/" + name + "-pd"}, "more": doc.Obj{"source": zoneB + "disks/" + name + "-more"}},
		"internalIPs": at(name + "-in"), "externalIPs": at(name + "-out"),
		"metadata": doc.Obj{"mode": mode, "who": name},
	}}
}

// TestMachineOfItsOwn is what a database's machine is on Google: the one member of a
// group, with its own name, disks, addresses and metadata.
func TestMachineOfItsOwn(t *testing.T) {
	w := statefulWorld(t)
	w.group(0, nil)
	w.made("POST", zoneB+"disks", doc.Obj{"name": "m-more", "sizeGb": "10"})
	w.made("POST", groupG+"/createInstances", doc.Obj{"instances": []any{w.own("m", "one")}})
	w.stable("g", 1)
	k, id := w.keptOf("m")
	meta := func() map[string]string {
		return identity.MetadataMap(doc.Sub(w.get(zoneB+"instances/m"), "metadata"))
	}
	o := w.get(zoneB + "instances/m")
	if k.data != doc.Str(w.get(zoneB+"disks/m-pd"), "id") || len(doc.List(o, "disks")) != 3 || meta()["mode"] != "one" || meta()["who"] != "m" || meta()["other"] != "o" {
		t.Fatalf("machine: %v", o)
	}
	for at, ip := range map[string]string{"m-in": k.inside, "m-out": k.outside} {
		if a := w.get(regionW + "addresses/" + at); doc.Str(a, "address") != ip {
			t.Errorf("%s is %v, the machine has %s", at, a["address"], ip)
		}
	}
	if g := w.get(groupG); doc.Num(g, "targetSize") != 1 {
		t.Errorf("group: %v", g)
	}
	w.made("DELETE", zoneB+"instances/m", nil)
	id = w.again(k, id)
	one := w.backend.net().Machines[0] // it halts
	w.backend.mu.Lock()
	delete(w.backend.running, one.MachineKey)
	w.backend.mu.Unlock()
	w.backend.exited(one.MachineKey)
	id = w.again(k, id)
	if meta()["mode"] != "one" {
		t.Errorf("metadata of the machine that was made again: %v", meta())
	}

	config := func() doc.Obj {
		_, l := w.send("POST", groupG+"/listPerInstanceConfigs", nil)
		if items := doc.Objects(l, "items"); len(items) == 1 {
			return items[0]
		}
		t.Fatalf("configurations: %v", l)
		return nil
	}
	if c := config(); doc.Str(c, "status") != "EFFECTIVE" || doc.Str(c, "fingerprint") == "" {
		t.Errorf("configuration: %v", c)
	}
	// Other metadata: said, and only then applied, without another machine.
	w.made("POST", groupG+"/patchPerInstanceConfigs", doc.Obj{"perInstanceConfigs": []any{doc.Obj{"name": "m", "preservedState": doc.Obj{"metadata": doc.Obj{"mode": "two", "who": nil}}}}})
	if c := config(); doc.Str(c, "status") != "UNAPPLIED" || meta()["mode"] != "one" {
		t.Errorf("before it is applied: %v, metadata %v", c, meta())
	}
	if s := doc.Sub(doc.Sub(doc.Sub(w.get(groupG), "status"), "stateful"), "perInstanceConfigs"); doc.Bool(s, "allEffective") {
		t.Error("all configurations are said to be effective")
	}
	w.made("DELETE", zoneB+"instances/m", nil)
	id = w.again(k, id) // a repair applies nothing
	if meta()["mode"] != "one" {
		t.Errorf("metadata after a repair: %v", meta())
	}
	w.made("POST", groupG+"/applyUpdatesToInstances", doc.Obj{"instances": []any{zoneB + "instances/m"}, "mostDisruptiveAllowedAction": "REFRESH"})
	w.stable("g", 1)
	if _, now := w.keptOf("m"); now != id || doc.Str(config(), "status") != "EFFECTIVE" || meta()["mode"] != "two" || meta()["who"] != "" {
		t.Errorf("after it is applied: id %s was %s, %v, metadata %v", now, id, config()["status"], meta())
	}
	w.made("POST", groupG+"/applyUpdatesToInstances", doc.Obj{"allInstances": true, "minimalAction": "RESTART"})
	w.stable("g", 1)
	if _, now := w.keptOf("m"); now != id || w.backend.starts < 5 {
		t.Errorf("restarted it is %s, was %s", now, id)
	}
	// Without the configuration: the machine is the template's again.
	w.made("POST", groupG+"/deletePerInstanceConfigs", doc.Obj{"names": []any{"m"}})
	if c := config(); doc.Str(c, "status") != "UNAPPLIED_DELETION" {
		t.Errorf("configuration that was deleted: %v", c)
	}
	w.refused(400, "badRequest", "POST", groupG+"/applyUpdatesToInstances", doc.Obj{"allInstances": true, "mostDisruptiveAllowedAction": "RESTART"})
	w.made("POST", groupG+"/applyUpdatesToInstances", doc.Obj{"allInstances": true})
	w.stable("g", 1)
	got, _ := w.keptOf("m")
	if got.data == k.data || got.inside == k.inside || got.outside == k.outside || meta()["mode"] != "plain" {
		t.Errorf("without a configuration: %+v, metadata %v", got, meta())
	}
	w.get(zoneB + "disks/m-pd")
	w.get(zoneB + "disks/m-more")
}

// TestLostDisk: what a machine cannot be made without is told until it is there again,
// where people look for it.
func TestLostDisk(t *testing.T) {
	w := statefulWorld(t)
	w.group(0, doc.Obj{"instanceLifecyclePolicy": doc.Obj{"defaultActionOnFailure": "DO_NOTHING"}})
	w.made("POST", zoneB+"disks", doc.Obj{"name": "m-more", "sizeGb": "10"})
	w.made("POST", groupG+"/createInstances", doc.Obj{"instances": []any{w.own("m", "one")}})
	w.stable("g", 1)
	k, id := w.keptOf("m")
	w.made("DELETE", zoneB+"instances/m", nil)
	w.made("DELETE", zoneB+"disks/m-pd", nil)
	for range 3 {
		if err := w.s.groups.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if m := w.member(); doc.Str(m, "currentAction") != "NONE" {
		t.Fatalf("the group was to do nothing: %v", m)
	}
	w.made("PATCH", groupG, doc.Obj{"instanceLifecyclePolicy": doc.Obj{"defaultActionOnFailure": "REPAIR"}})
	var told doc.Obj
	for told == nil {
		if err := w.s.groups.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		told = doc.Sub(doc.Sub(w.member(), "lastAttempt"), "errors")
	}
	if e := doc.Objects(told, "errors")[0]; doc.Str(e, "code") != "RESOURCE_NOT_FOUND" || !strings.Contains(doc.Str(e, "message"), "m-pd") {
		t.Errorf("last attempt: %v", e)
	}
	if m := w.member(); doc.Str(m, "currentAction") != "RECREATING" || doc.Has(m, "instanceStatus") {
		t.Errorf("machine: %v", m)
	}
	e := doc.Objects(w.get(groupG+"/listErrors"), "items")[0]
	if d := doc.Sub(e, "instanceActionDetails"); !strings.Contains(doc.Str(doc.Sub(e, "error"), "message"), "m-pd") || doc.Str(d, "action") != "RECREATING" || !strings.HasSuffix(doc.Str(d, "instance"), "/m") {
		t.Errorf("error: %v", e)
	}
	w.made("POST", zoneB+"disks", doc.Obj{"name": "m-pd", "sizeGb": "10"})
	k.data = doc.Str(w.get(zoneB+"disks/m-pd"), "id")
	w.again(k, id)
}

// TestNameInUse: a machine of somebody else is never taken for the group's.
func TestNameInUse(t *testing.T) {
	w := statefulWorld(t)
	w.group(0, nil)
	w.made("POST", zoneB+"instances", instance("m", nil))
	id := doc.Str(w.get(zoneB+"instances/m"), "id")
	w.made("POST", groupG+"/createInstances", doc.Obj{"instances": []any{doc.Obj{"name": "m"}}})
	for doc.Sub(doc.Sub(w.member(), "lastAttempt"), "errors") == nil {
		if err := w.s.groups.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if m := w.member(); doc.Str(m, "currentAction") != "CREATING" || doc.Str(w.get(zoneB+"instances/m"), "id") != id {
		t.Errorf("member: %v", m)
	}
	w.made("POST", groupG+"/abandonInstances", doc.Obj{"instances": []any{zoneB + "instances/m"}})
	w.stable("g", 0)
	w.get(zoneB + "instances/m")
}

// TestAbandoned: a machine that leaves its group goes on with all it has.
func TestAbandoned(t *testing.T) {
	w := statefulWorld(t)
	w.group(1, doc.Obj{"statefulPolicy": policy("ON_PERMANENT_INSTANCE_DELETION")})
	name := doc.Str(w.member(), "name")
	k, id := w.keptOf(name)
	w.made("POST", groupG+"/abandonInstances", doc.Obj{"instances": []any{zoneB + "instances/" + name}})
	w.stable("g", 0)
	if got, now := w.keptOf(name); got != k || now != id || doc.Num(w.get(groupG), "targetSize") != 0 {
		t.Errorf("abandoned it is %+v, was %+v", got, k)
	}
	w.made("DELETE", groupG, nil)
	w.get(zoneB + "instances/" + name)
}

// TestAutohealing: a machine that fails the group's check is made again, a new one not
// before its initial delay is over, and nobody while the group is told to do nothing.
func TestAutohealing(t *testing.T) {
	w := statefulWorld(t)
	w.made("POST", "projects/p/global/healthChecks", doc.Obj{"name": "hc", "type": "HTTPS", "httpsHealthCheck": doc.Obj{"port": 443, "requestPath": "/readyz"}})
	probes := func(well map[string]bool) {
		w.backend.mu.Lock()
		defer w.backend.mu.Unlock()
		w.backend.health = map[netip.Addr]bool{}
		for ip, is := range well {
			w.backend.health[netip.MustParseAddr(ip)] = is
		}
	}
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 1, "instanceTemplate": "global/instanceTemplates/tmpl", "statefulPolicy": policy("NEVER"),
		"autoHealingPolicies": []any{doc.Obj{"healthCheck": "global/healthChecks/hc", "initialDelaySec": 3600}}})
	pass := func(until func() bool) {
		t.Helper()
		for begin := time.Now(); !until(); {
			if time.Since(begin) > time.Minute {
				t.Fatal("the group never is what is waited for")
			}
			if err := w.s.groups.Pass(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	is := func(action, health string) func() bool {
		return func() bool {
			_, o := w.send("POST", groupG+"/listManagedInstances", nil)
			members := doc.Objects(o, "managedInstances")
			if len(members) == 0 { // the group has not come to its first machine
				return false
			}
			m := members[0]
			l := doc.Objects(m, "instanceHealth")
			return doc.Str(m, "currentAction") == action && len(l) == 1 && doc.Str(l[0], "detailedHealthState") == health
		}
	}
	pass(is("VERIFYING", "UNKNOWN"))
	k, id := w.keptOf(doc.Str(w.member(), "name"))
	n := w.backend.net()
	if i := slices.IndexFunc(n.Watched, func(b backend.Balancer) bool {
		return b.Check.Path == "/readyz" && !b.Address.IsValid() && len(b.Backends) == 1 && slices.Equal(b.Backends[0].Machines, []netip.Addr{netip.MustParseAddr(k.inside)})
	}); i < 0 {
		t.Errorf("probed are %+v", n.Watched)
	}
	probes(map[string]bool{k.inside: false}) // within its delay
	pass(is("VERIFYING", "UNHEALTHY"))
	probes(map[string]bool{k.inside: true})
	pass(is("NONE", "HEALTHY"))
	if _, now := w.keptOf(k.name); now != id {
		t.Errorf("a new machine was made again within its delay: %s, was %s", now, id)
	}
	if !doc.Bool(doc.Sub(w.get(groupG), "status"), "isStable") {
		t.Error("the group is not stable with a machine that is well")
	}
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", "projects/p/global/healthChecks/hc", nil)
	w.made("PATCH", groupG, doc.Obj{"instanceLifecyclePolicy": doc.Obj{"onFailedHealthCheck": "DO_NOTHING"}})
	probes(map[string]bool{k.inside: false})
	pass(is("NONE", "UNHEALTHY"))
	if _, now := w.keptOf(k.name); now != id {
		t.Error("a group that was told to do nothing did something")
	}
	w.made("PATCH", groupG, doc.Obj{"instanceLifecyclePolicy": doc.Obj{"onFailedHealthCheck": "DEFAULT_ACTION"}})
	pass(func() bool { return doc.Str(w.member(), "currentAction") == "VERIFYING" })
	probes(map[string]bool{k.inside: true})
	w.again(k, id)

	w.made("PATCH", groupG, doc.Obj{"autoHealingPolicies": []any{}})
	pass(func() bool { return doc.Str(w.member(), "currentAction") == "NONE" })
	if doc.Has(w.member(), "instanceHealth") || len(w.backend.net().Watched) != 0 {
		t.Errorf("without a check: %v, %v", w.member(), w.backend.net().Watched)
	}
	w.made("DELETE", "projects/p/global/healthChecks/hc", nil)
}

// TestStatefulRefusals are what a group cannot keep.
func TestStatefulRefusals(t *testing.T) {
	w := statefulWorld(t)
	w.template("diskless")
	groups := zoneB + "instanceGroupManagers"
	group := func(more doc.Obj) doc.Obj {
		o := doc.Obj{"name": "x", "targetSize": 0, "instanceTemplate": "global/instanceTemplates/tmpl"}
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	only := func(what, name string) doc.Obj {
		return doc.Obj{"statefulPolicy": doc.Obj{"preservedState": doc.Obj{what: doc.Obj{name: doc.Obj{}}}}}
	}
	w.group(0, doc.Obj{"statefulPolicy": policy("NEVER")})
	config := func(state doc.Obj) doc.Obj {
		return doc.Obj{"instances": []any{doc.Obj{"name": "m", "preservedState": state}}}
	}
	disk := func(d doc.Obj) doc.Obj { return config(doc.Obj{"disks": doc.Obj{"data": d}}) }
	ip := func(kind, nic string, ip doc.Obj) doc.Obj {
		return config(doc.Obj{kind: doc.Obj{nic: doc.Obj{"ipAddress": ip}}})
	}
	w.made("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": "10"})
	w.made("POST", regionW+"addresses", doc.Obj{"name": "out"})
	for _, x := range []struct {
		status             int
		reason, verb, path string
		body               doc.Obj
	}{
		{400, "invalid", "POST", groups, group(only("disks", "no-such"))},
		{400, "invalid", "POST", groups, group(only("internalIPs", "nic1"))},
		{400, "invalid", "POST", groups, group(doc.Obj{"autoHealingPolicies": []any{doc.Obj{"healthCheck": "global/healthChecks/none"}}})},
		{400, "invalid", "POST", groups, group(doc.Obj{"autoHealingPolicies": []any{doc.Obj{"initialDelaySec": 3601}}})},
		{400, "invalid", "PATCH", groupG, doc.Obj{"updatePolicy": doc.Obj{"type": "PROACTIVE"}}},
		{400, "invalid", "PATCH", groupG, doc.Obj{"updatePolicy": doc.Obj{"maxSurge": doc.Obj{"fixed": 0}, "maxUnavailable": doc.Obj{"fixed": 0}}}},
		{400, "invalid", "POST", groupG + "/setInstanceTemplate", doc.Obj{"instanceTemplate": "global/instanceTemplates/diskless"}},
		{400, "badRequest", "POST", zoneB + "autoscalers", doc.Obj{"name": "a", "target": groupG, "autoscalingPolicy": doc.Obj{"maxNumReplicas": 2}}},
		{400, "required", "POST", groupG + "/createInstances", doc.Obj{"instances": []any{doc.Obj{}}}},
		{400, "invalid", "POST", groupG + "/createInstances", doc.Obj{"instances": []any{doc.Obj{"name": "Not_a_name"}}}},
		{409, "alreadyExists", "POST", groupG + "/createInstances", doc.Obj{"instances": []any{doc.Obj{"name": "m"}, doc.Obj{"name": "m"}}}},
		{400, "invalid", "POST", groupG + "/createInstances", disk(doc.Obj{"source": zoneB + "disks/none"})},
		{400, "required", "POST", groupG + "/createInstances", disk(doc.Obj{"mode": "READ_WRITE"})},
		{400, "invalid", "POST", groupG + "/createInstances", disk(doc.Obj{"source": zoneB + "disks/d", "mode": "READ_ONLY", "autoDelete": "ON_PERMANENT_INSTANCE_DELETION"})},
		{400, "invalid", "POST", groupG + "/createInstances", ip("internalIPs", "nic0", doc.Obj{"address": regionW + "addresses/out"})},
		{400, "invalid", "POST", groupG + "/createInstances", ip("externalIPs", "nic0", doc.Obj{"literal": "198.51.100.9"})},
		{400, "invalid", "POST", groupG + "/createInstances", ip("externalIPs", "nic1", doc.Obj{"address": regionW + "addresses/out"})},
		{400, "invalid", "POST", groupG + "/updatePerInstanceConfigs", doc.Obj{"perInstanceConfigs": []any{doc.Obj{"name": "nobody"}}}},
		{400, "invalid", "POST", groupG + "/deletePerInstanceConfigs", doc.Obj{"names": []any{"nobody"}}},
		{400, "required", "POST", groupG + "/applyUpdatesToInstances", doc.Obj{}},
		{400, "invalid", "POST", groupG + "/applyUpdatesToInstances", doc.Obj{"allInstances": true, "minimalAction": "REPLACE", "mostDisruptiveAllowedAction": "RESTART"}},
		{404, "notFound", "POST", groups + "/none/createInstances", doc.Obj{"instances": []any{doc.Obj{"name": "m"}}}},
		{404, "notFound", "GET", groups + "/none/listErrors", nil},
		{404, "notFound", "POST", groups + "/none/listPerInstanceConfigs", nil},
	} {
		var body any
		if x.body != nil {
			body = x.body
		}
		w.refused(x.status, x.reason, x.verb, x.path, body)
	}
	if g := w.get(groupG); doc.Num(g, "targetSize") != 0 {
		t.Errorf("refused, and something was changed: %v", g)
	}
	w.made("POST", groupG+"/createInstances", doc.Obj{"instances": []any{doc.Obj{"name": "m"}}})
	w.stable("g", 1)
	w.made("POST", groupG+"/updatePerInstanceConfigs", doc.Obj{"perInstanceConfigs": []any{doc.Obj{"name": "m", "preservedState": doc.Obj{"metadata": doc.Obj{"a": "b"}}}}})
	w.refused(412, "conditionNotMet", "POST", groupG+"/updatePerInstanceConfigs", doc.Obj{"perInstanceConfigs": []any{doc.Obj{"name": "m", "fingerprint": "stale_AA"}}})
}
