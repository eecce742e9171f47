package emulator

import (
	"path"
	"slices"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// A thing is a resource somebody can make, for the rules that all share.
type thing struct {
	collection string  // path
	body       doc.Obj // of an insert, without a name
}

// things returns one of each, after making what they stand on.
func (w *world) things() map[string]thing {
	w.subnet()
	w.template("tmpl")
	w.made("POST", zoneB+"disks", doc.Obj{"name": "source", "sizeGb": "10"})
	w.made("POST", zoneB+"instanceGroups", doc.Obj{"name": "backends"})
	w.made("POST", regionW+"healthChecks", doc.Obj{"name": "check", "type": "TCP", "tcpHealthCheck": doc.Obj{"port": 443}})
	w.made("POST", regionW+"backendServices", doc.Obj{"name": "service", "protocol": "TCP", "loadBalancingScheme": "EXTERNAL", "healthChecks": []any{regionW + "healthChecks/check"}})
	machine := instance("", nil)
	delete(machine, "name")
	properties := instance("", nil)
	delete(properties, "name")
	properties["machineType"] = "n1-standard-1"
	properties["networkInterfaces"].([]any)[0].(doc.Obj)["subnetwork"] = regionW + "subnetworks/s"
	const global = "projects/p/global/"
	return map[string]thing{
		"network":                {global + "networks", doc.Obj{"autoCreateSubnetworks": false}},
		"subnetwork":             {regionW + "subnetworks", doc.Obj{"network": "global/networks/default", "ipCidrRange": "10.99.0.0/24"}},
		"firewall":               {global + "firewalls", doc.Obj{"network": "global/networks/default", "sourceRanges": []any{"0.0.0.0/0"}, "allowed": []any{doc.Obj{"IPProtocol": "tcp"}}}},
		"address":                {regionW + "addresses", doc.Obj{}},
		"disk":                   {zoneB + "disks", doc.Obj{"sizeGb": "10"}},
		"snapshot":               {global + "snapshots", doc.Obj{"sourceDisk": zoneB + "disks/source"}},
		"instance":               {zoneB + "instances", machine},
		"instance template":      {global + "instanceTemplates", doc.Obj{"properties": properties}},
		"managed group":          {zoneB + "instanceGroupManagers", doc.Obj{"targetSize": 0, "instanceTemplate": "global/instanceTemplates/tmpl"}},
		"instance group":         {zoneB + "instanceGroups", doc.Obj{}},
		"health check":           {global + "healthChecks", doc.Obj{"type": "TCP", "tcpHealthCheck": doc.Obj{"port": 80}}},
		"regional health check":  {regionW + "healthChecks", doc.Obj{"type": "TCP", "tcpHealthCheck": doc.Obj{"port": 80}}},
		"regional back. service": {regionW + "backendServices", doc.Obj{"protocol": "TCP", "loadBalancingScheme": "EXTERNAL", "healthChecks": []any{regionW + "healthChecks/check"}}},
		"forwarding rule":        {regionW + "forwardingRules", doc.Obj{"loadBalancingScheme": "EXTERNAL", "IPProtocol": "TCP", "ports": []any{"443"}, "backendService": regionW + "backendServices/service"}},
	}
}

// TestRulesOfAll holds every resource to what Google refuses of any.
func TestRulesOfAll(t *testing.T) {
	w := newWorld(t)
	for name, x := range w.things() {
		t.Run(name, func(t *testing.T) {
			v := *w
			v.t = t // the same server, and errors of this resource
			with := func(more doc.Obj) doc.Obj {
				o := doc.Clone(x.body)
				for k, e := range more {
					o[k] = e
				}
				return o
			}
			for _, bad := range []string{"A", "1a", "-a", "a-", "a_b", "a.b", strings.Repeat("a", 64)} {
				if m := v.refused(400, "invalid", "POST", x.collection, with(doc.Obj{"name": bad})); !strings.HasPrefix(m, "Invalid value for field 'resource.name': '"+bad) {
					t.Errorf("name %q: %s", bad, m)
				}
			}
			v.refused(400, "required", "POST", x.collection, x.body)
			v.refused(400, "invalid", "POST", x.collection, with(doc.Obj{"name": "x", "wonder": 1}))
			if slices.Contains([]string{"disks", "snapshots", "instances"}, path.Base(x.collection)) {
				for _, bad := range []doc.Obj{{"A": "b"}, {"a": "B"}, {"": "b"}, {"1": "b"}, {"a b": "b"}, {"Ä": "b"}, {"a": strings.Repeat("x", 64)}} {
					if m := v.refused(400, "invalid", "POST", x.collection, with(doc.Obj{"name": "x", "labels": bad})); !strings.Contains(m, "abel") {
						t.Errorf("labels %v: %s", bad, m)
					}
				}
			}
			v.refused(400, "parseError", "POST", x.collection, "[]")
			v.refused(400, "parseError", "POST", x.collection, "{")
			if n := v.s.core.Store.Read(doc.Ref(x.collection + "/x")); n != nil {
				t.Errorf("a refused insert made %v", n)
			}

			it := x.collection + "/" + strings.Repeat("a", 63)
			// What is for output only is read over, whatever it says.
			v.made("POST", x.collection, with(doc.Obj{"name": doc.Ref(it).Name(), "kind": "x", "id": "7", "selfLink": "y", "creationTimestamp": "z"}))
			if m := v.refused(409, "alreadyExists", "POST", x.collection, with(doc.Obj{"name": doc.Ref(it).Name()})); m != "The resource '"+it+"' already exists" {
				t.Error(m)
			}
			o := v.get(it)
			for _, k := range []string{"id", "kind", "name", "selfLink", "creationTimestamp"} {
				if v := doc.Str(o, k); len(v) < 2 {
					t.Errorf("%s is %q", k, v)
				}
			}
			for _, verb := range []string{"GET", "DELETE"} {
				if m := v.refused(404, "notFound", verb, x.collection+"/none", nil); m != "The resource '"+x.collection+"/none' was not found" {
					t.Error(m)
				}
			}
			v.made("DELETE", it, nil)
			v.refused(404, "notFound", "GET", it, nil)
			v.refused(404, "notFound", "DELETE", it, nil)
		})
	}
}

// TestRulesOfUse refuses the end of what something else stands on.
func TestRulesOfUse(t *testing.T) {
	w := newWorld(t)
	for name, x := range w.things() {
		switch name {
		case "instance":
			x.body["networkInterfaces"].([]any)[0].(doc.Obj)["accessConfigs"].([]any)[0].(doc.Obj)["natIP"] = w.reserved("machine-ip")
			x.body["networkInterfaces"].([]any)[0].(doc.Obj)["aliasIpRanges"] = []any{doc.Obj{"ipCidrRange": "/24", "subnetworkRangeName": "pods-default"}}
		case "forwarding rule":
			x.body["IPAddress"] = w.reserved("rule-ip")
		}
		if name == "managed group" || name == "instance" || name == "forwarding rule" {
			x.body["name"] = "user"
			w.made("POST", x.collection, x.body)
		}
	}
	if m := w.refused(400, "resourceInUseByAnotherResource", "DELETE", regionW+"healthChecks/check", nil); m != inUseCheck("check", "service") {
		t.Error(m)
	}
	w.made("PATCH", regionW+"backendServices/service", doc.Obj{"backends": []any{doc.Obj{"group": zoneB + "instanceGroups/backends", "balancingMode": "CONNECTION"}}})
	for used, by := range map[string]string{
		regionW + "subnetworks/s":                  zoneB + "instances/user",
		zoneB + "disks/user":                       zoneB + "instances/user",
		regionW + "addresses/machine-ip":           zoneB + "instances/user",
		regionW + "backendServices/service":        regionW + "forwardingRules/user",
		zoneB + "instanceGroups/backends":          regionW + "backendServices/service",
		"projects/p/global/instanceTemplates/tmpl": zoneB + "instanceGroupManagers/user",
	} {
		if m := w.refused(400, "resourceInUseByAnotherResource", "DELETE", used, nil); !strings.HasSuffix(m, " resource '"+used+"' is already being used by '"+by+"'") {
			t.Errorf("deleting %s: %s", used, m)
		}
	}
	// So is what they stand on in part.
	w.refused(400, "resourceInUseByAnotherResource", "PATCH", regionW+"subnetworks/s", doc.Obj{
		"fingerprint": w.get(regionW + "subnetworks/s")["fingerprint"], "secondaryIpRanges": []any{}})
	w.refused(400, "invalid", "PATCH", regionW+"backendServices/service", doc.Obj{"protocol": "UDP"})
	// A network says it later, in the operation.
	op := w.do("DELETE", "projects/p/global/networks/default", nil)
	if e := doc.Objects(doc.Sub(op, "error"), "errors"); len(e) != 1 || doc.Str(e[0], "code") != "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE" {
		t.Errorf("deleting a network in use: %v", op)
	}
	w.refused(400, "resourceInUseByAnotherResource", "DELETE", zoneB+"instanceGroups/user", nil) // a managed group's own
}

func (w *world) reserved(name string) string {
	w.t.Helper()
	w.made("POST", regionW+"addresses", doc.Obj{"name": name})
	return doc.Str(w.get(regionW+"addresses/"+name), "address")
}

// TestRulesOfChange refuses changes of what stays as it was made, and of what
// somebody else has changed meanwhile.
func TestRulesOfChange(t *testing.T) {
	w := newWorld(t)
	all := w.things()
	delete(all, "disk")           // the instance makes one of its name
	delete(all, "instance group") // and so does the managed group
	for _, x := range all {
		x.body["name"] = "x"
		w.made("POST", x.collection, x.body)
	}
	for _, c := range []struct {
		verb, path string
		body       doc.Obj
	}{
		{"PATCH", "projects/p/global/networks/x", doc.Obj{"name": "y"}},
		{"PATCH", regionW + "subnetworks/x", doc.Obj{"ipCidrRange": "10.98.0.0/24"}},
		{"PATCH", "projects/p/global/firewalls/x", doc.Obj{"network": "global/networks/x"}},
		{"PATCH", "projects/p/global/firewalls/x", doc.Obj{"name": "y"}},
		{"PATCH", zoneB + "instanceGroupManagers/x", doc.Obj{"baseInstanceName": "y"}},
		{"PATCH", zoneB + "instanceGroupManagers/x", doc.Obj{"name": "y"}},
		{"PATCH", regionW + "healthChecks/x", doc.Obj{"name": "y"}},
		{"PATCH", regionW + "backendServices/x", doc.Obj{"name": "y"}},
	} {
		before := w.get(c.path)
		if f := before["fingerprint"]; f != nil {
			c.body["fingerprint"] = f
		}
		w.refused(400, "invalid", c.verb, c.path, c.body)
		if after := w.get(c.path); doc.Fingerprint(after) != doc.Fingerprint(before) {
			t.Errorf("%s %s %v was refused and changed it to %v", c.verb, c.path, c.body, after)
		}
	}
	for _, c := range []struct {
		path string
		body doc.Obj
	}{
		{zoneB + "instances/x/setMetadata", doc.Obj{"fingerprint": "AAAA", "items": []any{}}},
		{zoneB + "instances/x/setTags", doc.Obj{"fingerprint": "AAAA", "items": []any{}}},
		{zoneB + "instances/x/setLabels", doc.Obj{"labelFingerprint": "AAAA", "labels": doc.Obj{}}},
		{zoneB + "disks/x/setLabels", doc.Obj{"labelFingerprint": "AAAA", "labels": doc.Obj{}}},
		{regionW + "addresses/x/setLabels", doc.Obj{"labelFingerprint": "AAAA", "labels": doc.Obj{}}},
		{"projects/p/global/snapshots/x/setLabels", doc.Obj{"labelFingerprint": "AAAA", "labels": doc.Obj{}}},
		{"projects/p/setCommonInstanceMetadata", doc.Obj{"fingerprint": "AAAA", "items": []any{}}},
	} {
		w.refused(412, "conditionNotMet", "POST", c.path, c.body)
	}
	for _, path := range []string{regionW + "backendServices/x", zoneB + "instanceGroupManagers/x", regionW + "subnetworks/x"} {
		status, answer := w.send("PATCH", path, doc.Obj{"fingerprint": "AAAA"})
		if status != 412 || why(answer) != "conditionNotMet" {
			t.Errorf("PATCH %s with a stale fingerprint: %d %s", path, status, message(answer))
		}
	}
}
