package emulator

import (
	"slices"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestAddressReleasedUnderARule: releasing the address of a forwarding rule leaves the
// rule its address, as an ephemeral one that goes with the rule.
func TestAddressReleasedUnderARule(t *testing.T) {
	w := newWorld(t)
	w.masters()
	ip := w.reserved("rule-ip")
	w.made("POST", regionW+"forwardingRules", rule(ip))
	w.made("DELETE", regionW+"addresses/rule-ip", nil)
	w.refused(404, "notFound", "GET", regionW+"addresses/rule-ip", nil)
	if got := doc.Str(w.get(ruleW), "IPAddress"); got != ip {
		t.Errorf("the rule has %s, had %s", got, ip)
	}
	if b := w.backend.net().Balancers; len(b) != 1 || b[0].Address.String() != ip {
		t.Errorf("behind the API: %+v", b)
	}
	// Nobody else gets it, and it can become a reserved one again.
	if other := w.reserved("other"); other == ip {
		t.Errorf("the rule's address %s was given away", ip)
	}
	w.made("POST", regionW+"addresses", doc.Obj{"name": "again", "address": ip})
	o := w.get(regionW + "addresses/again")
	if doc.Str(o, "status") != "IN_USE" || !slices.Equal(doc.Strings(o, "users"), []string{doc.Base + ruleW}) {
		t.Errorf("reserved again: %v", o)
	}
	w.refused(400, "invalid", "POST", regionW+"addresses", doc.Obj{"name": "twice", "address": ip})
	w.made("DELETE", ruleW, nil)
	if o := w.get(regionW + "addresses/again"); doc.Str(o, "status") != "RESERVED" || doc.Has(o, "users") {
		t.Errorf("without its rule: %v", o)
	}
	// Beside its rule, as a cloud provider does it: neither is left.
	w.made("POST", regionW+"forwardingRules", rule(ip))
	_, a := w.send("DELETE", regionW+"addresses/again", nil)
	_, b := w.send("DELETE", ruleW, nil)
	w.wait(a)
	w.wait(b)
	w.refused(404, "notFound", "GET", regionW+"addresses/again", nil)
	w.refused(404, "notFound", "GET", ruleW, nil)
}

// TestAddressPromoted: an address that an instance has anyway becomes a reserved one,
// an external and an internal one.
func TestAddressPromoted(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.made("POST", zoneB+"instances", instance("m", nil))
	nic := w.nic0("m")
	for name, body := range map[string]doc.Obj{
		"outer": {"address": natIP(nic)},
		"inner": {"address": nic["networkIP"], "addressType": "INTERNAL", "subnetwork": regionW + "subnetworks/s"},
	} {
		body["name"] = name
		w.made("POST", regionW+"addresses", body)
		o := w.get(regionW + "addresses/" + name)
		if doc.Str(o, "status") != "IN_USE" || !slices.Equal(doc.Strings(o, "users"), []string{doc.Base + zoneB + "instances/m"}) {
			t.Errorf("%s: %v", name, o)
		}
		w.refused(400, "resourceInUseByAnotherResource", "DELETE", regionW+"addresses/"+name, nil)
		body["name"] = "twice"
		if status, o := w.send("POST", regionW+"addresses", body); status/100 != 4 {
			t.Errorf("%s, a second time: %d %v", name, status, o)
		}
	}
	w.refused(400, "invalid", "POST", "projects/p/regions/us-east1/addresses", doc.Obj{"name": "elsewhere", "address": natIP(nic)})
	w.made("DELETE", zoneB+"instances/m", nil)
	for _, name := range []string{"outer", "inner"} {
		if o := w.get(regionW + "addresses/" + name); doc.Str(o, "status") != "RESERVED" {
			t.Errorf("%s, its instance gone: %v", name, o)
		}
	}
}

// TestFirewallsOwnAddresses: a rule may also say which of the machine's addresses it
// is about, in both directions.
func TestFirewallsOwnAddresses(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	rules := globalW + "firewalls"
	tcp := []any{doc.Obj{"IPProtocol": "tcp", "ports": []any{"80"}}}
	w.made("POST", rules, doc.Obj{"name": "in", "network": "global/networks/default", "allowed": tcp,
		"sourceRanges": []any{"10.0.0.0/8"}, "destinationRanges": []any{"198.51.100.7"}})
	w.made("POST", rules, doc.Obj{"name": "out", "network": "global/networks/default", "direction": "EGRESS", "denied": tcp,
		"sourceRanges": []any{"10.64.0.0/14"}, "destinationRanges": []any{"10.40.0.0/22"}})
	w.made("POST", rules, doc.Obj{"name": "six", "network": "global/networks/default", "allowed": tcp, "sourceRanges": []any{"::/0"}})
	w.refused(400, "badRequest", "POST", rules, doc.Obj{"name": "x", "network": "global/networks/default", "direction": "EGRESS", "denied": tcp,
		"sourceTags": []any{"t"}})
	if o := w.get(rules + "/in"); !slices.Equal(doc.Strings(o, "destinationRanges"), []string{"198.51.100.7"}) || !slices.Equal(doc.Strings(o, "sourceRanges"), []string{"10.0.0.0/8"}) {
		t.Errorf("shown: %v", o)
	}
	got := map[string]string{}
	for _, f := range w.backend.net().Firewalls {
		text := ""
		for _, p := range f.Ranges {
			text += " " + p.String()
		}
		text += " to"
		for _, p := range f.Own {
			text += " " + p.String()
		}
		got[f.Name] = text
	}
	// One of IPv6 only is about nobody here, and not about everybody.
	for name, want := range map[string]string{"in": " 10.0.0.0/8 to 198.51.100.7/32", "out": " 10.40.0.0/22 to 10.64.0.0/14", "six": " ::/0 to"} {
		if got[name] != want {
			t.Errorf("%s behind the API: %q, want %q", name, got[name], want)
		}
	}
	w.made("PATCH", rules+"/in", doc.Obj{"destinationRanges": []any{}})
	for _, f := range w.backend.net().Firewalls {
		if f.Name == "in" && len(f.Own) > 0 {
			t.Errorf("taken away again: %v", f.Own)
		}
	}
}
