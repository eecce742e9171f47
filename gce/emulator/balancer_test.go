package emulator

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/doc"
)

const (
	zoneC    = "projects/p/zones/europe-west1-c/"
	checkW   = regionW + "healthChecks/hc"
	serviceW = regionW + "backendServices/bs"
	ruleW    = regionW + "forwardingRules/fr"
	dropNIC  = "/deleteAccessConfig?networkInterface=nic0&accessConfig=external-nat"
	addNIC   = "/addAccessConfig?networkInterface=nic0"
)

// rule is the body of an insert.
func rule(address string) doc.Obj {
	return doc.Obj{"name": "fr", "loadBalancingScheme": "EXTERNAL", "IPProtocol": "TCP", "ports": []any{"443"}, "IPAddress": address, "backendService": serviceW}
}

func these(names ...string) doc.Obj {
	l := []any{}
	for _, n := range names {
		l = append(l, doc.Obj{"instance": n})
	}
	return doc.Obj{"instances": l}
}

// masters makes two machines in two zones and all of a balancer but the rule.
// The first machine has the reserved address m-ip.
func (w *world) masters() (ip string) {
	w.t.Helper()
	w.subnet()
	w.made("POST", regionW+"addresses", doc.Obj{"name": "m-ip"})
	ip = doc.Str(w.get(regionW+"addresses/m-ip"), "address")
	first := instance("m1", nil)
	first["networkInterfaces"].([]any)[0].(doc.Obj)["accessConfigs"].([]any)[0].(doc.Obj)["natIP"] = ip
	w.made("POST", zoneB+"instances", first)
	w.made("POST", zoneC+"instances", instance("m2", doc.Obj{"machineType": "zones/europe-west1-c/machineTypes/n1-standard-1"}))
	w.made("POST", zoneB+"instanceGroups", doc.Obj{"name": "g"})
	w.made("POST", zoneC+"instanceGroups", doc.Obj{"name": "g"})
	w.made("POST", zoneB+"instanceGroups/g/addInstances", these(zoneB+"instances/m1"))
	w.made("POST", zoneC+"instanceGroups/g/addInstances", these("zones/europe-west1-c/instances/m2"))
	w.made("POST", regionW+"healthChecks", doc.Obj{"name": "hc", "type": "HTTPS", "checkIntervalSec": 2, "timeoutSec": 1, "unhealthyThreshold": 3,
		"httpsHealthCheck": doc.Obj{"requestPath": "/readyz"}})
	w.made("POST", regionW+"backendServices", doc.Obj{"name": "bs", "loadBalancingScheme": "EXTERNAL", "protocol": "TCP",
		"healthChecks": []any{checkW}, "connectionDraining": doc.Obj{"drainingTimeoutSec": 7},
		"backends": []any{doc.Obj{"group": zoneB + "instanceGroups/g"}, doc.Obj{"group": doc.Base + zoneC + "instanceGroups/g", "balancingMode": "CONNECTION"}}})
	return ip
}

// inside is the internal address of a machine.
func (w *world) inside(name string) netip.Addr {
	w.t.Helper()
	for _, m := range w.backend.net().Machines {
		if m.Name == name {
			return m.NIC.Address
		}
	}
	return netip.Addr{}
}

func (w *world) key(name string) backend.MachineKey {
	w.t.Helper()
	for _, m := range w.backend.net().Machines {
		if m.Name == name {
			return m.MachineKey
		}
	}
	w.t.Fatalf("no machine %s runs", name)
	return backend.MachineKey{}
}

func (w *world) forwardedTo() map[string][]string {
	out := map[string][]string{}
	for _, m := range w.backend.net().Machines {
		for _, a := range m.NIC.Forwarded {
			out[m.Name] = append(out[m.Name], a.String())
		}
	}
	return out
}

