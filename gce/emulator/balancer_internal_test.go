package emulator

import (
	"slices"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

const innerW = regionW + "forwardingRules/inner"

// inner makes an internal balancer over the two machines, with a global check as
// Kubernetes' cloud provider does it.
func (w *world) inner(more doc.Obj) {
	w.t.Helper()
	w.masters()
	w.made("POST", globalW+"healthChecks", doc.Obj{"name": "nodes", "type": "HTTP", "httpHealthCheck": doc.Obj{"port": 10256, "requestPath": "/healthz", "host": "node"}})
	w.made("POST", regionW+"backendServices", doc.Obj{"name": "within", "loadBalancingScheme": "INTERNAL", "sessionAffinity": "CLIENT_IP_NO_DESTINATION",
		"healthChecks": []any{globalW + "healthChecks/nodes"},
		"backends":     []any{doc.Obj{"group": zoneB + "instanceGroups/g"}, doc.Obj{"group": zoneC + "instanceGroups/g"}}})
	body := doc.Obj{"name": "inner", "loadBalancingScheme": "INTERNAL", "backendService": regionW + "backendServices/within",
		"subnetwork": regionW + "subnetworks/s", "ports": []any{"80", "443"}}
	for k, v := range more {
		body[k] = v
	}
	w.made("POST", regionW+"forwardingRules", body)
}

func TestInternalBalancer(t *testing.T) {
	w := newWorld(t)
	w.inner(nil)
	o := w.get(innerW)
	ip := doc.Str(o, "IPAddress")
	if doc.RefOf(doc.Str(o, "network")) != globalW+"networks/default" || doc.RefOf(doc.Str(o, "subnetwork")) != regionW+"subnetworks/s" {
		t.Errorf("the rule: %v", o)
	}
	l := w.backend.net().Balancers
	if len(l) != 1 {
		t.Fatalf("%d balancers behind the API", len(l))
	}
	b := l[0]
	if b.Network != "default" || b.Global || b.Address.String() != ip || b.Affinity != "CLIENT_IP_NO_DESTINATION" || len(b.Backends) != 2 ||
		!slices.Equal(b.Ports, []string{"80", "443"}) || b.Check.Host != "node" || b.Check.Port != 10256 {
		t.Errorf("behind the API: %+v", b)
	}
	if got := w.forwardedTo(); !slices.Equal(got["m1"], []string{ip}) || !slices.Equal(got["m2"], []string{ip}) {
		t.Errorf("machines that have the address: %v", got)
	}
	w.made("PATCH", innerW, doc.Obj{"allowGlobalAccess": true})
	if b := w.backend.net().Balancers[0]; !b.Global || !doc.Bool(w.get(innerW), "allowGlobalAccess") {
		t.Errorf("open to all regions: %+v", b)
	}
	// Nobody else has the address, and what it stands on stays.
	w.refused(409, "alreadyExists", "POST", zoneB+"instances", instance("thief", doc.Obj{"networkInterfaces": []any{doc.Obj{"subnetwork": regionW + "subnetworks/s", "networkIP": ip}}}))
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", globalW+"healthChecks/nodes", nil)
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", regionW+"backendServices/within", nil)
	// The address is reserved under the rule, released under it, and free when it is gone.
	reserve := doc.Obj{"name": "vip", "addressType": "INTERNAL", "subnetwork": regionW + "subnetworks/s", "address": ip}
	w.made("POST", regionW+"addresses", reserve)
	if o := w.get(regionW + "addresses/vip"); !slices.Equal(doc.Strings(o, "users"), []string{doc.Base + innerW}) {
		t.Errorf("reserved under the rule: %v", o)
	}
	w.made("DELETE", regionW+"addresses/vip", nil)
	w.reopen()
	w.made("POST", regionW+"addresses", reserve)
	w.made("DELETE", innerW, nil)
	if o := w.get(regionW + "addresses/vip"); doc.Str(o, "status") != "RESERVED" {
		t.Errorf("without its rule: %v", o)
	}
	if n := len(w.backend.net().Balancers); n != 0 {
		t.Errorf("%d balancers are left", n)
	}
}

// TestInternalAddressOfRules: a reserved address is of one rule, unless it was reserved
// to be shared; then of rules about different ports.
func TestInternalAddressOfRules(t *testing.T) {
	w := newWorld(t)
	w.inner(nil)
	more := func(name, address string, rest doc.Obj) doc.Obj {
		o := doc.Obj{"name": name, "loadBalancingScheme": "INTERNAL", "backendService": regionW + "backendServices/within",
			"subnetwork": regionW + "subnetworks/s", "ports": []any{"8080"}, "IPAddress": address}
		for k, v := range rest {
			o[k] = v
		}
		return o
	}
	rules := regionW + "forwardingRules"
	for name, purpose := range map[string]string{"one": "GCE_ENDPOINT", "many": "SHARED_LOADBALANCER_VIP"} {
		w.made("POST", regionW+"addresses", doc.Obj{"name": name, "addressType": "INTERNAL", "subnetwork": regionW + "subnetworks/s", "purpose": purpose})
	}
	number := doc.Str(w.get(regionW+"addresses/many"), "address")
	w.made("POST", rules, more("a", "one", nil))
	w.refused(409, "alreadyExists", "POST", rules, more("b", "one", doc.Obj{"ports": []any{"81"}}))
	w.made("POST", rules, more("c", number, nil))
	w.made("POST", rules, more("d", doc.Base+regionW+"addresses/many", doc.Obj{"ports": []any{"81"}}))
	w.refused(409, "alreadyExists", "POST", rules, more("e", "many", doc.Obj{"ports": []any{"81", "82"}}))
	if got := len(doc.Strings(w.get(regionW+"addresses/many"), "users")); got != 2 {
		t.Errorf("%d rules share the address", got)
	}
	w.made("POST", rules, more("all", "", doc.Obj{"ports": nil, "allPorts": true}))
	if doc.Str(w.get(rules+"/all"), "IPAddress") == "" {
		t.Error("no address was found for a rule that asks for none")
	}
	for _, c := range []struct {
		status int
		reason string
		body   doc.Obj
	}{
		{400, "invalid", more("x", "10.41.0.9", nil)},
		{400, "invalid", more("x", "none", nil)},
		{400, "invalid", more("x", "10.40.0.1", nil)}, // the gateway's
		{409, "alreadyExists", more("x", doc.Str(w.nic0("m1"), "networkIP"), nil)},
		{400, "invalid", more("x", "", doc.Obj{"ports": nil, "portRange": "80-90"})},
		{400, "invalid", more("x", "", doc.Obj{"ports": []any{"1", "2", "3", "4", "5", "6"}})},
		{400, "badRequest", more("x", "", doc.Obj{"ports": nil})},
		{400, "invalid", more("x", "", doc.Obj{"loadBalancingScheme": "EXTERNAL"})},
		{400, "invalid", more("x", "", doc.Obj{"backendService": serviceW})},
		{400, "invalid", more("x", "", doc.Obj{"IPProtocol": "UDP"})},
		{400, "notImplemented", more("x", "", doc.Obj{"serviceLabel": "web"})},
		{404, "notFound", more("x", "", doc.Obj{"subnetwork": regionW + "subnetworks/none"})},
	} {
		w.refused(c.status, c.reason, "POST", rules, c.body)
	}
	// A rule keeps its subnetwork and network.
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", regionW+"subnetworks/s", nil)
}

// TestAllProtocols: a service without a protocol serves rules of any, and one rule
// forwards what the others of its address do not.
func TestAllProtocols(t *testing.T) {
	w := newWorld(t)
	w.masters()
	ip := w.reserved("vip")
	w.made("POST", regionW+"backendServices", doc.Obj{"name": "any", "protocol": "UNSPECIFIED", "healthChecks": []any{checkW}})
	with := func(name, protocol string, rest doc.Obj) doc.Obj {
		o := doc.Obj{"name": name, "IPAddress": ip, "IPProtocol": protocol, "backendService": regionW + "backendServices/any"}
		for k, v := range rest {
			o[k] = v
		}
		return o
	}
	rules := regionW + "forwardingRules"
	w.refused(400, "badRequest", "POST", rules, with("l3", "L3_DEFAULT", doc.Obj{"ports": []any{"80"}}))
	w.made("POST", rules, with("l3", "L3_DEFAULT", doc.Obj{"allPorts": true}))
	w.made("POST", rules, with("udp", "UDP", doc.Obj{"portRange": "5000-6000"}))
	w.made("POST", rules, with("tcp", "TCP", doc.Obj{"ports": []any{"80", "443", "8080", "9000", "9001"}}))
	w.refused(400, "invalid", "POST", rules, with("again", "L3_DEFAULT", doc.Obj{"allPorts": true}))
	w.refused(400, "invalid", "POST", rules, with("again", "UDP", doc.Obj{"ports": []any{"5353"}}))
	w.refused(400, "notImplemented", "POST", rules, with("esp", "ESP", doc.Obj{"allPorts": true}))
	var got []string
	for _, b := range w.backend.net().Balancers {
		got = append(got, b.Protocol)
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"L3_DEFAULT", "TCP", "UDP"}) {
		t.Errorf("behind the API: %v", got)
	}
}