func TestBalancerBehindTheAPI(t *testing.T) {
	w := newWorld(t)
	ip := w.masters()
	if b := w.backend.net().Balancers; len(b) != 0 {
		t.Fatalf("balancers before the rule: %+v", b)
	}
	w.made("POST", zoneB+"instances/m1"+dropNIC, nil)
	w.made("POST", zoneB+"instances/m1"+addNIC, doc.Obj{"name": "external-nat"})
	w.made("POST", regionW+"forwardingRules", rule(doc.Base+regionW+"addresses/m-ip"))
	want := backend.Balancer{
		Project: "p", Region: "europe-west1", Name: "fr", Address: netip.MustParseAddr(ip), Protocol: "TCP", Ports: []string{"443"},
		Backends: []backend.Backends{
			{Zone: "europe-west1-b", Group: "g", Network: "default", Machines: []netip.Addr{w.inside("m1")}},
			{Zone: "europe-west1-c", Group: "g", Network: "default", Machines: []netip.Addr{w.inside("m2")}},
		},
		Affinity: "NONE", Drain: 7 * time.Second,
		Check: backend.HealthCheck{Protocol: "HTTPS", Port: 443, Path: "/readyz", Interval: 2 * time.Second, Timeout: time.Second, Healthy: 2, Unhealthy: 3},
	}
	check := func(when string) {
		t.Helper()
		if d := cmp.Diff([]backend.Balancer{want}, w.backend.net().Balancers, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Errorf("%s:\n%s", when, d)
		}
	}
	check("with the rule")
	if d := cmp.Diff(map[string][]string{"m1": {ip}, "m2": {ip}}, w.forwardedTo()); d != "" {
		t.Errorf("forwarded:\n%s", d)
	}
	w.made("POST", zoneC+"instances/m2/stop", nil)
	want.Backends[1].Machines = nil
	check("a machine stopped")
	w.made("POST", zoneC+"instances/m2/start", nil)
	want.Backends[1].Machines = []netip.Addr{w.inside("m2")}
	check("and started")
	w.made("PATCH", checkW, doc.Obj{"checkIntervalSec": 5})
	want.Check.Interval = 5 * time.Second
	check("another interval")
	w.made("PATCH", serviceW, doc.Obj{"sessionAffinity": "CLIENT_IP"})
	want.Affinity = "CLIENT_IP"
	check("another affinity")
	before := w.s.Snapshot()
	w.reopen()
	if err := w.s.core.Net.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("after a restart")
	if d := cmp.Diff(before, w.s.Snapshot()); d != "" {
		t.Errorf("objects after the restart:\n%s", d)
	}
	w.made("POST", zoneC+"instanceGroups/g/removeInstances", these("m2"))
	want.Backends[1].Machines = nil
	check("a machine out of its group")
	if d := cmp.Diff(map[string][]string{"m1": {ip}, "m2": {ip}}, w.forwardedTo()); d != "" {
		t.Errorf("forwarded while m2 drains:\n%s", d)
	}
	w.made("DELETE", zoneB+"instances/m1", nil)
	want.Backends[0].Machines = nil
	check("a machine deleted")
	w.made("POST", zoneB+"instances", instance("m1", nil))
	check("one of its name is no member")
	if n := doc.Num(w.get(zoneB+"instanceGroups/g"), "size"); n != 0 {
		t.Errorf("group of %d", n)
	}
	w.made("DELETE", ruleW, nil)
	if b := w.backend.net().Balancers; len(b) != 0 {
		t.Errorf("balancers without the rule: %+v", b)
	}
}

// TestAddressMovesToTheRuleAndBack is design.md §5: off the first master, to
// the rule; and later to the master that remains, whichever it is.
func TestAddressMovesToTheRuleAndBack(t *testing.T) {
	w := newWorld(t)
	ip := w.masters()
	conflict := w.refused(400, "invalid", "POST", regionW+"forwardingRules", rule(ip))
	if conflict != "Invalid value for field 'resource.IPAddress': '"+ip+"'. Specified IP address is in-use and would result in a conflict." {
		t.Errorf("an address in use: %q", conflict)
	}
	for _, wrong := range []string{"198.51.100.200", "no-such-address", "projects/p/regions/us-central1/addresses/m-ip"} {
		if got := w.refused(400, "invalid", "POST", regionW+"forwardingRules", rule(wrong)); !strings.HasSuffix(got, "Invalid IP address specified.") {
			t.Errorf("%s: %q", wrong, got)
		}
	}
	users := func(status string, want ...string) {
		t.Helper()
		a := w.get(regionW + "addresses/m-ip")
		var got []string
		for _, u := range doc.Strings(a, "users") {
			got = append(got, string(doc.RefOf(u)))
		}
		if doc.Str(a, "status") != status || !slices.Equal(got, want) {
			t.Errorf("address %s, used by %v; want %s, %v", doc.Str(a, "status"), got, status, want)
		}
	}
	for _, form := range []string{ip, "m-ip", "projects/p/regions/europe-west1/addresses/m-ip"} {
		w.made("POST", zoneB+"instances/m1"+dropNIC, nil)
		users("RESERVED")
		w.made("POST", zoneB+"instances/m1"+addNIC, doc.Obj{"name": "external-nat"})
		w.made("POST", regionW+"forwardingRules", rule(form))
		users("IN_USE", ruleW)
		if got := doc.Str(w.get(ruleW), "IPAddress"); got != ip {
			t.Errorf("rule with address %s", got)
		}
		w.made("POST", zoneC+"instances/m2"+dropNIC, nil)
		w.refused(400, "invalid", "POST", zoneC+"instances/m2"+addNIC, doc.Obj{"natIP": ip})
		w.made("DELETE", ruleW, nil)
		users("RESERVED")
		w.made("POST", zoneC+"instances/m2"+addNIC, doc.Obj{"natIP": ip, "name": "external-nat"})
		users("IN_USE", zoneC+"instances/m2")
		w.made("POST", zoneC+"instances/m2"+dropNIC, nil)
		w.made("POST", zoneC+"instances/m2"+addNIC, doc.Obj{"name": "external-nat"})
		w.made("POST", zoneB+"instances/m1"+dropNIC, nil)
		w.made("POST", zoneB+"instances/m1"+addNIC, doc.Obj{"natIP": ip, "name": "external-nat"})
	}
}

// TestOneRuleForAPort lets rules share an address that are about different ports.
func TestOneRuleForAPort(t *testing.T) {
	w := newWorld(t)
	ip := w.masters()
	w.made("POST", zoneB+"instances/m1"+dropNIC, nil)
	w.made("POST", regionW+"forwardingRules", rule(ip))
	other := rule(ip)
	other["name"] = "other"
	delete(other, "ports")
	for _, ports := range []doc.Obj{{"portRange": "443"}, {"portRange": "400-500"}, {"allPorts": true}} {
		body := doc.Clone(other)
		doc.Merge(body, ports)
		w.refused(400, "invalid", "POST", regionW+"forwardingRules", body)
	}
	w.refused(400, "badRequest", "POST", regionW+"forwardingRules", other) // no ports
	other["portRange"] = "80"
	w.made("POST", regionW+"forwardingRules", other)
	a := w.get(regionW + "addresses/m-ip")
	if got := doc.Str(w.get(regionW+"forwardingRules/other"), "portRange"); got != "80-80" || len(doc.List(a, "users")) != 2 {
		t.Errorf("port range %q, address %v", got, a)
	}
	if got := w.forwardedTo()["m1"]; !slices.Equal(got, []string{ip}) {
		t.Errorf("forwarded to m1: %v, want it once", got)
	}
	w.made("DELETE", ruleW, nil)
	if a = w.get(regionW + "addresses/m-ip"); doc.Str(a, "status") != "IN_USE" || len(doc.List(a, "users")) != 1 {
		t.Errorf("address of the rule that is left: %v", a)
	}
	// Without a reserved address a rule has one of the pool, and nobody else.
	loose := rule("")
	w.made("POST", regionW+"forwardingRules", loose)
	got := doc.Str(w.get(ruleW), "IPAddress")
	w.made("POST", regionW+"addresses", doc.Obj{"name": "next"})
	if next := doc.Str(w.get(regionW+"addresses/next"), "address"); got == "" || got == ip || next == got {
		t.Errorf("the rule has %s, the next address is %s", got, next)
	}
}

func TestBalancerPartsInUse(t *testing.T) {
	w := newWorld(t)
	w.masters()
	w.made("POST", regionW+"forwardingRules", rule(""))
	inUse := func(path, noun, by string) {
		t.Helper()
		got := w.refused(400, "resourceInUseByAnotherResource", "DELETE", path, nil)
		if want := "The " + noun + " resource '" + path + "' is already being used by '" + by + "'"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	inUse(serviceW, "backend_service", ruleW)
	// Google names these two in a form of their own.
	if got := w.refused(400, "resourceInUseByAnotherResource", "DELETE", checkW, nil); got != inUseCheck("hc", "bs") {
		t.Errorf("got %q, want %q", got, inUseCheck("hc", "bs"))
	}
	inUse(zoneB+"instanceGroups/g", "instance_group", serviceW)
	if used := doc.Objects(w.get(serviceW), "usedBy"); len(used) != 1 || doc.RefOf(doc.Str(used[0], "reference")) != ruleW {
		t.Errorf("users of the service: %v", used)
	}
	want := map[string]int{"forwardingRules": 1, "backendServices": 1, "healthChecks": 1, "instanceGroups": 2}
	got := w.s.Objects()
	maps.DeleteFunc(got, func(k string, _ int) bool { return want[k] == 0 })
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("objects:\n%s", d)
	}
	w.made("DELETE", ruleW, nil)
	w.made("DELETE", serviceW, nil)
	w.made("DELETE", checkW, nil)
	w.made("DELETE", zoneB+"instanceGroups/g", nil)
	w.made("DELETE", zoneC+"instanceGroups/g", nil)
	w.made("DELETE", zoneB+"instances/m1", nil)
	w.made("DELETE", zoneC+"instances/m2", nil)
	w.made("DELETE", regionW+"addresses/m-ip", nil)
	w.made("DELETE", regionW+"subnetworks/s", nil)
	w.made("DELETE", "projects/p/global/networks/default", nil)
	if n := w.s.Objects(); len(n) != 0 {
		t.Errorf("left: %v", n)
	}
}

func TestGetHealth(t *testing.T) {
	w := newWorld(t)
	ip := w.masters()
	ask := func(group string) map[string]string {
		t.Helper()
		status, o := w.send("POST", serviceW+"/getHealth", doc.Obj{"group": group})
		if status != 200 {
			t.Fatalf("health: %d %s", status, message(o))
		}
		out := map[string]string{}
		for _, s := range doc.Objects(o, "healthStatus") {
			if doc.Num(s, "port") != 443 || doc.Str(s, "forwardingRuleIp") != ip {
				t.Errorf("status %v", s)
			}
			out[doc.RefOf(doc.Str(s, "instance")).Name()+" "+doc.Str(s, "ipAddress")] = doc.Str(s, "healthState")
		}
		return out
	}
	if got := ask(zoneB + "instanceGroups/g"); len(got) != 0 {
		t.Errorf("health before anyone probes: %v", got)
	}
	w.made("POST", zoneB+"instances/m1"+dropNIC, nil)
	w.made("POST", regionW+"forwardingRules", rule(ip))
	one, two := w.inside("m1"), w.inside("m2")
	w.backend.mu.Lock()
	w.backend.health = map[netip.Addr]bool{one: true, two: false}
	w.backend.mu.Unlock()
	for group, want := range map[string]map[string]string{
		zoneB + "instanceGroups/g":            {"m1 " + one.String(): "HEALTHY"},
		doc.Base + zoneC + "instanceGroups/g": {"m2 " + two.String(): "UNHEALTHY"},
	} {
		if d := cmp.Diff(want, ask(group)); d != "" {
			t.Errorf("%s:\n%s", group, d)
		}
	}
	w.made("POST", zoneB+"instances/m1/stop", nil)
	if got := ask(zoneB + "instanceGroups/g"); got["m1 "+one.String()] != "UNHEALTHY" {
		t.Errorf("a machine that is off: %v", got)
	}
	w.refused(400, "invalid", "POST", serviceW+"/getHealth", doc.Obj{"group": zoneB + "instanceGroups/other"})
	w.refused(404, "notFound", "POST", regionW+"backendServices/none/getHealth", doc.Obj{"group": zoneB + "instanceGroups/g"})
}

// hears is which addresses a machine that waits for news is told of after a change.
func (w *world) hears(machine string, change func()) string {
	w.t.Helper()
	const path = "instance/network-interfaces/0/forwarded-ips/?recursive=true&alt=json"
	h, ok := w.s.MetadataFor(w.key(machine))
	if !ok {
		w.t.Fatal("no metadata")
	}
	_, _, head := ask(h, "GET", path, "")
	done := make(chan string, 1)
	go func() {
		_, text, _ := ask(h, "GET", path+"&wait_for_change=true&timeout_sec=600&last_etag="+head.Get("ETag"), "")
		done <- text
	}()
	change()
	select {
	case text := <-done:
		return strings.TrimSpace(text)
	case <-time.After(time.Minute):
		return "nothing for a minute"
	}
}

// TestForwardedWakesTheGuest is what the guest agent waits for.
func TestForwardedWakesTheGuest(t *testing.T) {
	w := newWorld(t)
	ip := w.masters()
	w.made("PATCH", serviceW, doc.Obj{"connectionDraining": doc.Obj{"drainingTimeoutSec": 0}})
	w.made("POST", zoneB+"instances/m1"+dropNIC, nil)
	for _, step := range []struct {
		want   string
		change func()
	}{
		{`["` + ip + `"]`, func() { w.made("POST", regionW+"forwardingRules", rule(ip)) }},
		{`[]`, func() { w.made("POST", zoneC+"instanceGroups/g/removeInstances", these("m2")) }},
		{`["` + ip + `"]`, func() { w.made("POST", zoneC+"instanceGroups/g/addInstances", these("m2")) }},
		{`[]`, func() {
			w.made("PATCH", serviceW, doc.Obj{"backends": []any{doc.Obj{"group": zoneB + "instanceGroups/g"}}})
		}},
	} {
		if got := w.hears("m2", step.change); got != step.want {
			t.Errorf("forwarded: %s, want %s", got, step.want)
		}
	}
}

// inUseCheck is how Google says that a health check of the region is used.
func inUseCheck(check, service string) string {
	in := "REGION:europe-west1/PROJECT:" + doc.NumberOf("project p") + "/"
	return "The health_check resource '" + in + "HEALTH_CHECK:" + check + "' is already being used by '" + in + "BACKEND_SERVICE:" + service + "'"
}
